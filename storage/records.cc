// Do not change: on disk. Numbers are big-endian, so bytewise order is numeric
// order; `crc` is the CRC-32C of all bytes of the value before it.
//
//   log    key    partition u32, index u64
//          value  version u8 (1), type u8, term u64, time u64, chain u64,
//                 payload crc u32, payload
//   image  key    partition u32, generation u64, table u16,
//                 row key (ordered: 00 -> 00 FF, ends in 00 01),
//                 checkpoint u64
//          value  version u8 (1), erased u8 (0 or 1), row
//   meta   key    "n" name                   of the node: "format", "identity"
//                 "p" partition u32 name     "hard_state", "image", "replica",
//                                            "group"
//          format      format u32, crc u32   (this one never changes)
//          identity    version u8 (1), cluster (u32 length, bytes), node u32,
//                      incarnation u64, mode (u32 length, bytes),
//                      partitions u32, crc u32
//          hard_state  version u8 (1), term u64, voted_for u64, commit u64,
//                      crc u32
//          image       version u8 (1), index u64, term u64, time u64, chain
//                      u64, command_index u64, generation u64, checkpoint u64,
//                      machine_version u32, digest u64,
//                      configuration (u32 length, bytes), crc u32
//                      version u8 (2): the same, of a suspect image
//          replica     version u8 (1), replica u64, dropped u64, crc u32
//          group       version u8 (1), self u32, role u8, count u32, then of
//                      each member: node u32, peer address (u32 length, bytes);
//                      beginning (u32 length, bytes: a configuration, or none),
//                      crc u32
//
// An entry's head has no crc of its own: the chain covers it.

#include "storage/records.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "raft/configuration.h"

namespace storage {
namespace {

constexpr uint8_t kVersion = 1;  // Of every versioned record but one:
// A pointer to a suspect image. Who does not know it must not serve from it.
constexpr uint8_t kSuspectVersion = 2;
constexpr char kNodeKeys = 'n';
constexpr char kPartitionKeys = 'p';
constexpr absl::string_view kImageName = "image";
constexpr absl::string_view kReplicaName = "replica";
constexpr absl::string_view kGroupName = "group";

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(what, " does not decode"));
}

absl::Status CheckVersion(absl::string_view what, uint8_t version,
                          uint8_t known = kVersion) {
  if (version > known) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " has format version ", version,
                     "; this binary knows up to ", known));
  }
  if (version == 0) return Malformed(what);
  return absl::OkStatus();
}

std::string NodeKey(absl::string_view name) {
  return absl::StrCat(absl::string_view(&kNodeKeys, 1), name);
}

std::string PartitionKey(base::PartitionId partition, absl::string_view name) {
  std::string key(1, kPartitionKeys);
  base::AppendU32(key, partition.value());
  key.append(name.data(), name.size());
  return key;
}

void AppendSized(std::string& out, absl::string_view bytes) {
  base::AppendU32(out, static_cast<uint32_t>(bytes.size()));
  out.append(bytes.data(), bytes.size());
}

absl::string_view ReadSized(base::Reader& reader) {
  const uint32_t size = reader.U32();
  return reader.Bytes(size);
}

void AppendCrc(std::string& out) { base::AppendU32(out, base::Crc32c(out)); }

// `value` without its crc.
absl::StatusOr<absl::string_view> StripCrc(absl::string_view what,
                                           absl::string_view value) {
  if (value.size() < 4) return Malformed(what);
  const absl::string_view body = value.substr(0, value.size() - 4);
  base::Reader crc(value.substr(body.size()));
  if (crc.U32() != base::Crc32c(body)) {
    return absl::DataLossError(absl::StrCat(what, " has a wrong checksum"));
  }
  return body;
}

// The partition of a PartitionKey with this name; zero for any other key.
base::PartitionId PartitionOfKey(absl::string_view key,
                                 absl::string_view name) {
  base::Reader reader(key);
  const bool of_partition = reader.U8() == kPartitionKeys;
  const base::PartitionId partition{reader.U32()};
  if (!of_partition || !reader.ok() || reader.rest() != name) {
    return base::PartitionId{0};
  }
  return partition;
}

}  // namespace

// --- Keys --------------------------------------------------------------------

std::string LogKey(base::PartitionId partition, raft::Index index) {
  std::string key;
  key.reserve(12);
  base::AppendU32(key, partition.value());
  base::AppendU64(key, index.value());
  return key;
}

std::string LogEnd(base::PartitionId partition) {
  return LogKey(partition, raft::Index{UINT64_MAX});
}

raft::Index IndexOfLogKey(absl::string_view key) {
  base::Reader reader(key);
  reader.U32();
  const raft::Index index{reader.U64()};
  CHECK(reader.done()) << "a key of " << key.size() << " bytes in `log`";
  return index;
}

std::string ImageBegin(base::PartitionId partition, uint64_t generation) {
  std::string key;
  base::AppendU32(key, partition.value());
  base::AppendU64(key, generation);
  return key;
}

// The generation never is all ones.
std::string ImageEnd(base::PartitionId partition) {
  return ImageBegin(partition, UINT64_MAX);
}

std::string ImageKey(base::PartitionId partition, uint64_t generation,
                     uint16_t table, absl::string_view row_key,
                     uint64_t checkpoint) {
  std::string key = ImageBegin(partition, generation);
  base::AppendU16(key, table);
  base::AppendOrdered(key, row_key);
  base::AppendU64(key, checkpoint);
  return key;
}

std::string ImagePrefixBegin(base::PartitionId partition, uint64_t generation,
                             uint16_t table, absl::string_view prefix) {
  std::string key = ImageBegin(partition, generation);
  base::AppendU16(key, table);
  base::AppendOrdered(key, prefix);
  key.resize(key.size() - 2);  // Without the terminator: longer keys follow.
  return key;
}

std::string ImagePrefixEnd(base::PartitionId partition, uint64_t generation,
                           uint16_t table, absl::string_view prefix) {
  std::string key = ImagePrefixBegin(partition, generation, table, prefix);
  // The next string of the same length. The generation never is all ones, so
  // the carry ends.
  for (size_t i = key.size(); i-- > 0;) {
    key[i] = static_cast<char>(key[i] + 1);
    if (key[i] != 0) break;
    key.resize(i);
  }
  return key;
}

std::string HardStateKey(base::PartitionId partition) {
  return PartitionKey(partition, "hard_state");
}

std::string ImagePointerKey(base::PartitionId partition) {
  return PartitionKey(partition, kImageName);
}

std::string ReplicaKey(base::PartitionId partition) {
  return PartitionKey(partition, kReplicaName);
}
std::string GroupKey(base::PartitionId partition) {
  return PartitionKey(partition, kGroupName);
}
std::string PartitionKeysBegin() { return std::string(1, kPartitionKeys); }
std::string PartitionKeysEnd() { return std::string(1, kPartitionKeys + 1); }
std::string DataFormatKey() { return NodeKey("format"); }
std::string IdentityKey() { return NodeKey("identity"); }
std::string InitialClusterKey() { return NodeKey("initial"); }

base::PartitionId PartitionOfImagePointerKey(absl::string_view key) {
  return PartitionOfKey(key, kImageName);
}
base::PartitionId PartitionOfReplicaKey(absl::string_view key) {
  return PartitionOfKey(key, kReplicaName);
}
base::PartitionId PartitionOfGroupKey(absl::string_view key) {
  return PartitionOfKey(key, kGroupName);
}

// --- Values ------------------------------------------------------------------

std::string EncodeEntryHead(const raft::Entry& entry) {
  std::string head;
  head.reserve(30);
  base::AppendU8(head, kVersion);
  base::AppendU8(head, static_cast<uint8_t>(entry.type));
  base::AppendU64(head, entry.term.value());
  base::AppendU64(head, entry.time_ns);
  base::AppendU64(head, entry.chain);
  base::AppendU32(head, entry.payload_crc);
  return head;
}

absl::StatusOr<raft::Entry> DecodeEntry(raft::Index index,
                                        absl::string_view value) {
  base::Reader reader(value);
  RETURN_IF_ERROR(CheckVersion("the record", reader.U8()));
  const uint8_t type = reader.U8();
  raft::Entry entry{.index = index};
  entry.type = static_cast<raft::EntryType>(type);
  entry.term = raft::Term{reader.U64()};
  entry.time_ns = reader.U64();
  entry.chain = reader.U64();
  entry.payload_crc = reader.U32();
  if (!reader.ok() || type < 1 || type > 3) return Malformed("the record");
  if (base::Crc32c(reader.rest()) != entry.payload_crc) {
    return absl::DataLossError("the payload has a wrong checksum");
  }
  if (!reader.rest().empty()) {
    entry.payload = std::make_shared<const std::string>(reader.rest());
  }
  return entry;
}

std::string EncodeHardState(const raft::HardState& hard_state) {
  std::string value;
  base::AppendU8(value, kVersion);
  base::AppendU64(value, hard_state.term.value());
  base::AppendU64(value, hard_state.voted_for.value());
  base::AppendU64(value, hard_state.commit_index.value());
  AppendCrc(value);
  return value;
}

absl::StatusOr<raft::HardState> DecodeHardState(absl::string_view value) {
  constexpr absl::string_view kWhat = "the hard state";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  RETURN_IF_ERROR(CheckVersion(kWhat, reader.U8()));
  raft::HardState hard_state;
  hard_state.term = raft::Term{reader.U64()};
  hard_state.voted_for = raft::ReplicaId{reader.U64()};
  hard_state.commit_index = raft::Index{reader.U64()};
  if (!reader.done()) return Malformed(kWhat);
  return hard_state;
}

std::string EncodeReplica(const ReplicaRecord& record) {
  std::string value;
  base::AppendU8(value, kVersion);
  base::AppendU64(value, record.replica.value());
  base::AppendU64(value, record.dropped.value());
  AppendCrc(value);
  return value;
}

absl::StatusOr<ReplicaRecord> DecodeReplica(absl::string_view value) {
  constexpr absl::string_view kWhat = "the replica record";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  RETURN_IF_ERROR(CheckVersion(kWhat, reader.U8()));
  ReplicaRecord record;
  record.replica = raft::ReplicaId{reader.U64()};
  record.dropped = raft::ReplicaId{reader.U64()};
  if (!reader.done()) return Malformed(kWhat);
  return record;
}

std::string EncodeImagePointer(const ImagePointer& pointer) {
  std::string value;
  base::AppendU8(value, pointer.suspect ? kSuspectVersion : kVersion);
  base::AppendU64(value, pointer.position.index.value());
  base::AppendU64(value, pointer.position.term.value());
  base::AppendU64(value, pointer.position.time_ns);
  base::AppendU64(value, pointer.position.chain);
  base::AppendU64(value, pointer.command_index);
  base::AppendU64(value, pointer.generation);
  base::AppendU64(value, pointer.checkpoint);
  base::AppendU32(value, pointer.machine_version);
  base::AppendU64(value, pointer.digest);
  AppendSized(value, raft::EncodeConfiguration(pointer.configuration));
  AppendCrc(value);
  return value;
}

absl::StatusOr<ImagePointer> DecodeImagePointer(absl::string_view value) {
  constexpr absl::string_view kWhat = "the image pointer";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  const uint8_t version = reader.U8();
  RETURN_IF_ERROR(CheckVersion(kWhat, version, kSuspectVersion));
  ImagePointer pointer;
  pointer.suspect = version == kSuspectVersion;
  pointer.position.index = raft::Index{reader.U64()};
  pointer.position.term = raft::Term{reader.U64()};
  pointer.position.time_ns = reader.U64();
  pointer.position.chain = reader.U64();
  pointer.command_index = reader.U64();
  pointer.generation = reader.U64();
  pointer.checkpoint = reader.U64();
  pointer.machine_version = reader.U32();
  pointer.digest = reader.U64();
  const absl::string_view configuration = ReadSized(reader);
  if (!reader.done()) return Malformed(kWhat);
  ASSIGN_OR_RETURN(pointer.configuration,
                   raft::DecodeConfiguration(configuration));
  return pointer;
}

std::string EncodeImageRowHead(bool erased) {
  std::string head;
  base::AppendU8(head, kVersion);
  base::AppendU8(head, erased ? 1 : 0);
  return head;
}

absl::StatusOr<ImageRow> DecodeImageRow(absl::string_view key,
                                        absl::string_view value) {
  constexpr absl::string_view kWhat = "an image row";
  ImageRow row;
  base::Reader key_reader(key);
  key_reader.U32();  // Partition and generation: the reader's range.
  key_reader.U64();
  row.table = key_reader.U16();
  row.key = key_reader.Ordered();
  row.checkpoint = key_reader.U64();

  base::Reader reader(value);
  RETURN_IF_ERROR(CheckVersion(kWhat, reader.U8()));
  const uint8_t erased = reader.U8();
  if (!key_reader.done() || !reader.ok() || erased > 1) return Malformed(kWhat);
  row.erased = erased == 1;
  row.value = std::string(reader.rest());
  return row;
}

std::string EncodeDataFormat(uint32_t format) {
  std::string value;
  base::AppendU32(value, format);
  AppendCrc(value);
  return value;
}

absl::StatusOr<uint32_t> DecodeDataFormat(absl::string_view value) {
  constexpr absl::string_view kWhat = "the data format record";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  const uint32_t format = reader.U32();
  if (!reader.done()) return Malformed(kWhat);
  return format;
}

std::string EncodeIdentity(const Identity& identity) {
  std::string value;
  base::AppendU8(value, kVersion);
  AppendSized(value, identity.cluster);
  base::AppendU32(value, identity.node.value());
  base::AppendU64(value, identity.incarnation);
  AppendSized(value, identity.mode);
  base::AppendU32(value, identity.partitions);
  AppendCrc(value);
  return value;
}

absl::StatusOr<Identity> DecodeIdentity(absl::string_view value) {
  constexpr absl::string_view kWhat = "the identity record";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  RETURN_IF_ERROR(CheckVersion(kWhat, reader.U8()));
  Identity identity;
  identity.cluster = std::string(ReadSized(reader));
  identity.node = base::NodeId{reader.U32()};
  identity.incarnation = reader.U64();
  identity.mode = std::string(ReadSized(reader));
  identity.partitions = reader.U32();
  if (!reader.done()) return Malformed(kWhat);
  return identity;
}

std::string EncodeInitialCluster(const InitialCluster& cluster) {
  std::string value;
  base::AppendU8(value, kVersion);
  AppendSized(value, cluster.id);
  base::AppendU32(value, cluster.partitions);
  base::AppendU32(value, cluster.replication);
  base::AppendU32(value, static_cast<uint32_t>(cluster.members.size()));
  for (const InitialMember& member : cluster.members) {
    base::AppendU32(value, member.node.value());
    base::AppendU64(value, member.incarnation);
    AppendSized(value, member.peer_address);
    AppendSized(value, member.api_address);
  }
  AppendCrc(value);
  return value;
}

absl::StatusOr<InitialCluster> DecodeInitialCluster(absl::string_view value) {
  constexpr absl::string_view kWhat = "the record of the cluster's beginning";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  RETURN_IF_ERROR(CheckVersion(kWhat, reader.U8()));
  InitialCluster cluster;
  cluster.id = std::string(ReadSized(reader));
  cluster.partitions = reader.U32();
  cluster.replication = reader.U32();
  for (uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    InitialMember member;
    member.node = base::NodeId{reader.U32()};
    member.incarnation = reader.U64();
    member.peer_address = std::string(ReadSized(reader));
    member.api_address = std::string(ReadSized(reader));
    cluster.members.push_back(std::move(member));
  }
  if (!reader.done()) return Malformed(kWhat);
  return cluster;
}

std::string EncodeGroup(const Group& group) {
  std::string value;
  base::AppendU8(value, kVersion);
  base::AppendU32(value, group.self.value());
  base::AppendU8(value, static_cast<uint8_t>(group.role));
  base::AppendU32(value, static_cast<uint32_t>(group.members.size()));
  for (const GroupMember& member : group.members) {
    base::AppendU32(value, member.node.value());
    AppendSized(value, member.peer_address);
  }
  AppendSized(value, group.beginning.has_value()
                         ? raft::EncodeConfiguration(*group.beginning)
                         : "");
  AppendCrc(value);
  return value;
}

absl::StatusOr<Group> DecodeGroup(base::PartitionId id,
                                  absl::string_view value) {
  constexpr absl::string_view kWhat = "the record of a group";
  ASSIGN_OR_RETURN(const absl::string_view body, StripCrc(kWhat, value));
  base::Reader reader(body);
  RETURN_IF_ERROR(CheckVersion(kWhat, reader.U8()));
  Group group{.id = id};
  group.self = base::NodeId{reader.U32()};
  const uint8_t role = reader.U8();
  group.role = static_cast<GroupRole>(role);
  for (uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    GroupMember member;
    member.node = base::NodeId{reader.U32()};
    member.peer_address = std::string(ReadSized(reader));
    group.members.push_back(std::move(member));
  }
  const absl::string_view beginning = ReadSized(reader);
  if (!reader.done() || role < 1 || role > 3) return Malformed(kWhat);
  if (!beginning.empty()) {
    ASSIGN_OR_RETURN(group.beginning, raft::DecodeConfiguration(beginning));
  }
  return group;
}

}  // namespace storage
