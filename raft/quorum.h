// Majorities of a configuration. In joint consensus both halves must agree, on
// votes, commits, reads and check-quorum alike (P44); learners are in none of
// them (P46).

#ifndef RAFT_QUORUM_H_
#define RAFT_QUORUM_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace raft {

// The largest value that a majority of each half has reached: with match
// indexes the one to commit, with read rounds the one that is confirmed.
uint64_t QuorumValue(const Configuration& configuration,
                     absl::FunctionRef<uint64_t(ReplicaId)> value_of);

enum class VoteResult { kPending, kWon, kLost };

// `vote_of` is the replica's answer, or nothing yet. kLost: no majority is
// possible any more.
VoteResult TallyVotes(
    const Configuration& configuration,
    absl::FunctionRef<std::optional<bool>(ReplicaId)> vote_of);

}  // namespace raft

#endif  // RAFT_QUORUM_H_
