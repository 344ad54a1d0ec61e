// LeaderBalance decides when a partition that this node leads goes back to the
// replica that should lead it, so that leaders spread over the nodes again
// after some of them were down. Slow on purpose: each move costs clients a
// moment.
//
// Not thread-safe; no clock: it counts looks.

#ifndef SERVER_CLUSTER_LEADER_BALANCE_H_
#define SERVER_CLUSTER_LEADER_BALANCE_H_

#include <cstdint>
#include <map>
#include <set>

#include "base/ids.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace server::cluster {

class LeaderBalance {
 public:
  // A replica is trusted after `looks` looks in a row that found it well; after
  // each try that came to nothing, after twice as many as before, up to 64
  // times: while one is under way the partition takes no commands.
  explicit LeaderBalance(uint32_t looks) : looks_(looks) {}

  // Who should lead: of the voters that a partition began with the one with the
  // lowest replica id, which is the first that Place() named. When others have
  // come, the one whose node wants it most (rendezvous hashing), so that
  // newcomers lead their share. 0: nobody, since members are changing.
  static raft::ReplicaId Preferred(base::PartitionId partition,
                                   const raft::Configuration& configuration);

  // `status` is how a partition of this node is now; to be told of each in turn
  // at regular times. Returns to whom it should be handed over; 0: to nobody.
  // Then it counts again, unless that one leads.
  raft::ReplicaId Look(const partition::PartitionStatus& status);

  // An operator wants it led here: it stays until this node leads no more, or
  // has priority 0 (a drained node).
  void Keep(base::PartitionId partition) { kept_.insert(partition); }

  // This node does not lead it.
  void Forget(base::PartitionId partition) {
    seen_.erase(partition);
    kept_.erase(partition);
  }

 private:
  struct Seen {
    raft::ReplicaId replica;
    uint32_t looks = 0;  // In a row.
    uint32_t tries = 0;
  };

  const uint32_t looks_;
  std::set<base::PartitionId> kept_;
  std::map<base::PartitionId, Seen> seen_;  // Those led here by the wrong one.
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_LEADER_BALANCE_H_
