#include "client/connection.h"

#include <limits>
#include <utility>

#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace client {
namespace {

// The status of a node with 10,000 partitions has some megabytes, as many as
// gRPC takes by default.
constexpr int kMessageBytesMax = 256 << 20;

std::shared_ptr<grpc::ChannelInterface> NewChannel(const std::string& server) {
  grpc::ChannelArguments arguments;
  // A server that restarts is found within a second, not within a minute.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A connection that went dead without a word is noticed.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 15'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  // A proxy for web pages is not for us.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Connections share nothing: no global state.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace

Connection::Connection(ConnectionOptions options)
    : options_(std::move(options)),
      timer_(options_.timer != nullptr ? options_.timer : &SystemTimer()),
      channel_(NewChannel(options_.server)),
      random_(options_.seed != 0 ? options_.seed : base::SecureSeed()) {}

Connection::~Connection() = default;

int64_t Connection::CallDeadlineNanos() {
  const int64_t now_ns = timer_->NowNanos();
  const int64_t timeout_ns = absl::ToInt64Nanoseconds(options_.call_timeout);
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  return timeout_ns > kNever - now_ns ? kNever : now_ns + timeout_ns;
}

Backoff Connection::NewBackoff() {
  base::MutexLock lock(mu_);
  return Backoff(random_.Next());
}

}  // namespace client
