#include "partition/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace partition {
namespace {

const raft::Member* MemberOn(const raft::Configuration& configuration,
                             base::NodeId node) {
  for (const raft::Member& member : configuration.members) {
    if (member.node == node) return &member;
  }
  return nullptr;
}

bool Votes(const raft::Configuration& configuration, raft::ReplicaId replica) {
  return std::count(configuration.voters.begin(), configuration.voters.end(),
                    replica) != 0;
}

void Insert(std::vector<raft::ReplicaId>& sorted, raft::ReplicaId replica) {
  sorted.insert(std::lower_bound(sorted.begin(), sorted.end(), replica),
                replica);
}

raft::Configuration Without(raft::Configuration configuration,
                            raft::ReplicaId replica) {
  std::erase(configuration.voters, replica);
  std::erase(configuration.learners, replica);
  std::erase_if(configuration.members, [replica](const raft::Member& member) {
    return member.replica == replica;
  });
  return configuration;
}

raft::Configuration Promoted(raft::Configuration configuration,
                             raft::ReplicaId replica) {
  std::erase(configuration.learners, replica);
  Insert(configuration.voters, replica);
  return configuration;
}

raft::Configuration WithLearner(raft::Configuration configuration,
                                raft::Member member, raft::ReplicaId replica) {
  member.replica = replica;
  Insert(configuration.learners, replica);
  // Ids rise, so the last one is the highest.
  configuration.members.push_back(std::move(member));
  return configuration;
}

class Stepper {
 public:
  Stepper(const MembersView& view, const MemberChange& change,
          raft::ReplicaId caught_up)
      : view_(view),
        now_(view.configuration),
        change_(change),
        caught_up_(caught_up) {}

  absl::StatusOr<MembersStep> Next() const {
    RETURN_IF_ERROR(Check());
    if (!view_.is_committed || now_.is_joint()) {
      return MembersWait{.what = "a change of members is being committed"};
    }
    switch (change_.kind) {
      case MemberChange::Kind::kAdd:
        return Add();
      case MemberChange::Kind::kAddLearner:
        return AddLearner();
      case MemberChange::Kind::kPromote:
        return Promote();
      case MemberChange::Kind::kRemove:
        return Remove();
      case MemberChange::Kind::kReplace:
        return Replace();
      case MemberChange::Kind::kUpdate:
        return Update();
    }
    return absl::InvalidArgumentError("unknown kind of change");
  }

 private:
  using Kind = MemberChange::Kind;

  bool adds() const {
    return change_.kind == Kind::kAdd || change_.kind == Kind::kAddLearner;
  }

  absl::Status Check() const {
    const bool names_member = adds() || change_.kind == Kind::kReplace;
    if (!adds() && change_.node == base::NodeId{0}) {
      return absl::InvalidArgumentError("the change names no node");
    }
    if (names_member && (change_.member.node == base::NodeId{0} ||
                         change_.member.incarnation == 0)) {
      return absl::InvalidArgumentError(
          "the new member has no node or no incarnation");
    }
    if ((names_member || change_.kind == Kind::kUpdate) &&
        (change_.member.peer_address.empty() ||
         change_.member.api_address.empty())) {
      return absl::InvalidArgumentError("the new member has no address");
    }
    return absl::OkStatus();
  }

  // The replica of the new member, if it is there as it should be.
  absl::StatusOr<const raft::Member*> FindNew() const {
    const raft::Member* member = MemberOn(now_, change_.member.node);
    if (member != nullptr &&
        member->incarnation != change_.member.incarnation) {
      return absl::FailedPreconditionError(absl::StrCat(
          "node ", member->node.value(), " takes part as replica ",
          member->replica.value(),
          " with another data directory; if that one is lost, replace node ",
          member->node.value(), " by itself"));
    }
    return member;
  }

  absl::StatusOr<MembersStep> Add() const {
    ASSIGN_OR_RETURN(const raft::Member* member, FindNew());
    if (member == nullptr) return NewLearner();
    return PromoteWhenCaughtUp(*member);
  }

  absl::StatusOr<MembersStep> AddLearner() const {
    ASSIGN_OR_RETURN(const raft::Member* member, FindNew());
    if (member == nullptr) return NewLearner();
    return MembersReached{};
  }

  absl::StatusOr<MembersStep> Promote() const {
    const raft::Member* member = MemberOn(now_, change_.node);
    if (member == nullptr) return NotAMember();
    return PromoteWhenCaughtUp(*member);
  }

  absl::StatusOr<MembersStep> Remove() const {
    const raft::Member* member = MemberOn(now_, change_.node);
    if (member == nullptr) return MembersReached{};
    return Checked(Without(now_, member->replica));
  }

  // Both members change in one step, through a joint configuration: at no
  // moment does the partition have fewer voters than before.
  absl::StatusOr<MembersStep> Replace() const {
    const raft::Member* old = nullptr;
    const raft::Member* fresh = nullptr;
    for (const raft::Member& member : now_.members) {
      if (member.node == change_.member.node &&
          member.incarnation == change_.member.incarnation) {
        fresh = &member;
      } else if (member.node == change_.node) {
        old = &member;
      } else if (member.node == change_.member.node) {
        return FindNew().status();
      }
    }
    if (old == nullptr && fresh == nullptr) return NotAMember();
    if (fresh == nullptr) return NewLearner();
    if (old == nullptr) return PromoteWhenCaughtUp(*fresh);
    if (Votes(now_, fresh->replica)) {
      return Checked(Without(now_, old->replica));
    }
    if (fresh->replica != caught_up_) return CatchesUp(*fresh);
    return Checked(Promoted(Without(now_, old->replica), fresh->replica));
  }

  absl::StatusOr<MembersStep> Update() const {
    const raft::Member* member = MemberOn(now_, change_.node);
    if (member == nullptr) return NotAMember();
    raft::Member wanted = *member;
    wanted.peer_address = change_.member.peer_address;
    wanted.api_address = change_.member.api_address;
    wanted.priority = change_.member.priority;
    if (wanted == *member) return MembersReached{};
    raft::Configuration target = now_;
    *std::find(target.members.begin(), target.members.end(), *member) = wanted;
    // Who has moved, or may lead again, is no loss.
    if (wanted.priority > 0 || member->priority == 0) {
      return MembersPropose{.target = std::move(target)};
    }
    return IfSomebodyMayLead(std::move(target));
  }

  absl::StatusOr<MembersStep> NewLearner() const {
    const raft::ReplicaId replica(view_.last_index.value() + 1);
    if (replica.value() <= kInitialReplicasMax) {
      return MembersWait{.what = "the log is short", .log_must_grow = true};
    }
    return MembersPropose{.target = WithLearner(now_, change_.member, replica)};
  }

  absl::StatusOr<MembersStep> PromoteWhenCaughtUp(
      const raft::Member& member) const {
    if (Votes(now_, member.replica)) return MembersReached{};
    if (member.replica != caught_up_) return CatchesUp(member);
    return Checked(Promoted(now_, member.replica));
  }

  MembersWait CatchesUp(const raft::Member& member) const {
    MembersWait wait{.catching_up = member.replica};
    for (const raft::FollowerStatus& follower : view_.followers) {
      if (follower.replica != member.replica) continue;
      wait.what = absl::StrCat("replica ", member.replica.value(), " on node ",
                               member.node.value(), " has the log up to index ",
                               follower.match_index.value(), " of ",
                               view_.last_index.value());
    }
    return wait;
  }

  enum class Presence : uint8_t { kThere, kSilent, kUnknown };

  Presence PresenceOf(raft::ReplicaId replica) const {
    if (replica == view_.self) return Presence::kThere;
    for (const raft::FollowerStatus& follower : view_.followers) {
      if (follower.replica != replica) continue;
      if (follower.silent_ticks > view_.reachable_ticks) break;
      return follower.was_heard ? Presence::kThere : Presence::kUnknown;
    }
    return Presence::kSilent;
  }

  struct Presences {
    size_t there = 0;
    size_t unknown = 0;
  };

  // Of those voters of `target` that `counts` names.
  template <class Counts>
  Presences Count(const raft::Configuration& target, Counts counts) const {
    Presences found;
    for (const raft::ReplicaId replica : target.voters) {
      if (!counts(replica)) continue;
      const Presence presence = PresenceOf(replica);
      found.there += presence == Presence::kThere ? 1 : 0;
      found.unknown += presence == Presence::kUnknown ? 1 : 0;
    }
    return found;
  }

  // A leader that was just elected has heard from nobody yet.
  static MembersWait WaitsForNews() {
    return {.what = "the leader is new and waits who is reachable"};
  }

  // Whether the target can commit anything, this change to begin with.
  absl::StatusOr<MembersStep> Checked(raft::Configuration target) const {
    if (target.voters.empty()) {
      return absl::FailedPreconditionError(
          "it is the last voter; add another one first");
    }
    const Presences voters =
        Count(target, [](raft::ReplicaId) { return true; });
    const size_t majority = target.voters.size() / 2 + 1;
    if (voters.there < majority && !change_.force) {
      if (voters.there + voters.unknown >= majority) return WaitsForNews();
      return absl::FailedPreconditionError(absl::StrCat(
          "it would leave ", target.voters.size(), " voters, of whom ",
          voters.there, " are reachable and ", majority,
          " must be, so the partition would stop; bring them back first, or "
          "force it"));
    }
    return IfSomebodyMayLead(std::move(target));
  }

  // Voters of priority 0 lead in the end if nobody else can (election.cc), but
  // that takes long, and is not what anybody wants.
  absl::StatusOr<MembersStep> IfSomebodyMayLead(
      raft::Configuration target) const {
    const auto may_lead = [&target](raft::ReplicaId replica) {
      const raft::Member* member = target.FindMember(replica);
      return member != nullptr && member->priority > 0;
    };
    if (std::none_of(target.voters.begin(), target.voters.end(), may_lead)) {
      return absl::FailedPreconditionError(
          "no voter that remains has a priority above 0, so nobody could lead; "
          "undrain one first");
    }
    const Presences leaders = Count(target, may_lead);
    if (leaders.there == 0 && !change_.force) {
      if (leaders.unknown > 0) return WaitsForNews();
      return absl::FailedPreconditionError(
          "no voter that remains and may lead is reachable, so nobody could "
          "lead; bring one back or undrain one first, or force it");
    }
    return MembersPropose{.target = std::move(target)};
  }

  absl::Status NotAMember() const {
    return absl::FailedPreconditionError(absl::StrCat(
        "node ", change_.node.value(), " has no replica of the partition"));
  }

  const MembersView& view_;
  const raft::Configuration& now_;
  const MemberChange& change_;
  const raft::ReplicaId caught_up_;
};

}  // namespace

absl::StatusOr<MembersStep> NextStep(const MembersView& view,
                                     const MemberChange& change,
                                     raft::ReplicaId caught_up) {
  return Stepper(view, change, caught_up).Next();
}

bool CatchUp::Look(raft::ReplicaId replica, raft::Index match_index,
                   raft::Index last_index) {
  if (replica != replica_) {
    replica_ = replica;
    goal_ = last_index;
    ticks_ = 0;
  } else {
    ++ticks_;
  }
  if (match_index < goal_) return false;
  const bool quick = ticks_ <= round_ticks_max_;
  goal_ = last_index;
  ticks_ = 0;
  return quick;
}

std::string Describe(const MemberChange& change) {
  const auto node = [](base::NodeId id) {
    return absl::StrCat("node ", id.value());
  };
  switch (change.kind) {
    case MemberChange::Kind::kAdd:
      return absl::StrCat("add ", node(change.member.node));
    case MemberChange::Kind::kAddLearner:
      return absl::StrCat("add ", node(change.member.node), " as a learner");
    case MemberChange::Kind::kPromote:
      return absl::StrCat("promote ", node(change.node));
    case MemberChange::Kind::kRemove:
      return absl::StrCat("remove ", node(change.node));
    case MemberChange::Kind::kReplace:
      return absl::StrCat("replace ", node(change.node), " by ",
                          node(change.member.node));
    case MemberChange::Kind::kUpdate:
      return absl::StrCat("update ", node(change.node));
  }
  return "";
}

}  // namespace partition
