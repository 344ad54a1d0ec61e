#include "raft/types.h"

#include "base/check.h"
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
  // On the stack: this runs once per entry on every replica.
  char bytes[41];
  size_t size = 0;
  const auto append = [&](uint64_t value, int width) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
      bytes[size++] = static_cast<char>(value >> shift);
    }
  };
  append(previous_chain, 8);
  append(partition.value(), 4);
  append(entry.index.value(), 8);
  append(entry.term.value(), 8);
  append(entry.time_ns, 8);
  append(static_cast<uint8_t>(entry.type), 1);
  append(entry.payload_crc, 4);
  return base::Hash64(absl::string_view(bytes, size));
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

absl::string_view ProgressStateName(ProgressState state) {
  switch (state) {
    case ProgressState::kProbe:
      return "probe";
    case ProgressState::kReplicate:
      return "replicate";
    case ProgressState::kSnapshot:
      return "snapshot";
  }
  LOG(FATAL) << "progress state " << static_cast<int>(state);
}

}  // namespace raft
