// Roles, timers, votes and leadership transfer (paper 5.2, 5.4.1; thesis 3.10,
// 4.2.3, 9.6).

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/conf_change.h"
#include "raft/raft_impl.h"

namespace raft {
namespace {

// After so many election timeouts without a leader a voter of priority 0 stands
// after all.
constexpr uint32_t kTimeoutsAloneMax = 4;

}  // namespace

// --- Timers -----------------------------------------------------------------

void Raft::Impl::TickFollower() {
  FailFollowerReads(follower_reads_.TakeExpired(config_.election_ticks));
  ++election_elapsed_;
  if (election_elapsed_ < election_timeout_ || MayNotStandYet()) return;
  ++timeouts_alone_;
  const bool asks = !removed_ && !is_installing();
  if (CanCampaign()) {
    Campaign();
  } else {
    // Whoever may not campaign still notices that the leader is gone.
    BecomeFollower(term_, ReplicaId{0});
    ResetElectionTimer();
    if (asks) AskForVotes();
  }
  if (asks && guide_ != ReplicaId{0} && !is_leader()) Ask(guide_);
}

void Raft::Impl::HearOf(ReplicaId leader) {
  guide_ = leader == config_.self || configuration().IsVoter(leader)
               ? ReplicaId{0}
               : leader;
}

// A voter of less than the highest priority waits longer, so that it wins only
// if the preferred ones do not stand.
void Raft::Impl::ResetElectionTimer() {
  const uint32_t base = config_.election_ticks;
  election_elapsed_ = 0;
  election_timeout_ = base + static_cast<uint32_t>(random_.Below(base));
  const Member* self = configuration().FindMember(config_.self);
  if (self == nullptr) return;
  for (const Member& member : configuration().members) {
    if (member.priority > self->priority &&
        configuration().IsVoter(member.replica)) {
      election_timeout_ += base;
      return;
    }
  }
}

// A leader that has not heard from a majority for an election timeout steps
// down: somebody else may lead already (thesis 6.2).
void Raft::Impl::CheckQuorum() {
  const VoteResult heard = TallyVotes(configuration(), [&](ReplicaId replica) {
    if (replica == config_.self) return std::optional<bool>(true);
    const Progress* progress = FindProgress(replica);
    return std::optional<bool>(progress != nullptr && progress->active);
  });
  for (auto& [replica, progress] : progress_) progress.active = false;
  if (config_.check_quorum && heard != VoteResult::kWon) {
    BecomeFollower(term_, ReplicaId{0});
  }
}

// --- Roles ------------------------------------------------------------------

// A replica that is no voter, or takes an image, never stands (P12, P16). Until
// its removal is known to be committed it still does, without counting itself:
// it may be the only one that has the entry (thesis 4.2.2).
//
// Priority 0 is a wish, and a leader is worth more: if those that may lead are
// gone, or lack a committed entry, the majority that is there would otherwise
// never elect anybody, and only a leader can raise a priority.
bool Raft::Impl::CanCampaign() const {
  if (removed_) return false;
  if (passive_ && VotersOf(configuration()).size() > 1) return false;
  const Configuration& committed = configurations_.At(log_.commit_index());
  if (is_installing() || (!is_voter() && !committed.IsVoter(config_.self))) {
    return false;
  }
  const Member* self = configuration().FindMember(config_.self);
  if (self == nullptr) self = committed.FindMember(config_.self);
  return self == nullptr || self->priority > 0 ||
         timeouts_alone_ >= kTimeoutsAloneMax;
}

void Raft::Impl::Campaign() {
  if (is_leader() || !CanCampaign()) return;
  if (MayNotStandYet()) return;
  if (config_.pre_vote) {
    BecomePreCandidate();
  } else {
    BecomeCandidate(/*transfer=*/false);
  }
}

void Raft::Impl::BecomeFollower(Term term, ReplicaId leader) {
  CHECK_GE(term, term_);
  if (is_leader()) {
    FailReads();
    progress_.clear();
    offers_.clear();
    transferee_ = ReplicaId{0};
    appends_due_ = false;
  }
  if (term > term_ || leader != leader_) {
    FailFollowerReads(follower_reads_.TakeAll());
  }
  if (term > term_) {
    term_ = term;
    voted_for_ = ReplicaId{0};
  }
  // A higher term alone is no reason to wait longer (P14).
  if (role_ != Role::kFollower) ResetElectionTimer();
  role_ = Role::kFollower;
  leader_ = leader;
  votes_.clear();
}

void Raft::Impl::BecomePreCandidate() {
  BecomeFollower(term_, ReplicaId{0});
  ResetElectionTimer();
  role_ = Role::kPreCandidate;
  votes_[config_.self] = true;
  if (Tally() == VoteResult::kWon) {
    BecomeCandidate(/*transfer=*/false);
    return;
  }
  AskForVotes();
}

// Who does not stand asks, too, and does not count the answers: a learner that
// was removed is told so in no other way.
void Raft::Impl::AskForVotes() {
  for (const ReplicaId voter : VotersOf(configuration())) {
    if (voter != config_.self) Ask(voter);
  }
}

void Raft::Impl::Ask(ReplicaId voter) {
  Send(voter,
       PreVote{.last_index = log_.last().index, .last_term = log_.last().term});
  out_.messages.back().term = term_ + 1;
}

void Raft::Impl::BecomeCandidate(bool transfer) {
  BecomeFollower(term_ + 1, ReplicaId{0});
  ResetElectionTimer();
  role_ = Role::kCandidate;
  // Counted when it is durable (P27), and only then do the requests leave: a
  // candidate that forgot them could stand again in this term with a shorter
  // log, and be elected by answers to the first.
  voted_for_ = config_.self;
  for (const ReplicaId voter : VotersOf(configuration())) {
    if (voter == config_.self) continue;
    SendAfterPersist(voter, RequestVote{.last_index = log_.last().index,
                                        .last_term = log_.last().term,
                                        .transfer = transfer});
  }
}

void Raft::Impl::BecomeLeader() {
  CHECK(role_ == Role::kCandidate);
  FailFollowerReads(follower_reads_.TakeAll());
  role_ = Role::kLeader;
  leader_ = config_.self;
  votes_.clear();
  timeouts_alone_ = 0;
  election_elapsed_ = heartbeat_elapsed_ = 0;
  log_time_ns_ = log_.last().time_ns;
  time_allowance_ns_ = 2 * config_.tick_ns;
  ordered_ = false;
  handed_over_ = false;
  TrackFollowers();
  // Only an entry of the new term commits those before it (P17, P18).
  AppendOwn(EntryType::kNoop, nullptr, 0);
  term_start_ = log_.last_index();
}

// --- Votes ------------------------------------------------------------------

VoteResult Raft::Impl::Tally() const {
  return TallyVotes(configuration(),
                    [&](ReplicaId replica) -> std::optional<bool> {
                      const auto it = votes_.find(replica);
                      if (it == votes_.end()) return std::nullopt;
                      return it->second;
                    });
}

// A leader was heard from less than an election timeout ago; a leader itself
// is in this state as long as its quorum is (P8, P9).
bool Raft::Impl::HearsLeader() const {
  return (config_.check_quorum || config_.pre_vote) &&
         leader_ != ReplicaId{0} && election_elapsed_ < config_.election_ticks;
}

// One vote a term; the same candidate gets it again, for the first answer may
// be lost (P3). Whether this replica is a voter is not asked: the candidate may
// know a newer configuration (P11).
bool Raft::Impl::CanVoteFor(ReplicaId candidate, Term term) const {
  if (term > term_) return true;
  return voted_for_ == candidate ||
         (voted_for_ == ReplicaId{0} && leader_ == ReplicaId{0});
}

// Both from one position, taken now (P4).
bool Raft::Impl::IsUpToDate(Index last_index, Term last_term) const {
  const Position& last = log_.last();
  return last_term > last.term ||
         (last_term == last.term && last_index >= last.index);
}

void Raft::Impl::Handle(ReplicaId from, Term term, PreVote& request) {
  const bool granted = MayElect(request.transfer) && CanVoteFor(from, term) &&
                       IsUpToDate(request.last_index, request.last_term);
  Send(from, PreVoteReply{.granted = granted});
  // A grant is for the term asked for, a refusal tells our own (P6).
  if (granted) out_.messages.back().term = term;
}

void Raft::Impl::Handle(ReplicaId from, Term term, PreVoteReply& reply) {
  if (role_ != Role::kPreCandidate) return;
  if (reply.granted && term != term_ + 1) return;
  votes_.emplace(from, reply.granted);
  switch (Tally()) {
    case VoteResult::kPending:
      return;
    case VoteResult::kWon:
      return BecomeCandidate(/*transfer=*/false);
    case VoteResult::kLost:
      return BecomeFollower(term_, ReplicaId{0});
  }
}

void Raft::Impl::Handle(ReplicaId from, Term term, RequestVote& request) {
  // The term may have moved while a promise to its last leader lasts. A vote
  // that was given is given again.
  const bool bound = IsBound() && !request.transfer && voted_for_ != from;
  if (bound || !CanVoteFor(from, term) ||
      !IsUpToDate(request.last_index, request.last_term)) {
    Send(from, RequestVoteReply{.granted = false});
    return;
  }
  voted_for_ = from;
  election_elapsed_ = 0;
  // The vote is persisted before the reply leaves: a crash in between must not
  // vote twice (P1).
  SendAfterPersist(from, RequestVoteReply{.granted = true});
}

void Raft::Impl::Handle(ReplicaId from, Term, RequestVoteReply& reply) {
  if (role_ != Role::kCandidate) return;
  votes_.emplace(from, reply.granted);
  switch (Tally()) {
    case VoteResult::kPending:
      return;
    case VoteResult::kWon:
      return BecomeLeader();
    case VoteResult::kLost:
      return BecomeFollower(term_, ReplicaId{0});
  }
}

// A message that only the leader of our term can have sent.
void Raft::Impl::FollowLeader(ReplicaId leader) {
  CHECK(!is_leader()) << "partition " << config_.partition << ": replicas "
                      << config_.self << " and " << leader
                      << " both lead in term " << term_;  // P2.
  if (role_ != Role::kFollower || leader_ != leader) {
    BecomeFollower(term_, leader);
  }
  election_elapsed_ = 0;
  HearOf(leader);
  timeouts_alone_ = 0;
}

// --- Transfer ---------------------------------------------------------------

absl::Status Raft::Impl::TransferLeadership(ReplicaId target) {
  if (!is_leader()) {
    return absl::UnavailableError(
        absl::StrCat("replica ", config_.self.value(), " does not lead"));
  }
  if (target == config_.self) return absl::OkStatus();
  const Member* member = configuration().FindMember(target);
  if (!configuration().IsVoter(target) ||
      (member != nullptr && member->priority == 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("replica ", target.value(), " may not lead"));
  }
  transferee_ = target;
  transfer_elapsed_ = 0;
  appends_due_ = true;
  MaybeHandOver();
  return absl::OkStatus();
}

// Only a voter that has everything may stand at once (P15).
void Raft::Impl::MaybeHandOver() {
  const Progress* progress = FindProgress(transferee_);
  if (progress == nullptr || progress->match_index() != log_.last_index()) {
    return;
  }
  Send(transferee_, TimeoutNow{.last_index = log_.last_index()});
  ordered_ = handed_over_ = true;
}

// The target did not stand in time, and the leader goes on. What it ordered may
// arrive yet; thesis 3.10 leaves it at the election that follows. An entry in
// front of all others tells such an order from one that holds: who has it does
// not obey. Only who is late with all that came since still does.
void Raft::Impl::GiveUpTransfer() {
  transferee_ = ReplicaId{0};
  if (!std::exchange(ordered_, false)) return;
  AppendOwn(EntryType::kNoop, nullptr, 0);
}

void Raft::Impl::Handle(ReplicaId from, Term, TimeoutNow& order) {
  if (from != leader_ || !CanCampaign()) return;
  if (order.last_index != Index{0} && order.last_index != log_.last_index()) {
    return;
  }
  BecomeCandidate(/*transfer=*/true);
}

}  // namespace raft
