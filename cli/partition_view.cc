#include "cli/partition_view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cli {

namespace admin = multiraft::admin::v1;
namespace {

// Those that somebody who answers has a replica of.
std::set<uint32_t> SeenPartitions(const ClusterView& view) {
  std::set<uint32_t> ids;
  for (const auto& [node, one] : view) {
    if (!one.status.ok()) continue;
    for (const auto& status : one.status->partitions()) {
      ids.insert(status.partition_id());
    }
  }
  return ids;
}

}  // namespace

const admin::Member* PartitionView::MemberOn(uint32_t node) const {
  for (const admin::Member& member : members) {
    if (member.node().node_id() == node) return &member;
  }
  return nullptr;
}

const admin::PartitionStatus* FindPartition(
    const absl::StatusOr<admin::StatusResponse>& status, uint32_t id) {
  if (!status.ok()) return nullptr;
  for (const admin::PartitionStatus& partition : status->partitions()) {
    if (partition.partition_id() == id) return &partition;
  }
  return nullptr;
}

std::set<uint32_t> AllPartitions(const ClusterView& view) {
  std::set<uint32_t> ids = SeenPartitions(view);
  for (const auto& [node, one] : view) {
    if (!one.status.ok()) continue;
    for (uint32_t i = 1; i <= one.status->partition_count(); ++i) ids.insert(i);
  }
  return ids;
}

std::vector<PartitionView> Partitions(const ClusterView& view) {
  const std::set<uint32_t> ids = SeenPartitions(view);
  std::vector<PartitionView> partitions;
  for (const uint32_t id : ids) {
    PartitionView partition{.id = id, .leader = FindLeader(view, id)};
    const admin::PartitionStatus* newest = partition.leader.status;
    for (const auto& [node, one] : view) {
      const admin::PartitionStatus* status = FindPartition(one.status, id);
      if (status == nullptr) continue;
      partition.commit_index =
          std::max(partition.commit_index, status->commit_index());
      if (partition.leader.status == nullptr &&
          (newest == nullptr || status->last_index() > newest->last_index())) {
        newest = status;
      }
    }
    partition.members = {newest->members().begin(), newest->members().end()};
    partitions.push_back(std::move(partition));
  }
  return partitions;
}

std::string MembersText(const std::vector<admin::Member>& members) {
  return absl::StrJoin(members, " ",
                       [](std::string* out, const admin::Member& one) {
                         const uint32_t node = one.node().node_id();
                         switch (one.vote()) {
                           case admin::VOTE_FULL:
                             return absl::StrAppend(out, node);
                           case admin::VOTE_INCOMING:
                             return absl::StrAppend(out, "+", node);
                           case admin::VOTE_OUTGOING:
                             return absl::StrAppend(out, "-", node);
                           default:
                             return absl::StrAppend(out, "(", node, ")");
                         }
                       });
}

}  // namespace cli
