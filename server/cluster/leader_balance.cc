#include "server/cluster/leader_balance.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/hash.h"
#include "partition/membership.h"

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

// How much a node wants to lead a partition.
uint64_t Score(base::NodeId node, base::PartitionId partition) {
  std::string bytes;
  base::AppendU32(bytes, node.value());
  base::AppendU32(bytes, partition.value());
  return base::Hash64(bytes);
}

}  // namespace

raft::ReplicaId LeaderBalance::Preferred(
    base::PartitionId partition, const raft::Configuration& configuration) {
  if (configuration.is_joint()) return raft::ReplicaId{};
  std::vector<const raft::Member*> candidates;
  bool is_as_it_began = true;
  for (const raft::ReplicaId voter : configuration.voters) {
    is_as_it_began &= voter.value() <= partition::kInitialReplicasMax;
    const raft::Member* member = configuration.FindMember(voter);
    if (member != nullptr && member->priority > 0) candidates.push_back(member);
  }
  if (candidates.empty()) return raft::ReplicaId{};
  if (is_as_it_began) return candidates.front()->replica;
  const auto wanted_most = std::max_element(
      candidates.begin(), candidates.end(),
      [partition](const raft::Member* a, const raft::Member* b) {
        return Score(a->node, partition) < Score(b->node, partition);
      });
  return (*wanted_most)->replica;
}

raft::ReplicaId LeaderBalance::Look(const partition::PartitionStatus& status) {
  const raft::ReplicaId preferred = Preferred(status.id, status.configuration);
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
