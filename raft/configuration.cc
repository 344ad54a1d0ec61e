#include "raft/configuration.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/coding.h"

// An encoded configuration, all numbers big-endian:
//
//   format u8 = 1
//   voters, voters_outgoing, learners, learners_next: each
//     count u32, replica u64 ...
//   members: count u32, then for each
//     replica u64, node u32, incarnation u64, priority u32,
//     peer_address: size u32, bytes
//     api_address:  size u32, bytes
//
// Do not change: on disk. A new format gets a new number.

namespace raft {
namespace {

constexpr uint8_t kFormat = 1;

void AppendReplicas(std::string& out, const std::vector<ReplicaId>& replicas) {
  base::AppendU32(out, static_cast<uint32_t>(replicas.size()));
  for (const ReplicaId replica : replicas) {
    base::AppendU64(out, replica.value());
  }
}

void AppendString(std::string& out, const std::string& text) {
  base::AppendU32(out, static_cast<uint32_t>(text.size()));
  out += text;
}

// The counts below come from outside: nothing is reserved by them, and the
// loops end with the bytes.
std::vector<ReplicaId> ReadReplicas(base::Reader& reader) {
  std::vector<ReplicaId> replicas;
  const uint32_t count = reader.U32();
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    replicas.push_back(ReplicaId(reader.U64()));
  }
  return replicas;
}

std::string ReadString(base::Reader& reader) {
  const uint32_t size = reader.U32();
  return std::string(reader.Bytes(size));
}

bool Contains(const std::vector<ReplicaId>& replicas, ReplicaId replica) {
  return std::binary_search(replicas.begin(), replicas.end(), replica);
}

}  // namespace

bool Configuration::IsVoter(ReplicaId replica) const {
  return Contains(voters, replica) || Contains(voters_outgoing, replica);
}

const Member* Configuration::FindMember(ReplicaId replica) const {
  const auto it = std::lower_bound(
      members.begin(), members.end(), replica,
      [](const Member& member, ReplicaId id) { return member.replica < id; });
  return it != members.end() && it->replica == replica ? &*it : nullptr;
}

std::string EncodeConfiguration(const Configuration& configuration) {
  std::string out;
  base::AppendU8(out, kFormat);
  AppendReplicas(out, configuration.voters);
  AppendReplicas(out, configuration.voters_outgoing);
  AppendReplicas(out, configuration.learners);
  AppendReplicas(out, configuration.learners_next);
  base::AppendU32(out, static_cast<uint32_t>(configuration.members.size()));
  for (const Member& member : configuration.members) {
    base::AppendU64(out, member.replica.value());
    base::AppendU32(out, member.node.value());
    base::AppendU64(out, member.incarnation);
    base::AppendU32(out, member.priority);
    AppendString(out, member.peer_address);
    AppendString(out, member.api_address);
  }
  return out;
}

absl::StatusOr<Configuration> DecodeConfiguration(absl::string_view bytes) {
  base::Reader reader(bytes);
  const uint8_t format = reader.U8();
  if (format != kFormat) {
    return absl::DataLossError(absl::StrCat("configuration of ", bytes.size(),
                                            " bytes has format ", format));
  }
  Configuration configuration;
  configuration.voters = ReadReplicas(reader);
  configuration.voters_outgoing = ReadReplicas(reader);
  configuration.learners = ReadReplicas(reader);
  configuration.learners_next = ReadReplicas(reader);
  const uint32_t count = reader.U32();
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    Member member;
    member.replica = ReplicaId(reader.U64());
    member.node = base::NodeId(reader.U32());
    member.incarnation = reader.U64();
    member.priority = reader.U32();
    member.peer_address = ReadString(reader);
    member.api_address = ReadString(reader);
    configuration.members.push_back(std::move(member));
  }
  if (!reader.done()) {
    return absl::DataLossError(absl::StrCat("configuration of ", bytes.size(),
                                            " bytes is cut or too long"));
  }
  return configuration;
}

}  // namespace raft
