// Machine is one node of a run and what goes wrong with it: it fails at moments
// of its disk, comes back by and by, and tells the groups what its disk is
// asked to do.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_MACHINE_H_
#define SIM_MACHINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "base/random.h"
#include "session/registry.h"
#include "sim/disk.h"
#include "sim/event_loop.h"
#include "sim/group.h"
#include "sim/judge.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/scenario.h"

namespace sim {

using Groups = std::map<base::PartitionId, std::unique_ptr<Group>>;

class Machine : public DiskObserver {
 public:
  // All references must outlive it.
  Machine(EventLoop& loop, Network& network, const session::Registry& registry,
          const Scenario& scenario, const NodeOptions& options,
          const Groups& groups, uint64_t seed, Judge& judge);

  // Starts a process, which must succeed. REQUIRES: !node().is_up().
  void Start();
  // The process dies, or the machine loses power; it comes back by and by.
  void Crash();
  // The process stops in order and comes back.
  void Restart();
  // Crashes at one of the next moments of this kind.
  void CrashAt(DiskMoment moment, uint64_t countdown);
  void FailSync();
  // Nothing goes wrong any more.
  void Calm();
  // Compares its disk with what the oracles know.
  void Audit();

  Node& node() { return *node_; }
  const Node& node() const { return *node_; }
  uint64_t crash_count() const { return crashes_; }

  // --- DiskObserver ---------------------------------------------------------

  void OnQueued(const DiskWrite& write) override;
  void OnDurable(const DiskWrite& write) override;
  void OnCreated(base::PartitionId partition, raft::ReplicaId replica) override;
  void OnDropped(base::PartitionId partition, raft::ReplicaId replica) override;
  bool FailsHere(DiskMoment moment) override;

 private:
  void ComeBackLater();

  EventLoop& loop_;
  const Scenario& scenario_;
  const Groups& groups_;
  base::Random random_;
  Judge& judge_;
  std::unique_ptr<Node> node_;

  bool coming_back_ = false;
  bool failing_sync_ = false;
  std::optional<DiskMoment> crash_at_;
  uint64_t crash_countdown_ = 0;
  uint64_t crashes_ = 0;
};

}  // namespace sim

#endif  // SIM_MACHINE_H_
