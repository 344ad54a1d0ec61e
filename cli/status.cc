#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/run.h"
#include "cli/status_format.h"
#include "cli/verb.h"
#include "client/client.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

// What goes to other nodes, and what does not.
std::string TransportText(const admin::TransportStatus& transport) {
  std::string text =
      absl::StrCat(Bytes(transport.bytes_sent()), " in ",
                   transport.frames_sent(), " frames to other nodes, ",
                   transport.frames_received(), " frames from them");
  for (const admin::Dropped& dropped : transport.dropped()) {
    absl::StrAppend(&text, ", ", dropped.count(),
                    " dropped: ", OneLine(dropped.reason()));
  }
  absl::StrAppend(&text, "\n");
  for (const admin::Peer& peer : transport.peers()) {
    if (peer.connected()) continue;
    absl::StrAppend(&text, "no connection to node ", peer.node_id(), " at ",
                    OneLine(peer.peer_address()),
                    peer.problem().empty() ? "" : ": ", OneLine(peer.problem()),
                    "\n");
  }
  return text;
}

std::string ToText(const admin::StatusResponse& status) {
  std::string text = absl::StrCat(
      "node ", status.node_id(), ", multiraft ", status.version(), ", ",
      status.mode(), " mode, up ", Age(status.uptime_ms()), "\ndata in ",
      OneLine(status.data_dir()), " (format ", status.data_format(), ")");
  // A node that has not looked at its disk yet says nothing of it.
  if (status.disk().free_bytes() != 0) {
    absl::StrAppend(&text, ": ", Bytes(status.disk().free_bytes()), " free, ",
                    Bytes(status.disk().reserve_bytes()), " reserved");
  }
  absl::StrAppend(&text, "\n", Bytes(status.disk().bytes_written()),
                  " written with ", status.disk().fsyncs(),
                  " syncs since the start\n");
  if (status.has_transport()) {
    absl::StrAppend(&text, TransportText(status.transport()));
  }
  absl::StrAppend(&text, "\n");
  std::vector<std::vector<std::string>> rows = {
      {"PARTITION", "ROLE", "TERM", "LEADER", "LOG", "COMMITTED", "APPLIED",
       "ON DISK", "IMAGE", "SESSIONS", "PRIMITIVES", "STATE"}};
  for (const admin::PartitionStatus& p : status.partitions()) {
    rows.push_back(
        {absl::StrCat(p.partition_id()), RoleName(p.role()),
         absl::StrCat(p.term()), LeaderName(p),
         absl::StrCat(p.first_index(), "-", p.last_index()),
         absl::StrCat(p.commit_index()), absl::StrCat(p.applied_index()),
         absl::StrCat(p.durable_index()),
         p.image_index() == 0 ? "none" : absl::StrCat(p.image_index()),
         absl::StrCat(p.sessions()), absl::StrCat(p.primitives()),
         Bytes(p.state_bytes())});
  }
  absl::StrAppend(&text, Table(rows));
  for (const admin::PartitionStatus& p : status.partitions()) {
    if (p.healthy()) continue;
    absl::StrAppend(
        &text, "partition ", p.partition_id(), " does not serve: ",
        p.problem().empty() ? "no reason given" : OneLine(p.problem()), "\n");
  }
  for (const admin::PartitionStatus& p : status.partitions()) {
    if (p.alarm().empty()) continue;
    absl::StrAppend(&text, "partition ", p.partition_id(), ": ",
                    OneLine(p.alarm()), "\n");
  }
  for (const admin::WaitingGroup& waiting : status.waiting()) {
    absl::StrAppend(&text, "partition ", waiting.partition_id(),
                    " is not here yet; it waits for ",
                    OneLine(waiting.waits_for()), "\n");
  }
  return text;
}

absl::Status Status(Run& run) {
  ASSIGN_OR_RETURN(client::Connection * connection, run.connection());
  ASSIGN_OR_RETURN(const admin::StatusResponse status,
                   client::NodeStatus(*connection));
  run.Print(ToText(status), ToJson(status));
  return absl::OkStatus();
}

}  // namespace

const Group& StatusGroup() {
  static const Group& group = *new Group{
      .name = "status",
      .summary = "The node",
      .verbs = {
          {.summary = "How the server, its partitions and its disk are",
           .details = "LOG, COMMITTED, APPLIED, ON DISK and IMAGE are indexes "
                      "of the partition's log;\nIMAGE is how far the state is "
                      "saved without it.",
           .run = Status},
      }};
  return group;
}

}  // namespace cli
