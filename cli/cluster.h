// ClusterView is what all nodes of a cluster say of themselves, gathered by
// asking one of them who the others are.

#ifndef CLI_CLUSTER_H_
#define CLI_CLUSTER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "cli/run.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace cli {

struct NodeView {
  std::string address;  // Of its client API.
  // Or why it does not answer.
  absl::StatusOr<multiraft::admin::v1::StatusResponse> status;
};

using ClusterView = std::map<uint32_t, NodeView>;  // By node.

// Asks the server of the command, and then every node that an answer names.
// An error: the first one does not answer.
absl::StatusOr<ClusterView> ViewCluster(Run& run);

// The replica that leads `partition`, as it says itself, and its node; the
// newest, if two think so. Null, 0: nobody does.
struct LeaderView {
  uint32_t node = 0;
  const multiraft::admin::v1::PartitionStatus* status = nullptr;
};
LeaderView FindLeader(const ClusterView& view, uint32_t partition);

}  // namespace cli

#endif  // CLI_CLUSTER_H_
