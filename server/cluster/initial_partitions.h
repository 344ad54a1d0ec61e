// What partitions a node has from the beginning.

#ifndef SERVER_CLUSTER_INITIAL_PARTITIONS_H_
#define SERVER_CLUSTER_INITIAL_PARTITIONS_H_

#include <map>

#include "absl/status/status.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "storage/records.h"
#include "storage/store.h"

namespace server::cluster {

// The partitions that a cluster began with on this node. Another data directory
// of one of its first nodes has none: it must not vote for that (U8).
std::map<base::PartitionId, raft::Configuration> InitialPartitions(
    const storage::InitialCluster& cluster, const storage::Identity& self);

// Makes those that are missing: all of them at the first start, and those a
// crash left over. One that was taken away is not made again.
absl::Status CreateMissing(
    const std::map<base::PartitionId, raft::Configuration>& wanted,
    storage::Store& store);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_INITIAL_PARTITIONS_H_
