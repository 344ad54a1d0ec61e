#include "cli/cluster.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/client.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

// The others are asked once, beside each other: one that takes longer is down
// as far as an operator is concerned.
constexpr absl::Duration kPatience = absl::Seconds(3);

using Addresses = std::map<uint32_t, std::string>;

void Note(const admin::Node& node, Addresses& addresses) {
  if (!node.api_address().empty()) {
    addresses.emplace(node.node_id(), node.api_address());
  }
}

// Every node that `status` names.
void NoteAll(const admin::StatusResponse& status, Addresses& addresses) {
  for (const admin::Node& node : status.nodes()) Note(node, addresses);
  for (const admin::PartitionStatus& partition : status.partitions()) {
    for (const admin::Member& member : partition.members()) {
      Note(member.node(), addresses);
    }
  }
}

}  // namespace

absl::StatusOr<ClusterView> ViewCluster(Run& run) {
  ASSIGN_OR_RETURN(client::Connection * connection, run.connection());
  ASSIGN_OR_RETURN(admin::StatusResponse first,
                   client::NodeStatus(*connection));
  const absl::Duration patience =
      std::min(kPatience, connection->options().call_timeout);
  ClusterView view;
  Addresses known;
  NoteAll(first, known);
  const uint32_t node = first.node_id();
  view.insert({node, {connection->options().server, std::move(first)}});
  while (true) {
    std::vector<uint32_t> nodes;
    std::vector<std::string> servers;
    for (const auto& [other, address] : known) {
      if (view.contains(other)) continue;
      nodes.push_back(other);
      servers.push_back(address);
    }
    if (nodes.empty()) return view;
    auto answers = client::NodeStatuses(servers, patience);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (answers[i].ok() && answers[i]->node_id() != nodes[i]) {
        answers[i] = absl::UnavailableError(absl::StrCat(
            servers[i], " is node ", answers[i]->node_id(), " now"));
      }
      if (answers[i].ok()) NoteAll(*answers[i], known);
      view.insert({nodes[i], {servers[i], std::move(answers[i])}});
    }
  }
}

LeaderView FindLeader(const ClusterView& view, uint32_t partition) {
  LeaderView leader;
  for (const auto& [node, one] : view) {
    if (!one.status.ok()) continue;
    for (const admin::PartitionStatus& status : one.status->partitions()) {
      if (status.partition_id() != partition ||
          status.role() != admin::ROLE_LEADER) {
        continue;
      }
      if (leader.status == nullptr || status.term() > leader.status->term()) {
        leader = {.node = node, .status = &status};
      }
    }
  }
  return leader;
}

}  // namespace cli
