// The bytes of every key and value on disk. The formats are drawn in
// records.cc and in docs/formats.md, and pinned by golden bytes.

#ifndef STORAGE_RECORDS_H_
#define STORAGE_RECORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "raft/types.h"
#include "storage/group.h"
#include "storage/image.h"

namespace storage {

// The layout of a whole data directory. A newer one is refused; an older one
// would be migrated forward at open.
inline constexpr uint32_t kDataFormat = 1;

// To whom a data directory belongs (D8). Drawn once and never changed.
inline constexpr char kSingleMode[] = "single";
inline constexpr char kStaticMode[] = "static";
inline constexpr char kManagedMode[] = "managed";

struct Identity {
  std::string cluster;
  base::NodeId node;
  uint64_t incarnation = 0;  // Of this directory: a wiped one has another.
  std::string mode;          // "single", "static", "managed".
  uint32_t partitions = 0;   // Clients hash modulo it: it never changes.

  bool operator==(const Identity&) const = default;
};

// One of the nodes that a static cluster began with.
struct InitialMember {
  base::NodeId node;
  uint64_t incarnation = 0;  // Of its data directory.
  std::string peer_address;
  std::string api_address;

  bool operator==(const InitialMember&) const = default;
};

// What the nodes of a static cluster agreed on when it began. Its row is
// written once, before the partitions that follow from it.
struct InitialCluster {
  std::string id;
  uint32_t partitions = 0;
  uint32_t replication = 0;
  std::vector<InitialMember> members;  // By node.

  bool operator==(const InitialCluster&) const = default;
};

// Which replica of a partition is on this disk, and which were.
struct ReplicaRecord {
  // 0: none, or one that the partition began with, which its configuration
  // names.
  raft::ReplicaId replica;
  // The tombstone: this one and all below it never come back. 0: none.
  raft::ReplicaId dropped;

  bool operator==(const ReplicaRecord&) const = default;
};

// --- Keys ------------------------------------------------------------------
// Bytewise order is (partition, index), or (partition, generation, table, row
// key, checkpoint).

std::string LogKey(base::PartitionId partition, raft::Index index);
// Above every entry of the partition.
std::string LogEnd(base::PartitionId partition);

// The rows of `partition` are [ImageBegin(p, g), ImageBegin(p, g + 1)), those
// of all its generations [ImageBegin(p, 0), ImageEnd(p)).
std::string ImageBegin(base::PartitionId partition, uint64_t generation);
std::string ImageEnd(base::PartitionId partition);
std::string ImageKey(base::PartitionId partition, uint64_t generation,
                     uint16_t table, absl::string_view key,
                     uint64_t checkpoint);
// Every version of every row whose key starts with `prefix` is in
// [ImagePrefixBegin, ImagePrefixEnd).
std::string ImagePrefixBegin(base::PartitionId partition, uint64_t generation,
                             uint16_t table, absl::string_view prefix);
std::string ImagePrefixEnd(base::PartitionId partition, uint64_t generation,
                           uint16_t table, absl::string_view prefix);

std::string HardStateKey(base::PartitionId partition);
std::string ImagePointerKey(base::PartitionId partition);
std::string ReplicaKey(base::PartitionId partition);
std::string GroupKey(base::PartitionId partition);
// All keys of all partitions in `meta`.
std::string PartitionKeysBegin();
std::string PartitionKeysEnd();
std::string DataFormatKey();
std::string IdentityKey();
std::string InitialClusterKey();

// The partition whose image pointer `key` names; zero for any other key.
base::PartitionId PartitionOfImagePointerKey(absl::string_view key);
// The same for a ReplicaKey.
base::PartitionId PartitionOfReplicaKey(absl::string_view key);
// The same for a GroupKey.
base::PartitionId PartitionOfGroupKey(absl::string_view key);

// The index in a LogKey. REQUIRES: `key` is one.
raft::Index IndexOfLogKey(absl::string_view key);

// --- Values ----------------------------------------------------------------
// Decoders answer DataLoss for bytes that no encoder made and
// FailedPrecondition for a newer version, naming both versions.

// Everything of an entry but index (in the key) and payload (follows).
std::string EncodeEntryHead(const raft::Entry& entry);
// `index` comes from the key. Checks the payload's crc, not the chain.
absl::StatusOr<raft::Entry> DecodeEntry(raft::Index index,
                                        absl::string_view value);

std::string EncodeHardState(const raft::HardState& hard_state);
absl::StatusOr<raft::HardState> DecodeHardState(absl::string_view value);

std::string EncodeReplica(const ReplicaRecord& record);
absl::StatusOr<ReplicaRecord> DecodeReplica(absl::string_view value);

std::string EncodeImagePointer(const ImagePointer& pointer);
absl::StatusOr<ImagePointer> DecodeImagePointer(absl::string_view value);

// Precedes the row's value.
std::string EncodeImageRowHead(bool erased);
absl::StatusOr<ImageRow> DecodeImageRow(absl::string_view key,
                                        absl::string_view value);

std::string EncodeDataFormat(uint32_t format);
absl::StatusOr<uint32_t> DecodeDataFormat(absl::string_view value);

std::string EncodeIdentity(const Identity& identity);
absl::StatusOr<Identity> DecodeIdentity(absl::string_view value);

std::string EncodeInitialCluster(const InitialCluster& cluster);
absl::StatusOr<InitialCluster> DecodeInitialCluster(absl::string_view value);

std::string EncodeGroup(const Group& group);
// `id` comes from the key.
absl::StatusOr<Group> DecodeGroup(base::PartitionId id,
                                  absl::string_view value);

}  // namespace storage

#endif  // STORAGE_RECORDS_H_
