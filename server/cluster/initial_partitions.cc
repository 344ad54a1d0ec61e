#include "server/cluster/initial_partitions.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "raft/types.h"
#include "server/cluster/placement.h"

namespace server::cluster {
namespace {

// A new partition of a cluster: its replicas are voters 1, 2 ..., the first of
// which should lead.
raft::Configuration InitialConfiguration(
    const storage::InitialCluster& cluster,
    const std::vector<base::NodeId>& nodes) {
  raft::Configuration configuration;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto member =
        std::find_if(cluster.members.begin(), cluster.members.end(),
                     [&](const storage::InitialMember& one) {
                       return one.node == nodes[i];
                     });
    CHECK(member != cluster.members.end());
    const raft::ReplicaId replica(i + 1);
    configuration.voters.push_back(replica);
    configuration.members.push_back({.replica = replica,
                                     .node = member->node,
                                     .incarnation = member->incarnation,
                                     .peer_address = member->peer_address,
                                     .api_address = member->api_address});
  }
  return configuration;
}

}  // namespace

std::map<base::PartitionId, raft::Configuration> InitialPartitions(
    const storage::InitialCluster& cluster, const storage::Identity& self) {
  std::vector<base::NodeId> nodes;
  bool is_initial = false;
  for (const storage::InitialMember& member : cluster.members) {
    nodes.push_back(member.node);
    is_initial |=
        member.node == self.node && member.incarnation == self.incarnation;
  }
  std::map<base::PartitionId, raft::Configuration> partitions;
  if (!is_initial) return partitions;
  for (const Placement& placement :
       Place(nodes, cluster.partitions, cluster.replication)) {
    if (std::find(placement.nodes.begin(), placement.nodes.end(), self.node) !=
        placement.nodes.end()) {
      partitions[placement.partition] =
          InitialConfiguration(cluster, placement.nodes);
    }
  }
  return partitions;
}

absl::Status CreateMissing(
    const std::map<base::PartitionId, raft::Configuration>& wanted,
    storage::Store& store) {
  ASSIGN_OR_RETURN(const std::vector<base::PartitionId> present,
                   store.ListPartitions());
  const std::set<base::PartitionId> known(present.begin(), present.end());
  for (const auto& [id, configuration] : wanted) {
    if (known.contains(id) || store.DroppedReplica(id) != raft::ReplicaId{0}) {
      continue;
    }
    RETURN_IF_ERROR(store.CreatePartition(id, configuration));
  }
  return absl::OkStatus();
}

}  // namespace server::cluster
