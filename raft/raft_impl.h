// Raft::Impl is the state machine behind raft.h. One class, because every rule
// of the protocol reads the same few variables; one file per concern:
//
//   raft.cc         doors, dispatch of messages, Ready
//   election.cc     roles, timers, votes, leadership transfer
//   replication.cc  proposals, appends, commit, heartbeats
//   reads.cc        ReadIndex
//   lease.cc        promises of voters, leases of leaders
//   membership.cc   configuration changes
//   snapshot.cc     images: offered, installed; entries fetched from disk
//
// A handler never sends appends or starts rounds of reads by itself: it marks
// them due, and TakeReady does it once for everything that came in.

#ifndef RAFT_RAFT_IMPL_H_
#define RAFT_RAFT_IMPL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/random.h"
#include "raft/configuration.h"
#include "raft/configuration_history.h"
#include "raft/inflights.h"
#include "raft/log.h"
#include "raft/message.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/raft.h"
#include "raft/read_index.h"
#include "raft/ready.h"
#include "raft/types.h"
#include "raft/write_queue.h"

namespace raft {

class Raft::Impl {
 public:
  // `log` is loaded and `configurations` holds what it brought.
  Impl(const Config& config, const HardState& hard_state, Log log,
       ConfigurationHistory configurations);

  // As in raft.h.
  void Tick(uint64_t elapsed_ns);
  void AdvanceTime(uint64_t elapsed_ns);
  void SetClock(uint64_t now_ns);
  void Step(Message message);
  void HearOf(ReplicaId leader);
  void Campaign();
  absl::StatusOr<Index> Propose(std::vector<Proposal> proposals);
  absl::Status CanPropose(size_t count, uint64_t bytes) const;
  void ReadIndex(uint64_t context);
  absl::StatusOr<Index> ProposeConfChange(const Configuration& target);
  absl::Status TransferLeadership(ReplicaId target);
  void SetPassive(bool passive) { passive_ = passive; }
  void Persisted(const PersistToken& token);
  void Applied(Index index);
  void Fetched(const FetchRequest& request,
               absl::StatusOr<std::vector<Entry>> entries);
  void Compacted(const Position& image, const Configuration& configuration,
                 Index first_index);
  void SnapshotInstalled(const Position& image, bool installed);
  void SnapshotSent(ReplicaId follower, Index image, bool delivered);
  bool HasReady() const;
  Ready TakeReady();

  SoftState soft_state() const {
    return {.role = role_, .leader = leader_, .term = term_};
  }
  HardState hard_state() const {
    return {.term = term_,
            .voted_for = voted_for_,
            .commit_index = log_.commit_index()};
  }
  const Log& log() const { return log_; }
  const Configuration& configuration() const {
    return configurations_.current();
  }
  Index configuration_index() const { return configurations_.current_index(); }
  uint64_t log_time_ns() const {
    return is_leader() ? log_time_ns_ : log_.last().time_ns;
  }
  bool committed_in_term() const {
    return is_leader() && log_.commit_index() >= term_start_;
  }
  bool HasLease() const;
  std::vector<FollowerStatus> followers() const;

 private:
  bool is_leader() const { return role_ == Role::kLeader; }
  bool is_installing() const { return installing_.has_value(); }
  bool is_voter() const { return configuration().IsVoter(config_.self); }

  // --- raft.cc --------------------------------------------------------------

  void Send(ReplicaId to, decltype(Message::body) body);
  // Leaves once everything up to now is durable (P1, P25).
  void SendAfterPersist(ReplicaId to, decltype(Message::body) body);
  bool PassesTerm(const Message& message);
  bool wants_persist() const;

  // --- election.cc ----------------------------------------------------------

  void TickFollower();
  void ResetElectionTimer();
  bool CanCampaign() const;
  bool HearsLeader() const;
  bool CanVoteFor(ReplicaId candidate, Term term) const;
  bool IsUpToDate(Index last_index, Term last_term) const;
  VoteResult Tally() const;
  void BecomeFollower(Term term, ReplicaId leader);
  void BecomePreCandidate();
  void AskForVotes();
  void Ask(ReplicaId voter);
  void BecomeCandidate(bool transfer);
  void BecomeLeader();
  void FollowLeader(ReplicaId leader);
  void CheckQuorum();
  void MaybeHandOver();
  void GiveUpTransfer();

  void Handle(ReplicaId from, Term term, PreVote& request);
  void Handle(ReplicaId from, Term term, PreVoteReply& reply);
  void Handle(ReplicaId from, Term term, RequestVote& request);
  void Handle(ReplicaId from, Term term, RequestVoteReply& reply);
  void Handle(ReplicaId from, Term term, TimeoutNow& request);

  // --- replication.cc -------------------------------------------------------

  void TickLeader(uint64_t elapsed_ns);
  void AppendOwn(EntryType type, std::shared_ptr<const std::string> payload,
                 uint32_t payload_crc);
  Progress* FindProgress(ReplicaId replica);
  Progress* HeardFrom(ReplicaId replica);
  void SendAppends();
  void SendAppendsTo(ReplicaId replica, Progress& progress);
  void SendEntries(ReplicaId replica, Progress& progress,
                   const Position& previous, std::vector<Entry> entries);
  void SendHeartbeats(bool wants_reply);
  void SendHeartbeat(ReplicaId replica, Progress& progress, bool wants_reply);
  void MaybeCommit();
  void OnCommit();
  void Acknowledge(ReplicaId leader, Index index);
  void Refuse(ReplicaId leader, const AppendEntries& request);
  bool IsBelievable(const Position& previous,
                    std::span<const Entry> entries) const;
  void Merge(std::span<const Entry> entries);
  Index AgreementHint(Index hint_index, Term hint_term) const;

  void Handle(ReplicaId from, Term term, AppendEntries& request);
  void Handle(ReplicaId from, Term term, AppendEntriesReply& reply);
  void Handle(ReplicaId from, Term term, Heartbeat& request);
  void Handle(ReplicaId from, Term term, HeartbeatReply& reply);

  // --- reads.cc -------------------------------------------------------------

  void StartReads();
  void ConfirmReads();
  void AnswerReads(uint64_t confirmed);
  void FailReads();
  void FailFollowerReads(const std::vector<uint64_t>& contexts);
  void Handle(ReplicaId from, Term term, ReadIndexRequest& request);
  void Handle(ReplicaId from, Term term, ReadIndexReply& reply);

  // --- lease.cc -------------------------------------------------------------

  uint64_t promise_ns() const;
  bool IsBound() const;
  bool MayElect(bool transfer) const;
  bool MayNotStandYet() const;
  bool IsAlone() const;
  uint64_t Promise(const Heartbeat& request);
  uint64_t SentNs() const;
  void TakePromise(const HeartbeatReply& reply, Progress& progress);

  // --- membership.cc --------------------------------------------------------

  Index AppendConfiguration(const Configuration& configuration);
  void OnConfigurationChanged();
  void TrackFollowers();
  void OnConfigurationCommitted();
  bool IsRemoved(ReplicaId replica) const;
  void Handle(ReplicaId from, Term term, Removed& notice);

  // --- snapshot.cc ----------------------------------------------------------

  void FetchOrSendImage(ReplicaId replica, Progress& progress, Index from);
  void SendImage(ReplicaId replica, Progress& progress);
  void OfferImage(ReplicaId replica);
  void Handle(ReplicaId from, Term term, InstallSnapshot& request);
  void Handle(ReplicaId from, Term term, InstallSnapshotReply& reply);

  const Config config_;
  base::Random random_;

  // Durable, by way of Ready.
  Term term_;
  ReplicaId voted_for_;
  Log log_;
  ConfigurationHistory configurations_;  // From log_.image() on.
  WriteQueue writes_;

  Role role_ = Role::kFollower;
  ReplicaId leader_;
  uint32_t election_elapsed_ = 0;  // Leader: since the last check quorum.
  uint32_t election_timeout_ = 0;
  uint32_t timeouts_alone_ = 0;  // In a row, without a leader.
  bool passive_ = false;         // Does not stand.
  bool removed_ = false;         // Nor does this one, ever.
  // Asked beside the voters, who does not include it: a leader that was heard
  // from while this replica knew nobody, or that its owner heard of. 0: none.
  ReplicaId guide_;
  bool learner_waits_ = false;       // A leader's, for its entry's commit.
  std::map<ReplicaId, bool> votes_;  // Candidates only; own once durable.

  // For lease reads: the last SetClock, and until when this replica has
  // promised not to elect anybody. What an earlier life has promised is not
  // known, only that it may have: it had a term.
  std::optional<uint64_t> clock_ns_;
  uint64_t bound_until_ns_ = 0;
  const bool was_somebody_;
  Term durable_term_;

  FollowerReads follower_reads_;
  // Images ahead of commit that the owner was told to install. The last one
  // told is waited for; one that it replaced may still turn out to be there.
  std::map<Index, SnapshotInstall> installs_;
  std::optional<Index> installing_;

  // Leader only.
  std::map<ReplicaId, Progress> progress_;       // All others.
  std::map<ReplicaId, InstallSnapshot> offers_;  // To those in kSnapshot.
  Index term_start_;                             // The no-op of this term.
  uint64_t log_time_ns_ = 0;
  uint64_t time_allowance_ns_ = 0;  // What it may still move by this tick.
  uint32_t heartbeat_elapsed_ = 0;
  LeaderReads leader_reads_;
  ReplicaId transferee_;
  uint32_t transfer_elapsed_ = 0;
  bool ordered_ = false;      // Somebody to stand, and has added nothing since.
  bool handed_over_ = false;  // Told somebody to stand, in this term.
  bool appends_due_ = false;

  // The next Ready, as far as it is known, and what the last one said.
  Ready out_;
  Term handed_term_;
  ReplicaId handed_vote_;
  SoftState handed_soft_state_;
  bool configuration_changed_ = false;
};

}  // namespace raft

#endif  // RAFT_RAFT_IMPL_H_
