// The words of the protocol: terms, positions in the log, entries and what a
// replica must never forget. Names are those of the Raft paper and thesis.

#ifndef RAFT_TYPES_H_
#define RAFT_TYPES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/strong_int.h"

namespace raft {

using Term = base::StrongInt<struct TermTag>;
using Index = base::StrongInt<struct IndexTag>;  // The first entry is Index{1}.

// A replica of one partition: the index of the entry that added it to the
// configuration (1, 2, ... for the initial members), so it is never used
// again. ReplicaId{0} is nobody.
using ReplicaId = base::StrongInt<struct ReplicaIdTag>;

// Do not change: on disk.
enum class EntryType : uint8_t {
  kNoop = 1,        // Of a new leader (thesis 6.4); empty payload.
  kConfChange = 2,  // Payload: EncodeConfiguration of the new configuration.
  kApp = 3,         // For the state machine; opaque here.
};

// One entry of the replicated log. Copies share the payload.
struct Entry {
  Term term;
  Index index;
  EntryType type = EntryType::kNoop;

  // Log time: nanoseconds by the monotonic clocks of the leaders since the
  // partition began. Never below that of the entry before.
  uint64_t time_ns = 0;

  // ChainOf this entry and the chain of the entry before: equal chains mean
  // equal logs up to here (P22).
  uint64_t chain = 0;

  // Crc32c of the payload, made where the command enters (D7).
  uint32_t payload_crc = 0;

  // Immutable; null means empty.
  std::shared_ptr<const std::string> payload;

  absl::string_view bytes() const {
    return payload == nullptr ? absl::string_view() : *payload;
  }
};

// Where a log stands after an entry; also what precedes the first entry of a
// trimmed log. All zero before the first entry.
struct Position {
  Index index;
  Term term;
  uint64_t time_ns = 0;
  uint64_t chain = 0;

  bool operator==(const Position&) const = default;
};

Position PositionOf(const Entry& entry);

// The chain of `entry` behind an entry whose chain is `previous_chain`.
// Covers partition, index, term, time, type and payload_crc.
uint64_t ChainOf(uint64_t previous_chain, base::PartitionId partition,
                 const Entry& entry);

// What must be durable before a message that depends on it leaves (figure 2).
// commit_index may lag: it is written with other things, never for itself.
struct HardState {
  Term term;
  ReplicaId voted_for;  // 0: no vote in this term.
  Index commit_index;

  bool operator==(const HardState&) const = default;
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

absl::string_view RoleName(Role role);

// How a leader feeds one follower: see raft/progress.h.
enum class ProgressState : uint8_t { kProbe, kReplicate, kSnapshot };

absl::string_view ProgressStateName(ProgressState state);

// Never durable; for people and routing.
struct SoftState {
  Role role = Role::kFollower;
  ReplicaId leader;  // 0: unknown.
  Term term;

  bool operator==(const SoftState&) const = default;
};

}  // namespace raft

#endif  // RAFT_TYPES_H_
