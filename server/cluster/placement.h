// Place spreads the partitions of a new cluster over its nodes: a pure
// function, so that every node comes to the same answer by itself.

#ifndef SERVER_CLUSTER_PLACEMENT_H_
#define SERVER_CLUSTER_PLACEMENT_H_

#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace server::cluster {

struct Placement {
  base::PartitionId partition;
  // Who has a replica, each once. The first one should lead.
  std::vector<base::NodeId> nodes;
};

// Partitions 1 to `partitions`, each on `replication` of `nodes`, by rendezvous
// hashing bounded by load: no node has more than its share of replicas, rounded
// up, or leads more than its share, rounded up. REQUIRES: nodes sorted, each
// once; 0 < replication <= nodes.size(). Do not change: nodes that begin a
// cluster with different versions must agree.
std::vector<Placement> Place(const std::vector<base::NodeId>& nodes,
                             uint32_t partitions, uint32_t replication);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_PLACEMENT_H_
