#include "raft/types.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace raft {

Position PositionOf(const Entry& entry) {
  return {.index = entry.index,
          .term = entry.term,
          .time_ns = entry.time_ns,
          .chain = entry.chain};
}

// Do not change: on disk and between nodes.
//   chain = XXH3-64(previous u64, partition u32, index u64, term u64, time u64,
//                   type u8, payload_crc u32), all big-endian.
uint64_t ChainOf(uint64_t previous_chain, base::PartitionId partition,
                 const Entry& entry) {
  std::string bytes;
  bytes.reserve(41);
  base::AppendU64(bytes, previous_chain);
  base::AppendU32(bytes, partition.value());
  base::AppendU64(bytes, entry.index.value());
  base::AppendU64(bytes, entry.term.value());
  base::AppendU64(bytes, entry.time_ns);
  base::AppendU8(bytes, static_cast<uint8_t>(entry.type));
  base::AppendU32(bytes, entry.payload_crc);
  return base::Hash64(bytes);
}

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  LOG(FATAL) << "role " << static_cast<int>(role);
}

}  // namespace raft
