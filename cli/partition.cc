#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/cluster.h"
#include "cli/member_change.h"
#include "cli/partition_view.h"
#include "cli/run.h"
#include "cli/status_format.h"
#include "cli/verb.h"
#include "client/admin.h"
#include "client/connection.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  ASSIGN_OR_RETURN(const std::vector<uint32_t> ids,
                   ChosenPartitions(run, view));
  const std::vector<PartitionView> partitions = Partitions(view);
  std::vector<std::vector<std::string>> rows = {{"PARTITION", "LEADER", "TERM",
                                                 "MEMBERS", "LOG", "SESSIONS",
                                                 "PRIMITIVES", "STATE"}};
  Json all = Json::array();
  for (const uint32_t id : ids) {
    Json one;
    one["partition"] = id;
    const auto found =
        std::find_if(partitions.begin(), partitions.end(),
                     [id](const PartitionView& p) { return p.id == id; });
    if (found == partitions.end()) {
      rows.push_back({absl::StrCat(id), "none", "-", "-", "-", "-", "-", "-"});
      one["leader_node"] = 0;
      all.push_back(std::move(one));
      continue;
    }
    one["leader_node"] = found->leader.node;
    one["members"] = Json::array();
    for (const admin::Member& member : found->members) {
      one["members"].push_back(ToJson(member));
    }
    const std::string members = MembersText(found->members);
    const admin::PartitionStatus* const leader = found->leader.status;
    if (leader == nullptr) {
      rows.push_back(
          {absl::StrCat(id), "none", "-", members, "-", "-", "-", "-"});
    } else {
      rows.push_back(
          {absl::StrCat(id), absl::StrCat(found->leader.node),
           absl::StrCat(leader->term()), members,
           absl::StrCat(leader->first_index(), "-", leader->last_index()),
           absl::StrCat(leader->sessions()), absl::StrCat(leader->primitives()),
           Bytes(leader->state_bytes())});
      one["leader"] = ToJson(*leader);
    }
    all.push_back(std::move(one));
  }
  Json object;
  object["partitions"] = std::move(all);
  run.Print(Table(rows), object);
  return absl::OkStatus();
}

// Where the others reach a node; "": nobody knows.
std::string PeerAddress(const ClusterView& view, uint32_t node) {
  std::string address;
  for (const auto& [asked, one] : view) {
    if (!one.status.ok()) continue;
    for (const admin::Node& known : one.status->nodes()) {
      // What it says of itself counts most.
      if (known.node_id() == node && (asked == node || address.empty())) {
        address = known.peer_address();
      }
    }
  }
  return address;
}

absl::Status Move(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t id, NodeOperand(run, 0, "PARTITION"));
  ASSIGN_OR_RETURN(const uint32_t from, NodeOperand(run, 1, "FROM"));
  ASSIGN_OR_RETURN(const uint32_t to, NodeOperand(run, 2, "TO"));
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  const std::string address = PeerAddress(view, to);
  if (address.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("node ", to,
                     " is not known to be up; a new one is started with "
                     "--join"));
  }
  admin::ChangeMembersRequest request;
  request.mutable_replace()->set_node_id(from);
  request.mutable_replace()->set_new_node_id(to);
  request.mutable_replace()->set_peer_address(address);
  MemberChanges changes(run);
  (void)changes.Change(
      id, request,
      absl::StrCat("node ", to, " votes in the place of node ", from));
  return changes.Result();
}

absl::Status Resume(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t id, NodeOperand(run, 0, "PARTITION"));
  ASSIGN_OR_RETURN(client::Connection * connection, run.connection());
  RETURN_IF_ERROR(client::ResumePartition(*connection, id));
  Json object;
  object["partition"] = id;
  object["resumed"] = true;
  run.Print(absl::StrCat("partition ", id,
                         ": goes on with what was held back on this node\n"),
            object);
  return absl::OkStatus();
}

}  // namespace

const Group& PartitionGroup() {
  static const Group& group = *new Group{
      .name = "partition",
      .summary = "Where partitions are",
      .verbs = {
          {.name = "list",
           .summary = "Every partition: who leads, who takes part, its size",
           .details = "--partition=N[,N...] shows only those.",
           .run = List},
          {.name = "move",
           .operands = "PARTITION FROM TO",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Moves the replica of a partition from node to node",
           .details =
               "The new replica copies all there is, and then both "
               "change in one step: at no moment\nare there fewer "
               "voters. At most --timeout, default 10m; the same command "
               "goes on.",
           .flags = MemberFlags(),
           .run = Move},
          {.name = "resume",
           .operands = "PARTITION",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Applies again what ended the process twice",
           .details =
               "Of the node that is asked (--server), which holds that "
               "partition back: see its\nstatus. If the cause is still there "
               "the process ends again.",
           .run = Resume},
      }};
  return group;
}

}  // namespace cli
