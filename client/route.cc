#include "client/route.h"

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
  // A connection that went dead without a word is noticed while a call of the
  // default timeout still has time for another server. Servers permit a ping
  // every ten seconds.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 11'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2'500);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  // A proxy for web pages is not for us.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Connections share nothing: no global state.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace

Server::Server(std::string address)
    : address_(std::move(address)), channel_(NewChannel(address_)) {}

}  // namespace client
