#include "server/service/leader_watch.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/partition.pb.h"

namespace server::service {
namespace {

constexpr size_t kWaitingMax = 16;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

void LeaderWatch::Subscribe() {
  // The event names the replica that saw it, which only its status tells.
  auto self = std::static_pointer_cast<LeaderWatch>(shared_from_this());
  const auto partition = partition_.lock();
  if (partition == nullptr) return PartitionLeft();
  const std::weak_ptr<LeaderWatch> watch(self);
  // A partition that stops drops what it was asked, and its listeners.
  std::shared_ptr<const void> end(nullptr, [watch](const void*) {
    if (auto held = watch.lock()) held->PartitionLeft();
  });
  partition->GetStatus([watch, end = std::move(end)](
                           partition::PartitionStatus&& status) mutable {
    if (auto held = watch.lock()) held->Listen(status.replica, std::move(end));
  });
}

void LeaderWatch::Listen(raft::ReplicaId self,
                         std::shared_ptr<const void> end) {
  const auto partition = partition_.lock();
  if (partition == nullptr) return PartitionLeft();
  auto shared = std::static_pointer_cast<LeaderWatch>(shared_from_this());
  const std::weak_ptr<LeaderWatch> watch(shared);
  const uint64_t id = partition->AddLeaderListener(
      [self, watch, end = std::move(end)](const partition::LeaderInfo& info) {
        if (auto held = watch.lock()) held->Changed(self, info);
      });
  {
    base::MutexLock lock(mu_);
    if (!gone_) {
      listener_ = id;
      return;
    }
  }
  partition->RemoveLeaderListener(id);
}

// Its client asks again, here or elsewhere.
void LeaderWatch::PartitionLeft() {
  End({.refusal = {.status = absl::UnavailableError(absl::StrCat(
                       "partition ", id_.value(), " is not on this node")),
                   .outcome = partition::Outcome::kNotProposed}});
}

void LeaderWatch::Changed(raft::ReplicaId self,
                          const partition::LeaderInfo& info) {
  atomix::multiraft::v1::WatchPartitionResponse response;
  const int64_t now = clock_.WallNanos();
  response.mutable_timestamp()->set_seconds(now / kNanosPerSecond);
  response.mutable_timestamp()->set_nanos(
      static_cast<int32_t>(now % kNanosPerSecond));
  auto& event = *response.mutable_leader_updated();
  event.mutable_member()->set_group_id(id_.value());
  event.mutable_member()->set_member_id(self.value());
  event.set_term(info.term.value());
  event.set_leader(info.leader.value());
  std::string message = response.SerializeAsString();
  {
    base::MutexLock lock(mu_);
    if (gone_) return;
    if (sending_) {
      if (waiting_.size() == kWaitingMax) waiting_.pop_back();
      waiting_.push_back(std::move(message));
      return;
    }
    sending_ = true;
  }
  Send(message);
}

void LeaderWatch::Writable() {
  std::string message;
  {
    base::MutexLock lock(mu_);
    if (waiting_.empty()) {
      sending_ = false;
      return;
    }
    message = std::move(waiting_.front());
    waiting_.pop_front();
  }
  Send(message);
}

void LeaderWatch::Gone() {
  place_.reset();
  std::optional<uint64_t> listener;
  {
    base::MutexLock lock(mu_);
    gone_ = true;
    listener = std::exchange(listener_, std::nullopt);
  }
  if (!listener.has_value()) return;
  if (const auto partition = partition_.lock()) {
    partition->RemoveLeaderListener(*listener);
  }
}

}  // namespace server::service
