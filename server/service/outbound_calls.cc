#include "server/service/outbound_calls.h"

#include <utility>

#include "server/service/forwarded_error.h"
#include "server/transport/peer_channel.h"

namespace server::service {
absl::StatusOr<std::shared_ptr<grpc::Channel>> OutboundCalls::Enter(
    OutboundCall& call, size_t bytes, const std::string& address) {
  base::MutexLock lock(mu_);
  if (stopped_) return absl::UnavailableError("the server is shutting down");
  if (open_.size() >= bounds_.calls_max ||
      bytes > bounds_.bytes_max - open_bytes_) {
    return absl::UnavailableError(
        "too much is under way to other nodes; the leader can be asked itself");
  }
  open_.emplace(&call, bytes);
  open_bytes_ += bytes;
  inside_.Enter();
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) channel = transport::PeerChannel(address);
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
  const auto found = open_.find(&call);
  open_bytes_ -= found->second;
  open_.erase(found);
}

size_t OutboundCalls::open() const {
  base::MutexLock lock(mu_);
  return open_.size();
}

void OutboundCalls::Stop() {
  {
    base::MutexLock lock(mu_);
    stopped_ = true;
    for (const auto& [call, bytes] : open_) call->Cancel();
  }
  inside_.WaitUntilEmpty();
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
  base::MutexLock lock(mu_);
  channels.swap(channels_);
}

}  // namespace server::service
