#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/cluster.h"
#include "cli/partition_view.h"
#include "cli/run.h"
#include "cli/status_format.h"
#include "cli/verb.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

uint64_t Lag(const PartitionView& partition,
             const admin::PartitionStatus& status) {
  return partition.commit_index -
         std::min(partition.commit_index, status.applied_index());
}

std::string NodesText(const ClusterView& view) {
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "ADDRESS", "VERSION", "UP", "REPLICAS", "LEADS", "DISK FREE"}};
  for (const auto& [node, one] : view) {
    if (!one.status.ok()) {
      rows.push_back({absl::StrCat(node), OneLine(one.address), "no answer",
                      "-", "-", "-", "-"});
      continue;
    }
    const auto& partitions = one.status->partitions();
    const auto leads = std::count_if(
        partitions.begin(), partitions.end(),
        [](const auto& p) { return p.role() == admin::ROLE_LEADER; });
    const uint64_t free_bytes = one.status->disk().free_bytes();
    rows.push_back({absl::StrCat(node), OneLine(one.address),
                    OneLine(one.status->version()),
                    Age(one.status->uptime_ms()),
                    absl::StrCat(partitions.size()), absl::StrCat(leads),
                    free_bytes == 0 ? "-" : Bytes(free_bytes)});
  }
  return Table(rows);
}

std::string PartitionsText(const ClusterView& view,
                           const std::vector<PartitionView>& partitions) {
  std::vector<std::vector<std::string>> rows = {
      {"PARTITION", "NODE", "ROLE", "LEADER", "TERM", "COMMITTED", "APPLIED",
       "LAG", "IMAGE", "MEMBERS"}};
  for (const PartitionView& partition : partitions) {
    for (const auto& [node, one] : view) {
      const auto member = std::find_if(
          partition.members.begin(), partition.members.end(),
          [node = node](const auto& m) { return m.node().node_id() == node; });
      const admin::PartitionStatus* status =
          FindPartition(one.status, partition.id);
      if (status == nullptr && member == partition.members.end()) continue;
      const std::string id = absl::StrCat(partition.id);
      const std::string name = absl::StrCat(node);
      if (status == nullptr) {
        rows.push_back({id, name, one.status.ok() ? "missing" : "no answer",
                        "-", "-", "-", "-", "-", "-",
                        MembersText(partition.members)});
        continue;
      }
      const bool learns = member != partition.members.end() &&
                          member->vote() == admin::VOTE_NONE;
      rows.push_back({id, name,
                      !status->healthy() ? "stopped"
                      : learns           ? "learner"
                                         : RoleName(status->role()),
                      LeaderName(*status), absl::StrCat(status->term()),
                      absl::StrCat(status->commit_index()),
                      absl::StrCat(status->applied_index()),
                      absl::StrCat(Lag(partition, *status)),
                      status->image_index() == 0
                          ? "none"
                          : absl::StrCat(status->image_index()),
                      MembersText(partition.members)});
    }
  }
  return Table(rows);
}

// The partitions of which nobody who answers has a replica: a line for each run
// of numbers, since there may be thousands.
void NoteUnseen(const ClusterView& view,
                const std::vector<PartitionView>& partitions,
                std::vector<std::string>& problems) {
  std::set<uint32_t> unseen = AllPartitions(view);
  for (const PartitionView& partition : partitions) unseen.erase(partition.id);
  for (auto id = unseen.begin(); id != unseen.end();) {
    const uint32_t first = *id;
    uint32_t last = first;
    while (++id != unseen.end() && *id == last + 1) ++last;
    problems.push_back(
        absl::StrCat("no node that answers has a replica of partition ", first,
                     last == first ? "" : absl::StrCat(" to ", last)));
  }
}

// What is not as it should be, a line each.
std::vector<std::string> Problems(
    const ClusterView& view, const std::vector<PartitionView>& partitions) {
  std::vector<std::string> problems;
  for (const auto& [node, one] : view) {
    if (!one.status.ok()) {
      problems.push_back(absl::StrCat("node ", node, " does not answer: ",
                                      OneLine(one.status.status().message())));
      continue;
    }
    for (const auto& status : one.status->partitions()) {
      if (!status.alarm().empty()) {
        problems.push_back(absl::StrCat("partition ", status.partition_id(),
                                        " on node ", node, ": ",
                                        OneLine(status.alarm())));
      }
      if (status.healthy()) continue;
      problems.push_back(absl::StrCat("partition ", status.partition_id(),
                                      " does not serve on node ", node, ": ",
                                      OneLine(status.problem())));
    }
  }
  for (const PartitionView& partition : partitions) {
    if (partition.leader.status != nullptr) continue;
    problems.push_back(
        absl::StrCat("partition ", partition.id, " has no leader"));
  }
  NoteUnseen(view, partitions, problems);
  return problems;
}

Json ViewToJson(const ClusterView& view,
                const std::vector<PartitionView>& partitions,
                const std::vector<std::string>& problems) {
  Json object;
  object["nodes"] = Json::array();
  for (const auto& [node, one] : view) {
    Json item;
    item["node"] = node;
    item["address"] = one.address;
    item["answers"] = one.status.ok();
    if (one.status.ok()) {
      item["status"] = ToJson(*one.status);
    } else {
      item["error"] = std::string(one.status.status().message());
    }
    object["nodes"].push_back(std::move(item));
  }
  object["partitions"] = Json::array();
  for (const PartitionView& partition : partitions) {
    Json item;
    item["partition"] = partition.id;
    item["leader_node"] = partition.leader.node;
    item["commit_index"] = partition.commit_index;
    item["members"] = Json::array();
    for (const admin::Member& member : partition.members) {
      item["members"].push_back(ToJson(member));
    }
    object["partitions"].push_back(std::move(item));
  }
  object["problems"] = problems;
  return object;
}

absl::Status ClusterStatus(Run& run) {
  ASSIGN_OR_RETURN(const ClusterView view, ViewCluster(run));
  const std::vector<PartitionView> partitions = Partitions(view);
  const std::vector<std::string> problems = Problems(view, partitions);
  std::string text =
      absl::StrCat(NodesText(view), "\n", PartitionsText(view, partitions));
  run.Print(text, ViewToJson(view, partitions, problems));
  if (problems.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrJoin(problems, "; "));
}

}  // namespace

const Group& ClusterGroup() {
  static const Group& group = *new Group{
      .name = "cluster",
      .summary = "All nodes",
      .verbs = {
          {.name = "status",
           .summary = "How all nodes and their partitions are",
           .details =
               "Asks the server who the others are, and then each of them; one "
               "that does not\nanswer within 3s, or in --timeout, is said not "
               "to. LEADER is who leads as that\nnode knows it. LAG is how "
               "many committed entries it has not applied. MEMBERS\nare nodes: "
               "(4) has no vote yet; while a change is under way, +4 votes in "
               "the new\nhalf only and -3 in the old one.\n\nExit code 3: a "
               "node does not answer, or a partition does not serve.",
           .run = ClusterStatus},
      }};
  return group;
}

}  // namespace cli
