#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace cli {
namespace {

namespace admin = multiraft::admin::v1;

// "ROLE_PRE_CANDIDATE" is "pre_candidate".
std::string RoleName(admin::Role role) {
  if (role == admin::ROLE_UNSPECIFIED) return "none";
  std::string name = admin::Role_Name(role);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "ROLE_"));
}

int64_t Millis(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + time.nanos() / 1'000'000;
}

Json ToJson(const admin::PartitionStatus& partition) {
  Json object;
  object["partition"] = partition.partition_id();
  object["replica"] = partition.replica_id();
  object["role"] = RoleName(partition.role());
  object["term"] = partition.term();
  object["leader"] = partition.leader();
  object["first_index"] = partition.first_index();
  object["last_index"] = partition.last_index();
  object["commit_index"] = partition.commit_index();
  object["applied_index"] = partition.applied_index();
  object["durable_index"] = partition.durable_index();
  object["image_index"] = partition.image_index();
  object["machine_version"] = partition.machine_version();
  object["index"] = partition.index();
  object["sessions"] = partition.sessions();
  object["primitives"] = partition.primitives();
  object["open_commands"] = partition.open_commands();
  object["state_bytes"] = partition.state_bytes();
  object["log_time_ms"] = Millis(partition.log_time());
  object["healthy"] = partition.healthy();
  object["problem"] = partition.problem();
  return object;
}

Json ToJson(const admin::StatusResponse& status) {
  Json object;
  object["node"] = status.node_id();
  object["version"] = status.version();
  object["mode"] = status.mode();
  object["data_dir"] = status.data_dir();
  object["data_format"] = status.data_format();
  object["uptime_ms"] = status.uptime_ms();
  object["partitions"] = Json::array();
  for (const admin::PartitionStatus& partition : status.partitions()) {
    object["partitions"].push_back(ToJson(partition));
  }
  object["disk"]["free_bytes"] = status.disk().free_bytes();
  object["disk"]["reserve_bytes"] = status.disk().reserve_bytes();
  object["disk"]["fsyncs"] = status.disk().fsyncs();
  object["disk"]["bytes_written"] = status.disk().bytes_written();
  return object;
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
                  " syncs since the start\n\n");
  std::vector<std::vector<std::string>> rows = {
      {"PARTITION", "ROLE", "TERM", "LEADER", "LOG", "COMMITTED", "APPLIED",
       "ON DISK", "IMAGE", "SESSIONS", "PRIMITIVES", "STATE"}};
  for (const admin::PartitionStatus& p : status.partitions()) {
    rows.push_back(
        {absl::StrCat(p.partition_id()), RoleName(p.role()),
         absl::StrCat(p.term()),
         p.leader() == 0 ? "none" : absl::StrCat(p.leader()),
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
