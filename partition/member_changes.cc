#include "partition/member_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace partition {
namespace {

const raft::FollowerStatus* Find(
    const std::vector<raft::FollowerStatus>& followers,
    raft::ReplicaId replica) {
  const auto found = std::find_if(followers.begin(), followers.end(),
                                  [replica](const raft::FollowerStatus& one) {
                                    return one.replica == replica;
                                  });
  return found == followers.end() ? nullptr : &*found;
}

// Who asks and then asks no more (a call that was cancelled) is not known here,
// so those that wait are bounded.
constexpr size_t kWaitingMax = 64;

// The same but for being forced.
bool SameGoal(const MemberChange& a, MemberChange b) {
  b.force = a.force;
  return a == b;
}

}  // namespace

void MemberChanges::Begin(raft::Raft& core, MemberChange change,
                          MembersDone done) {
  if (core.role() != raft::Role::kLeader) {
    return std::move(done)(
        absl::UnavailableError("this replica does not lead"));
  }
  if (under_way_.has_value() && !SameGoal(under_way_->change, change)) {
    if (!Replaces(core, change)) return std::move(done)(Busy());
    EndAll(absl::AbortedError(
        absl::StrCat(Describe(change), " was asked for meanwhile")));
  }
  if (!under_way_.has_value()) {
    under_way_.emplace();
    under_way_->change = change;
  }
  under_way_->change.force |= change.force;
  std::deque<MembersDone>& waiting = under_way_->waiting;
  if (waiting.size() == kWaitingMax) {
    std::move(waiting.front())(absl::UnavailableError(
        "the change goes on, but too many wait for its end; ask again"));
    waiting.pop_front();
  }
  waiting.push_back(std::move(done));
  Look(core);
}

// What only waits can be given up: nothing of it is in the log yet. Only by a
// change of the node that it waits for, or two operators who add a node each
// would end each other's.
bool MemberChanges::Replaces(const raft::Raft& core,
                             const MemberChange& change) const {
  // An update does not say that the node shall not be what it becomes.
  if (under_way_->catching_up == raft::ReplicaId{0} ||
      change.kind == MemberChange::Kind::kUpdate) {
    return false;
  }
  const raft::Member* waited_for =
      core.configuration().FindMember(under_way_->catching_up);
  return waited_for != nullptr && (change.node == waited_for->node ||
                                   change.member.node == waited_for->node);
}

absl::Status MemberChanges::Busy() const {
  return absl::FailedPreconditionError(absl::StrCat(
      "another change is under way: ", Describe(under_way_->change), "; ",
      under_way_->waits_for,
      under_way_->catching_up == raft::ReplicaId{0}
          ? "; try again when it is done; `multiraftctl leader transfer` ends "
            "it, too"
          : "; removing that node ends it, and so does `multiraftctl leader "
            "transfer`"));
}

MembersView MemberChanges::ViewOf(const raft::Raft& core) const {
  return {.self = self_,
          .configuration = core.configuration(),
          .is_committed = core.configuration_index() <= core.commit_index(),
          .last_index = core.last_index(),
          .followers = core.followers(),
          .reachable_ticks = limits_.reachable_ticks};
}

void MemberChanges::Look(raft::Raft& core) {
  if (!under_way_.has_value() || core.role() != raft::Role::kLeader) return;
  log_must_grow_ = false;
  const MembersView view = ViewOf(core);
  absl::StatusOr<MembersStep> step =
      NextStep(view, under_way_->change, under_way_->caught_up);
  if (!step.ok()) return EndAll(std::move(step).status());
  if (std::holds_alternative<MembersReached>(*step)) {
    return EndAll(view.configuration);
  }
  if (const auto* wait = std::get_if<MembersWait>(&*step)) {
    return Wait(core, *wait);
  }
  const auto& propose = std::get<MembersPropose>(*step);
  const absl::StatusOr<raft::Index> index =
      core.ProposeConfChange(propose.target);
  if (index.ok()) {
    // A new replica is called after the entry that adds it.
    CHECK_EQ(*index, view.last_index + 1);
    under_way_->waits_for = "the change is being committed";
    under_way_->catching_up = raft::ReplicaId{0};
    return;
  }
  if (absl::IsInvalidArgument(index.status())) return EndAll(index.status());
  // A transfer, or no entry of the term yet: it passes.
  under_way_->waits_for = std::string(index.status().message());
}

void MemberChanges::Wait(const raft::Raft& core, const MembersWait& wait) {
  under_way_->waits_for = wait.what;
  under_way_->catching_up = wait.catching_up;
  log_must_grow_ = wait.log_must_grow;
  if (wait.catching_up == raft::ReplicaId{0}) return;
  const std::vector<raft::FollowerStatus> followers = core.followers();
  const raft::FollowerStatus* follower = Find(followers, wait.catching_up);
  if (follower == nullptr || under_way_->ticks <= limits_.silent_ticks ||
      follower->silent_ticks <= limits_.silent_ticks) {
    return;
  }
  EndAll(absl::DeadlineExceededError(absl::StrCat(
      wait.what, ", and was not heard from for ", follower->silent_ticks,
      " ticks; it stays a learner: ask again when it is there, or remove it")));
}

void MemberChanges::Tick(raft::Raft& core) {
  if (!under_way_.has_value()) return;
  ++under_way_->ticks;
  const raft::ReplicaId replica = under_way_->catching_up;
  if (replica != raft::ReplicaId{0}) {
    const std::vector<raft::FollowerStatus> followers = core.followers();
    const raft::FollowerStatus* follower = Find(followers, replica);
    if (follower != nullptr &&
        catch_up_.Look(replica, follower->match_index, core.last_index())) {
      under_way_->caught_up = replica;
    }
  }
  Look(core);
}

void MemberChanges::LeadershipEnded(const raft::Raft& core) {
  if (!under_way_.has_value()) return;
  const MembersView view = ViewOf(core);
  const absl::StatusOr<MembersStep> step =
      NextStep(view, under_way_->change, under_way_->caught_up);
  if (step.ok() && std::holds_alternative<MembersReached>(*step)) {
    return EndAll(view.configuration);
  }
  EndAll(absl::UnavailableError(
      "leadership was lost before the members were changed; the next leader "
      "goes on if it is asked"));
}

void MemberChanges::EndAll(absl::StatusOr<raft::Configuration> result) {
  if (!under_way_.has_value()) return;
  UnderWay ended = *std::exchange(under_way_, std::nullopt);
  log_must_grow_ = false;
  for (MembersDone& done : ended.waiting) std::move(done)(result);
}

}  // namespace partition
