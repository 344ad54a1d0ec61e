// Reshape changes, now and then, who takes part in the partitions of a run: it
// asks whoever leads for a random change, and does not mind if that is refused
// or comes to nothing. In the end it asks until every partition has voters
// enough to lose a node.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_RESHAPE_H_
#define SIM_RESHAPE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "partition/membership.h"
#include "raft/configuration.h"
#include "sim/event_loop.h"
#include "sim/machine.h"
#include "sim/scenario.h"

namespace sim {

class Reshape {
 public:
  // All references must outlive it.
  Reshape(EventLoop& loop, const Scenario& scenario,
          std::vector<std::unique_ptr<Machine>>& machines, const Groups& groups,
          uint64_t seed);

  // Begins, unless the scenario changes no members.
  void Start();
  // Nothing is asked for any more but what restores voters.
  void Calm();

  // After Calm: every partition has min(3, nodes) voters or more, and no change
  // is under way.
  bool is_done() const;

  uint64_t done_count() const { return done_count_; }

  // The member that a node is in every partition.
  static raft::Member MemberOn(base::NodeId node);

 private:
  void Later();
  void AskForAny();
  void Restore();
  partition::MemberChange DrawChange();
  // Asks the leader of `id`, if there is one.
  void Ask(base::PartitionId id, partition::MemberChange change);
  base::NodeId AnyNode();
  size_t voters_wanted() const;

  EventLoop& loop_;
  const Scenario& scenario_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  const Groups& groups_;
  base::Random random_;
  bool calm_ = false;
  uint64_t done_count_ = 0;
};

}  // namespace sim

#endif  // SIM_RESHAPE_H_
