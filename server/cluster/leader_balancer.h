// LeaderBalancer looks at the partitions of this node once a second and hands
// those over that another replica should lead (leader_balance.h), one at a
// time.
//
// Thread-safe.

#ifndef SERVER_CLUSTER_LEADER_BALANCER_H_
#define SERVER_CLUSTER_LEADER_BALANCER_H_

#include <functional>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "partition/executor.h"
#include "partition/partition.h"

namespace server::cluster {

class LeaderBalancer {
 public:
  using Partitions = std::vector<std::shared_ptr<partition::Partition>>;

  // `partitions` returns those that are on this node now. `timer` outlives
  // this.
  LeaderBalancer(std::function<Partitions()> partitions,
                 partition::Executor& timer);

  void Start();

  // An operator wants a partition of this node to be led here, as it is.
  void Keep(base::PartitionId partition);

  // Nothing is begun after this. What was begun goes on.
  void Stop();

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;  // The timer may hold it a little longer.
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_LEADER_BALANCER_H_
