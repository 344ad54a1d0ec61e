#include "server/cluster/leader_balancer.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/mutex.h"
#include "server/cluster/leader_balance.h"

namespace server::cluster {
namespace {

constexpr uint64_t kLookEveryNs = 1'000'000'000;

// Up, and caught up, for so many looks: ten seconds.
constexpr uint32_t kLooks = 10;

}  // namespace

class LeaderBalancer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(std::function<Partitions()> partitions, partition::Executor& timer)
      : partitions_(std::move(partitions)), timer_(timer) {}

  void Schedule() {
    timer_.PostAfter(kLookEveryNs, [self = shared_from_this()] {
      if (!self->LookAtAll()) return;
      self->Schedule();
    });
  }

  void Stop() {
    base::MutexLock lock(mu_);
    stopped_ = true;
  }

  void Keep(base::PartitionId partition) {
    base::MutexLock lock(mu_);
    balance_.Keep(partition);
  }

 private:
  // False: it has stopped.
  bool LookAtAll() {
    {
      base::MutexLock lock(mu_);
      if (stopped_) return false;
    }
    for (const auto& partition : partitions_()) {
      if (!partition->serving()) {
        base::MutexLock lock(mu_);
        balance_.Forget(partition->id());
        continue;
      }
      partition->GetStatus(
          [self = shared_from_this(),
           weak = std::weak_ptr<partition::Partition>(partition)](
              partition::PartitionStatus&& status) {
            if (const auto held = weak.lock()) self->LookAt(*held, status);
          });
    }
    return true;
  }

  // On the partition's executor.
  void LookAt(partition::Partition& partition,
              const partition::PartitionStatus& status) {
    raft::ReplicaId target;
    const auto share = std::make_shared<int>();
    {
      base::MutexLock lock(mu_);
      if (stopped_ || !moving_.expired()) return;
      target = balance_.Look(status);
      if (target == raft::ReplicaId{}) return;
      moving_ = share;
    }
    partition.TransferLeadership(
        target, [share, id = status.id](const absl::Status& moved) {
          if (!moved.ok()) {
            VLOG(1) << "partition " << id << ": not handed back: " << moved;
          }
        });
  }

  const std::function<Partitions()> partitions_;
  partition::Executor& timer_;

  base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  // Lives as long as a transfer is under way, also one whose end nobody tells.
  std::weak_ptr<int> moving_ ABSL_GUARDED_BY(mu_);
  LeaderBalance balance_ ABSL_GUARDED_BY(mu_){kLooks};
};

LeaderBalancer::LeaderBalancer(std::function<Partitions()> partitions,
                               partition::Executor& timer)
    : impl_(std::make_shared<Impl>(std::move(partitions), timer)) {}

void LeaderBalancer::Start() { impl_->Schedule(); }
void LeaderBalancer::Stop() { impl_->Stop(); }
void LeaderBalancer::Keep(base::PartitionId partition) {
  impl_->Keep(partition);
}

}  // namespace server::cluster
