#include <cstdint>
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

// Hands over what `node` leads of `partition`. Whoever comes to lead then is
// no matter: it may not.
absl::Status HandOver(Run& run, uint32_t node, uint32_t partition) {
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  const LeaderView leader = FindLeader(view, partition);
  if (leader.node != node) return absl::OkStatus();
  ASSIGN_OR_RETURN(client::Connection * first, run.connection());
  client::ConnectionOptions options = first->options();
  options.server = view.at(node).address;
  client::Connection connection(std::move(options));
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

absl::Status SetPriority(Run& run, uint32_t priority) {
  ASSIGN_OR_RETURN(const uint32_t node, NodeOperand(run, 0, "NODE"));
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  const bool drains = priority == 0;
  MemberChanges changes(run);
  absl::Status handed_over;
  for (const PartitionView& partition : Partitions(view)) {
    const admin::Member* const member = partition.MemberOn(node);
    if (member == nullptr) continue;
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
    if (!drains) continue;
    const absl::Status moved = HandOver(run, node, partition.id);
    if (handed_over.ok()) handed_over = moved;
  }
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
