#include "server/service/health_watches.h"

#include <cstdint>
#include <optional>
#include <utility>

namespace server::service {
namespace {

constexpr uint64_t kLookEveryNs = 100'000'000;

}  // namespace

// One call.
class HealthWatch final : public StreamCall {
 public:
  HealthWatch(grpc::CallbackServerContext& context, OpenStreams& streams,
              std::shared_ptr<const void> place)
      : StreamCall(context, streams), place_(std::move(place)) {}

  // Sends `status` if it is new. While a write is on its way nothing is sent:
  // the next look does that.
  void Tell(HealthWatches::Status status) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      base::MutexLock lock(mu_);
      if (gone_ || sending_ || status == last_) return;
      last_ = status;
      sending_ = true;
    }
    ::grpc::health::v1::HealthCheckResponse response;
    response.set_status(status);
    Send(response.SerializeAsString());
  }

  bool is_gone() const ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    return gone_;
  }

 private:
  void Writable() override ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    sending_ = false;
  }
  void Gone() override ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    gone_ = true;
    place_.reset();
  }

  mutable base::Mutex mu_;
  std::shared_ptr<const void> place_ ABSL_GUARDED_BY(mu_);  // Until gone.
  bool sending_ ABSL_GUARDED_BY(mu_) = false;
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<HealthWatches::Status> last_ ABSL_GUARDED_BY(mu_);
};

std::shared_ptr<HealthWatches> HealthWatches::Make(StatusOf status_of,
                                                   partition::Executor& timer) {
  return std::shared_ptr<HealthWatches>(
      new HealthWatches(std::move(status_of), timer));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* HealthWatches::Open(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    const std::string& service, std::shared_ptr<const void> place) {
  auto watch =
      StreamCall::Start<HealthWatch>(context, streams, std::move(place));
  bool look = false;
  {
    base::MutexLock lock(mu_);
    watches_[service].push_back(watch);
    look = !std::exchange(looking_, true);
  }
  watch->Tell(status_of_(service));
  if (look) LookLater();
  return watch.get();
}

void HealthWatches::LookLater() {
  timer_.PostAfter(kLookEveryNs, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Look();
  });
}

void HealthWatches::Look() {
  std::map<std::string, std::vector<std::shared_ptr<HealthWatch>>> open;
  {
    base::MutexLock lock(mu_);
    for (auto service = watches_.begin(); service != watches_.end();) {
      auto& here = open[service->first];
      std::erase_if(service->second, [&](const auto& weak) {
        auto watch = weak.lock();
        if (watch == nullptr || watch->is_gone()) return true;
        here.push_back(std::move(watch));
        return false;
      });
      service = service->second.empty() ? watches_.erase(service)
                                        : std::next(service);
    }
    looking_ = !watches_.empty();
  }
  bool any = false;
  for (const auto& [service, watches] : open) {
    if (watches.empty()) continue;
    any = true;
    const Status status = status_of_(service);
    for (const auto& watch : watches) watch->Tell(status);
  }
  if (any) LookLater();
}

}  // namespace server::service
