#include "partition/transfers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

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
  if (spared_.contains(target)) {
    return std::move(done)(absl::FailedPreconditionError(absl::StrCat(
        "replica ", target.value(),
        " would not lead for now: it serves nothing, its node stops, "
        "or its disk is full or slow")));
  }
  if (target == raft::ReplicaId{}) {
    const std::vector<raft::ReplicaId> willing = Willing(core);
    if (!willing.empty()) target = willing.front();
  }
  if (target == raft::ReplicaId{}) {
    return std::move(done)(absl::FailedPreconditionError(
        "no other voter was heard from that may lead; one that is drained is "
        "let lead again by `multiraftctl node undrain`"));
  }
  absl::Status status = core.TransferLeadership(target);
  if (!status.ok() || core.configuration().FindMember(target) == nullptr ||
      core.leader() == target) {
    return std::move(done)(std::move(status));
  }
  waiting_.push_back({.done = std::move(done)});
}

void Transfers::Tick() {
  if (paused_ticks_ > 0) --paused_ticks_;
  for (auto it = spared_.begin(); it != spared_.end();) {
    it = --it->second == 0 ? spared_.erase(it) : std::next(it);
  }
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

void Transfers::GiveUp(raft::Raft& core) {
  const uint32_t tick = give_up_ticks_++;
  if (tick % ticks_max_ != 0) return;
  const std::vector<raft::ReplicaId> targets = Willing(core);
  if (targets.empty()) return;
  // A refusal is no loss: it is tried again.
  (void)core.TransferLeadership(targets[tick / ticks_max_ % targets.size()]);
}

void Transfers::Suggest(raft::Raft& core) {
  if (paused_ticks_ > 0) return;
  const std::vector<raft::ReplicaId> targets = Willing(core);
  if (targets.empty() || !core.TransferLeadership(targets.front()).ok()) return;
  paused_ticks_ = pause_ticks_;
}

std::vector<raft::ReplicaId> Transfers::Willing(const raft::Raft& core) const {
  std::vector<raft::ReplicaId> targets = Targets(core);
  std::erase_if(targets,
                [this](auto replica) { return spared_.contains(replica); });
  return targets;
}

std::vector<raft::ReplicaId> Transfers::Targets(const raft::Raft& core) {
  const raft::Configuration& configuration = core.configuration();
  std::vector<raft::FollowerStatus> followers = core.followers();
  std::erase_if(followers, [&](const raft::FollowerStatus& follower) {
    const raft::Member* member = configuration.FindMember(follower.replica);
    return member == nullptr || member->priority == 0 ||
           !configuration.IsVoter(follower.replica) ||
           follower.silent_ticks > kSilentTicksMax;
  });
  std::stable_sort(
      followers.begin(), followers.end(),
      [](const raft::FollowerStatus& a, const raft::FollowerStatus& b) {
        return a.match_index != b.match_index ? a.match_index > b.match_index
                                              : a.silent_ticks < b.silent_ticks;
      });
  std::vector<raft::ReplicaId> targets;
  for (const raft::FollowerStatus& follower : followers) {
    targets.push_back(follower.replica);
  }
  return targets;
}

}  // namespace partition
