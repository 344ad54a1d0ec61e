// PartitionView is a partition, put together from what its replicas say.

#ifndef CLI_PARTITION_VIEW_H_
#define CLI_PARTITION_VIEW_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/cluster.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace cli {

struct PartitionView {
  uint32_t id = 0;
  LeaderView leader;          // Its status lives as long as the ClusterView.
  uint64_t commit_index = 0;  // The highest that somebody knows.
  // By the newest configuration that somebody knows: its leader's.
  std::vector<multiraft::admin::v1::Member> members;

  // Null: it has no replica of it.
  const multiraft::admin::v1::Member* MemberOn(uint32_t node) const;
};

// All that somebody has a replica of, by number.
std::vector<PartitionView> Partitions(const ClusterView& view);

// The numbers of all that the cluster has, whether or not somebody who answers
// has a replica.
std::set<uint32_t> AllPartitions(const ClusterView& view);

// What a node says of one partition; null: nothing.
const multiraft::admin::v1::PartitionStatus* FindPartition(
    const absl::StatusOr<multiraft::admin::v1::StatusResponse>& status,
    uint32_t id);

// The nodes: "1 2 3", and what does not vote as "(4)".
std::string MembersText(
    const std::vector<multiraft::admin::v1::Member>& members);

}  // namespace cli

#endif  // CLI_PARTITION_VIEW_H_
