#include "server/cluster/leader_balance.h"

#include <algorithm>

namespace server::cluster {
namespace {

// Silent for longer: it is down, or cut off.
constexpr uint32_t kSilentTicksMax = 3;

// Entries that may be on their way to a follower that keeps up. A transfer
// waits for them (P15).
constexpr uint64_t kOnTheirWayMax = 1024;

constexpr uint32_t kDoublingsMax = 6;

// It hears from the leader and keeps up with the log.
bool IsWell(const partition::PartitionStatus& status, raft::ReplicaId replica) {
  return std::any_of(
      status.followers.begin(), status.followers.end(),
      [&](const raft::FollowerStatus& follower) {
        return follower.replica == replica &&
               follower.state == raft::ProgressState::kReplicate &&
               follower.silent_ticks <= kSilentTicksMax &&
               follower.match_index + kOnTheirWayMax >= status.applied_index;
      });
}

}  // namespace

raft::ReplicaId LeaderBalance::Preferred(
    const raft::Configuration& configuration) {
  if (configuration.is_joint()) return raft::ReplicaId{};
  for (const raft::ReplicaId voter : configuration.voters) {
    const raft::Member* member = configuration.FindMember(voter);
    if (member != nullptr && member->priority > 0) return voter;
  }
  return raft::ReplicaId{};
}

raft::ReplicaId LeaderBalance::Look(const partition::PartitionStatus& status) {
  const raft::ReplicaId preferred = Preferred(status.configuration);
  if (status.soft_state.role != raft::Role::kLeader) kept_.erase(status.id);
  const raft::Member* const self =
      status.configuration.FindMember(status.replica);
  if (kept_.contains(status.id) && self != nullptr && self->priority > 0) {
    seen_.erase(status.id);
    return raft::ReplicaId{};
  }
  if (status.soft_state.role != raft::Role::kLeader ||
      preferred == raft::ReplicaId{} || preferred == status.replica) {
    seen_.erase(status.id);
    return raft::ReplicaId{};
  }
  Seen& seen = seen_[status.id];
  if (seen.replica != preferred) seen = {.replica = preferred};
  if (!IsWell(status, preferred)) {
    seen.looks = 0;
    return raft::ReplicaId{};
  }
  if (++seen.looks < looks_ << std::min(seen.tries, kDoublingsMax)) {
    return raft::ReplicaId{};
  }
  seen.looks = 0;
  ++seen.tries;
  return preferred;
}

}  // namespace server::cluster
