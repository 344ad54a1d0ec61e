#include "server/cluster/hand_over.h"

#include <memory>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace server::cluster {
namespace {

struct AllEnded {
  base::Mutex mu;
  base::CondVar changed;
  bool ended ABSL_GUARDED_BY(mu) = false;
};

}  // namespace

void HandOverAll(
    const std::vector<std::shared_ptr<partition::Partition>>& partitions,
    uint64_t timeout_ns) {
  const auto all = std::make_shared<AllEnded>();
  // Each transfer has a share, also one that is dropped without a word.
  std::shared_ptr<void> share(nullptr, [all](void*) {
    base::MutexLock lock(all->mu);
    all->ended = true;
    all->changed.SignalAll();
  });
  for (const auto& partition : partitions) {
    // Also who was elected a moment ago and does not serve yet; who does not
    // lead says so at once.
    partition->TransferLeadership(
        raft::ReplicaId{},
        [share, id = partition->id()](const absl::Status& status) {
          if (status.ok()) return;
          VLOG(1) << "partition " << id
                  << ": leadership was not handed over: " << status;
        });
  }
  share = nullptr;
  base::Clock& clock = base::SystemClock();
  const int64_t end_ns =
      clock.MonotonicNanos() + static_cast<int64_t>(timeout_ns);
  base::MutexLock lock(all->mu);
  while (!all->ended) {
    const int64_t left_ns = end_ns - clock.MonotonicNanos();
    if (left_ns <= 0) return;
    all->changed.WaitFor(all->mu, left_ns);
  }
}

}  // namespace server::cluster
