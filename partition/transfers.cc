#include "partition/transfers.h"

#include <utility>

namespace partition {
namespace {

// Silent for longer: it is down, or cut off.
constexpr uint32_t kSilentTicksMax = 3;

}  // namespace

void Transfers::Begin(raft::Raft& core, raft::ReplicaId target,
                      TransferDone done) {
  if (core.role() != raft::Role::kLeader) {
    return std::move(done)(
        absl::UnavailableError("this replica does not lead"));
  }
  if (target == raft::ReplicaId{}) target = BestTarget(core);
  if (target == raft::ReplicaId{}) {
    return std::move(done)(absl::FailedPreconditionError(
        "no other voter was heard from that may lead"));
  }
  absl::Status status = core.TransferLeadership(target);
  if (!status.ok() || core.configuration().FindMember(target) == nullptr ||
      core.leader() == target) {
    return std::move(done)(std::move(status));
  }
  waiting_.push_back({.done = std::move(done)});
}

void Transfers::Tick() {
  std::vector<Waiting> waiting = std::move(waiting_);
  waiting_.clear();
  for (Waiting& one : waiting) {
    if (++one.ticks < ticks_max_) {
      waiting_.push_back(std::move(one));
      continue;
    }
    std::move(one.done)(
        absl::DeadlineExceededError("nobody took leadership over in time"));
  }
}

void Transfers::EndAll(const absl::Status& status) {
  for (Waiting& one : std::exchange(waiting_, {})) std::move(one.done)(status);
}

raft::ReplicaId Transfers::BestTarget(const raft::Raft& core) {
  const raft::Configuration& configuration = core.configuration();
  const raft::FollowerStatus* best = nullptr;
  const std::vector<raft::FollowerStatus> followers = core.followers();
  for (const raft::FollowerStatus& follower : followers) {
    const raft::Member* member = configuration.FindMember(follower.replica);
    if (member == nullptr || member->priority == 0 ||
        !configuration.IsVoter(follower.replica) ||
        follower.silent_ticks > kSilentTicksMax) {
      continue;
    }
    const bool better = best == nullptr ||
                        follower.match_index > best->match_index ||
                        (follower.match_index == best->match_index &&
                         follower.silent_ticks < best->silent_ticks);
    if (better) best = &follower;
  }
  return best == nullptr ? raft::ReplicaId{} : best->replica;
}

}  // namespace partition
