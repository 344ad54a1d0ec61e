#include "server/service/outbound_calls.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "server/service/forwarded_error.h"

namespace server::service {
namespace {

constexpr int kPingEveryMs = 2'000;
constexpr int kReconnectMsMax = 500;

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A node that takes and never answers is noticed (U37).
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingEveryMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMax / 5);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return arguments;
}

}  // namespace

std::shared_ptr<grpc::Channel> OutboundCalls::Enter(
    OutboundCall& call, const std::string& address) {
  base::MutexLock lock(mu_);
  if (stopped_) return nullptr;
  open_.insert(&call);
  inside_.Enter();
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) {
    channel = grpc::CreateCustomChannel(
        address, grpc::InsecureChannelCredentials(), Arguments());
  }
  return channel;
}

Error OutboundCalls::Failed(const grpc::Status& status,
                            const grpc::ClientContext& context,
                            const transport::Route& route) {
  Error error =
      ForwardedError(status, context.GetServerTrailingMetadata(), route);
  if (error.refusal.not_leader) routes_.Drop(route);
  return error;
}

void OutboundCalls::Forget(OutboundCall& call) {
  base::MutexLock lock(mu_);
  open_.erase(&call);
}

void OutboundCalls::Stop() {
  {
    base::MutexLock lock(mu_);
    stopped_ = true;
    for (OutboundCall* const call : open_) call->Cancel();
  }
  inside_.WaitUntilEmpty();
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
  base::MutexLock lock(mu_);
  channels.swap(channels_);
}

}  // namespace server::service
