#include "cli/status_format.h"

#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cli {

namespace admin = multiraft::admin::v1;

namespace {

int64_t Millis(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + time.nanos() / 1'000'000;
}

std::string VoteName(admin::Vote vote) {
  switch (vote) {
    case admin::VOTE_FULL:
      return "voter";
    case admin::VOTE_OUTGOING:
      return "outgoing";
    case admin::VOTE_INCOMING:
      return "incoming";
    default:
      return "learner";
  }
}

}  // namespace

Json ToJson(const admin::Member& member) {
  Json object;
  object["replica"] = member.replica_id();
  object["node"] = member.node().node_id();
  object["vote"] = VoteName(member.vote());
  object["api_address"] = member.node().api_address();
  object["peer_address"] = member.node().peer_address();
  object["priority"] = member.priority();
  object["match_index"] = member.match_index();
  object["silent_ms"] = member.silent_ms();
  return object;
}

std::string LeaderName(const admin::PartitionStatus& partition) {
  if (partition.leader_node() != 0) {
    return absl::StrCat(partition.leader_node());
  }
  return "none";
}

// "ROLE_PRE_CANDIDATE" is "pre_candidate".
std::string RoleName(admin::Role role) {
  if (role == admin::ROLE_UNSPECIFIED) return "none";
  std::string name = admin::Role_Name(role);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "ROLE_"));
}

Json ToJson(const admin::PartitionStatus& partition) {
  Json object;
  object["partition"] = partition.partition_id();
  object["replica"] = partition.replica_id();
  object["role"] = RoleName(partition.role());
  object["term"] = partition.term();
  object["leader"] = partition.leader();
  object["leader_node"] = partition.leader_node();
  object["first_index"] = partition.first_index();
  object["last_index"] = partition.last_index();
  object["commit_index"] = partition.commit_index();
  object["applied_index"] = partition.applied_index();
  object["durable_index"] = partition.durable_index();
  object["image_index"] = partition.image_index();
  object["verified_index"] = partition.verified_index();
  object["digest_index"] = partition.digest_index();
  object["digest"] = partition.digest();
  object["machine_version"] = partition.machine_version();
  object["machine_version_max"] = partition.machine_version_max();
  object["machine_version_since"] = partition.machine_version_since();
  object["index"] = partition.index();
  object["sessions"] = partition.sessions();
  object["primitives"] = partition.primitives();
  object["open_commands"] = partition.open_commands();
  object["state_bytes"] = partition.state_bytes();
  object["log_time_ms"] = Millis(partition.log_time());
  object["healthy"] = partition.healthy();
  object["problem"] = partition.problem();
  object["alarm"] = partition.alarm();
  object["members"] = Json::array();
  for (const admin::Member& member : partition.members()) {
    object["members"].push_back(ToJson(member));
  }
  return object;
}

Json ToJson(const admin::TransportStatus& transport) {
  Json object;
  object["messages_sent"] = transport.messages_sent();
  object["frames_sent"] = transport.frames_sent();
  object["bytes_sent"] = transport.bytes_sent();
  object["messages_received"] = transport.messages_received();
  object["frames_received"] = transport.frames_received();
  object["streams_opened"] = transport.streams_opened();
  object["streams_failed"] = transport.streams_failed();
  object["dropped"] = Json::object();
  for (const admin::Dropped& dropped : transport.dropped()) {
    object["dropped"][dropped.reason()] = dropped.count();
  }
  object["peers"] = Json::array();
  for (const admin::Peer& peer : transport.peers()) {
    Json one;
    one["node"] = peer.node_id();
    one["peer_address"] = peer.peer_address();
    one["connected"] = peer.connected();
    one["queued_bytes"] = peer.queued_bytes();
    one["problem"] = peer.problem();
    object["peers"].push_back(std::move(one));
  }
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
  object["cluster"] = status.cluster();
  object["incarnation"] = absl::StrCat(absl::Hex(status.incarnation()));
  object["partition_count"] = status.partition_count();
  object["nodes"] = Json::array();
  for (const admin::Node& node : status.nodes()) {
    Json one;
    one["node"] = node.node_id();
    one["peer_address"] = node.peer_address();
    one["api_address"] = node.api_address();
    object["nodes"].push_back(std::move(one));
  }
  object["waiting"] = Json::array();
  for (const admin::WaitingGroup& waiting : status.waiting()) {
    Json one;
    one["partition"] = waiting.partition_id();
    one["waits_for"] = waiting.waits_for();
    object["waiting"].push_back(std::move(one));
  }
  if (status.has_transport()) object["transport"] = ToJson(status.transport());
  return object;
}

}  // namespace cli
