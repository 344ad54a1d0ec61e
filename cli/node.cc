#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/cluster.h"
#include "cli/member_change.h"
#include "cli/partition_view.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

// How often what a node leads is looked for: a partition may move meanwhile.
constexpr int kRounds = 3;

// Hands over one partition. Whoever comes to lead then is no matter: `node` may
// not.
absl::Status HandOver(Run& run, uint32_t node, client::Connection& connection,
                      uint32_t partition) {
  const auto leads = client::TransferLeader(connection, partition, 0);
  RETURN_IF_ERROR(leads.status());
  Json object;
  object["partition"] = partition;
  object["from_node"] = node;
  object["leader_node"] = *leads;
  run.Print(absl::StrCat("partition ", partition, ": node ", *leads,
                         " leads, before it node ", node, "\n"),
            object);
  return absl::OkStatus();
}

// Hands over what `node` leads of `partitions`.
absl::Status HandOverAll(Run& run, uint32_t node,
                         const std::set<uint32_t>& partitions) {
  ASSIGN_OR_RETURN(client::Connection * first, run.connection());
  absl::Status failed;
  for (int round = 0; round < kRounds; ++round) {
    ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
    const auto found = view.find(node);
    // One that does not answer leads nothing for long.
    if (found == view.end() || !found->second.status.ok()) return failed;
    client::ConnectionOptions options = first->options();
    options.server = found->second.address;
    client::Connection connection(std::move(options));
    failed = absl::OkStatus();
    for (const uint32_t id : partitions) {
      if (FindLeader(view, id).node != node) continue;
      const absl::Status moved = HandOver(run, node, connection, id);
      if (failed.ok()) failed = moved;
    }
    // It may have moved between the look and the word.
    if (!absl::IsUnavailable(failed)) return failed;
  }
  return failed;
}

absl::Status SetPriority(Run& run, uint32_t priority) {
  ASSIGN_OR_RETURN(const uint32_t node, NodeOperand(run, 0, "NODE"));
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  const bool drains = priority == 0;
  MemberChanges changes(run);
  std::set<uint32_t> drained;
  std::set<uint32_t> unseen = AllPartitions(view);
  bool is_member = false;
  for (const PartitionView& partition : Partitions(view)) {
    unseen.erase(partition.id);
    const admin::Member* const member = partition.MemberOn(node);
    if (member == nullptr) continue;
    is_member = true;
    if ((member->priority() == 0) != drains) {
      admin::ChangeMembersRequest request;
      request.mutable_update()->set_node_id(node);
      request.mutable_update()->set_priority(priority);
      const absl::Status changed = changes.Change(
          partition.id, request,
          absl::StrCat("node ", node,
                       drains ? " never leads" : " may lead again"));
      if (!changed.ok()) continue;
    } else {
      changes.Skip(partition.id, absl::StrCat("node ", node,
                                              drains ? " never leads already"
                                                     : " may lead already"));
    }
    drained.insert(partition.id);
  }
  for (const uint32_t id : unseen) changes.Unseen(id);
  if (!is_member && unseen.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("node ", node,
                     " has no replica; `multiraftctl cluster status` lists "
                     "the nodes"));
  }
  const absl::Status handed_over =
      drains ? HandOverAll(run, node, drained) : absl::OkStatus();
  RETURN_IF_ERROR(changes.Result());
  return handed_over;
}

absl::Status Drain(Run& run) { return SetPriority(run, 0); }
absl::Status Undrain(Run& run) { return SetPriority(run, 1); }

}  // namespace

const Group& NodeGroup() {
  static const Group& group = *new Group{
      .name = "node",
      .summary = "One node",
      .verbs = {
          {.name = "drain",
           .operands = "NODE",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Hands over what a node leads, and keeps it from leading",
           .details = "It goes on copying and voting, so nothing is less safe. "
                      "It stays so over restarts,\nuntil `multiraftctl node "
                      "undrain`.",
           .flags = MemberFlags(),
           .run = Drain},
          {.name = "undrain",
           .operands = "NODE",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Lets a node lead again",
           .details = "What it should lead comes back to it by itself, in ten "
                      "seconds or so.",
           .run = Undrain},
      }};
  return group;
}

}  // namespace cli
