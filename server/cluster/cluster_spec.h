// ClusterSpec is what the flags say of a static cluster: its first nodes, and
// how partitions are spread over them. The same on every node.

#ifndef SERVER_CLUSTER_CLUSTER_SPEC_H_
#define SERVER_CLUSTER_CLUSTER_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"

namespace server::cluster {

struct NodeAddress {
  base::NodeId node;
  std::string peer_address;  // "host:port" of the node-to-node API.
  std::string api_address;   // "host:port" of the client API.

  bool operator==(const NodeAddress&) const = default;
};

struct ClusterSpec {
  std::string name;
  std::vector<NodeAddress> nodes;  // By node; not empty.
  uint32_t partitions = 1;
  uint32_t replication = 1;  // Replicas of each partition, at most all nodes.

  // Null: not in it.
  const NodeAddress* Find(base::NodeId node) const;
};

// Reads "1=host:peer-port/host:api-port,2=...", the value of --cluster, and
// returns it sorted by node. InvalidArgument says which part is wrong.
absl::StatusOr<std::vector<NodeAddress>> ParseNodes(absl::string_view text);

// As many replicas as survive the loss of one node, if nothing else is said.
uint32_t DefaultReplication(size_t nodes);

// The cluster's id: its name and a hash of the name, the numbers of its first
// nodes, partitions and replication. Nodes with another id never talk to each
// other. Addresses are not in it: they may change. Do not change: on disk.
std::string ClusterId(const ClusterSpec& spec);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_CLUSTER_SPEC_H_
