#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/cluster.h"
#include "cli/member_change.h"
#include "cli/partition_view.h"
#include "cli/run.h"
#include "cli/status_format.h"
#include "cli/verb.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

std::string NodeName(uint32_t node) { return absl::StrCat("node ", node); }

// What was asked for, of what the cluster has.
struct Chosen {
  std::vector<PartitionView> seen;
  std::vector<uint32_t> unseen;  // Nobody who answers has a replica.
};

absl::StatusOr<Chosen> Choose(const Run& run, const ClusterView& view) {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> ids,
                   ChosenPartitions(run, view));
  std::set<uint32_t> left(ids.begin(), ids.end());
  Chosen chosen;
  for (PartitionView& partition : Partitions(view)) {
    if (left.erase(partition.id) == 0) continue;
    chosen.seen.push_back(std::move(partition));
  }
  chosen.unseen.assign(left.begin(), left.end());
  return chosen;
}

// --- list -------------------------------------------------------------------

std::string VoteText(const admin::Member& member) {
  std::string text = ToJson(member)["vote"].get<std::string>();
  if (member.vote() == admin::VOTE_FULL && member.priority() == 0) {
    absl::StrAppend(&text, ", never leads");
  }
  return text;
}

absl::Status List(Run& run) {
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  ASSIGN_OR_RETURN(const Chosen chosen, Choose(run, view));
  std::vector<std::vector<std::string>> rows = {{"PARTITION", "NODE", "REPLICA",
                                                 "VOTE", "ROLE", "BEHIND",
                                                 "SILENT", "PEER ADDRESS"}};
  Json all = Json::array();
  for (const PartitionView& partition : chosen.seen) {
    const admin::PartitionStatus* const leader = partition.leader.status;
    for (const admin::Member& member : partition.members) {
      const uint32_t node = member.node().node_id();
      const auto found = view.find(node);
      const admin::PartitionStatus* const status =
          found == view.end()
              ? nullptr
              : FindPartition(found->second.status, partition.id);
      const bool leads =
          leader != nullptr && member.replica_id() == leader->leader();
      const bool is_up = found != view.end() && found->second.status.ok();
      const std::string role = leads ? "leader"
                               : status == nullptr
                                   ? is_up ? "missing" : "no answer"
                               : !status->healthy() ? "stopped"
                                                    : RoleName(status->role());
      // Only the leader knows.
      const bool is_known = leader != nullptr && !leads;
      const uint64_t behind =
          is_known ? leader->last_index() -
                         std::min(leader->last_index(), member.match_index())
                   : 0;
      rows.push_back({absl::StrCat(partition.id), absl::StrCat(node),
                      absl::StrCat(member.replica_id()), VoteText(member), role,
                      is_known ? absl::StrCat(behind) : "-",
                      is_known ? Age(member.silent_ms()) : "-",
                      OneLine(member.node().peer_address())});
      Json one = ToJson(member);
      one["partition"] = partition.id;
      one["role"] = role;
      if (is_known) one["behind"] = behind;
      all.push_back(std::move(one));
    }
  }
  Json object;
  object["members"] = std::move(all);
  run.Print(Table(rows), object);
  if (chosen.unseen.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("no node that answers has a replica of partition ",
                   absl::StrJoin(chosen.unseen, ", "),
                   "; see `multiraftctl cluster status`"));
}

// --- changes ----------------------------------------------------------------

absl::Status Add(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t node, NodeOperand(run, 0, "NODE"));
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  ASSIGN_OR_RETURN(const std::vector<uint32_t> partitions,
                   ChosenPartitions(run, view));
  const bool learner = run.flags().Has("learner");
  MemberChanges changes(run);
  for (const uint32_t partition : partitions) {
    admin::ChangeMembersRequest request;
    request.mutable_add()->set_node_id(node);
    request.mutable_add()->set_peer_address(run.operand(1));
    request.mutable_add()->set_learner(learner);
    const absl::Status changed = changes.Change(
        partition, request,
        absl::StrCat(NodeName(node), learner ? " copies it" : " votes"));
    if (absl::IsInvalidArgument(changed)) break;
  }
  return changes.Result();
}

// What it means that a node has no replica.
enum class IfNone : uint8_t { kDone, kRefused };

// Changes each chosen partition that `node` has a replica of.
absl::Status OfNode(Run& run, uint32_t node, IfNone if_none,
                    const admin::ChangeMembersRequest& request,
                    const std::string& done) {
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  ASSIGN_OR_RETURN(const Chosen chosen, Choose(run, view));
  MemberChanges changes(run);
  bool is_any = !chosen.unseen.empty();
  for (const PartitionView& partition : chosen.seen) {
    if (partition.MemberOn(node) == nullptr &&
        (partition.leader.status != nullptr || !request.has_remove())) {
      continue;
    }
    is_any = true;
    const absl::Status changed = changes.Change(partition.id, request, done);
    if (absl::IsInvalidArgument(changed)) return changes.Result();
  }
  for (const uint32_t id : chosen.unseen) {
    // To remove what is not there does no harm; who knows, answers.
    if (request.has_remove()) {
      (void)changes.Change(id, request, done);
    } else {
      changes.Unseen(id);
    }
  }
  if (is_any) return changes.Result();
  if (if_none == IfNone::kRefused) {
    return absl::FailedPreconditionError(absl::StrCat(
        NodeName(node),
        " has no replica; `multiraftctl member add` gives it one"));
  }
  if (!run.json()) {
    run.err() << NodeName(node) << " has no replica (any more)\n";
  }
  return absl::OkStatus();
}

absl::Status Promote(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t node, NodeOperand(run, 0, "NODE"));
  admin::ChangeMembersRequest request;
  request.mutable_promote()->set_node_id(node);
  return OfNode(run, node, IfNone::kRefused, request,
                absl::StrCat(NodeName(node), " votes"));
}

absl::Status Remove(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t node, NodeOperand(run, 0, "NODE"));
  admin::ChangeMembersRequest request;
  request.mutable_remove()->set_node_id(node);
  return OfNode(run, node, IfNone::kDone, request,
                absl::StrCat(NodeName(node), " has no part in it"));
}

absl::Status Replace(Run& run) {
  ASSIGN_OR_RETURN(const uint32_t old_node, NodeOperand(run, 0, "OLD"));
  ASSIGN_OR_RETURN(const uint32_t new_node, NodeOperand(run, 1, "NEW"));
  admin::ChangeMembersRequest request;
  request.mutable_replace()->set_node_id(old_node);
  request.mutable_replace()->set_new_node_id(new_node);
  request.mutable_replace()->set_peer_address(run.operand(2));
  return OfNode(
      run, old_node, IfNone::kDone, request,
      old_node == new_node
          ? absl::StrCat(NodeName(new_node),
                         " votes with its new data directory")
          : absl::StrCat(NodeName(new_node), " votes in the place of ",
                         NodeName(old_node)));
}

std::vector<Flag> AddFlags() {
  std::vector<Flag> flags = MemberFlags();
  flags.push_back(
      {"learner", "",
       "It copies the log and has no vote; `member promote` later"});
  return flags;
}

constexpr char kGoesOn[] =
    "One partition after the other, in --partition=N[,N...] or in all; at most "
    "--timeout\n(default 10m) for each. A new replica copies all there is "
    "before it votes. If it is\ncut off, or something fails, the same command "
    "goes on where it stopped.";

}  // namespace

const Group& MemberGroup() {
  static const Group& group = *new Group{
      .name = "member",
      .summary = "Who takes part",
      .verbs = {
          {.name = "list",
           .summary = "Every replica: its node, its vote, how far it is behind",
           .details =
               "BEHIND is how many entries of its leader's log it does "
               "not have, SILENT how long\nits leader has not heard from "
               "it. --partition=N[,N...] shows only those.",
           .run = List},
          {.name = "add",
           .operands = "NODE PEER_ADDRESS",
           .operands_min = 2,
           .operands_max = 2,
           .summary = "Gives a node that was started with --join a replica",
           .details = kGoesOn,
           .flags = AddFlags(),
           .run = Add},
          {.name = "promote",
           .operands = "NODE",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Makes the learners on a node voters",
           .details = kGoesOn,
           .flags = MemberFlags(),
           .run = Promote},
          {.name = "remove",
           .operands = "NODE",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Takes the replicas from a node, up or lost",
           .details = kGoesOn,
           .flags = MemberFlags(),
           .run = Remove},
          {.name = "replace",
           .operands = "OLD NEW PEER_ADDRESS",
           .operands_min = 3,
           .operands_max = 3,
           .summary = "Puts a new node in the place of an old one, up or lost",
           .details = absl::StrCat(
               "OLD and NEW may be the same number: of a node that "
               "lost its data directory and\nwas started with a "
               "new one and --join.\n\n",
               kGoesOn),
           .flags = MemberFlags(),
           .run = Replace},
      }};
  return group;
}

}  // namespace cli
