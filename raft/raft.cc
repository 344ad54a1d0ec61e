#include "raft/raft.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "raft/conf_change.h"
#include "raft/raft_impl.h"

namespace raft {

// --- The doors --------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Raft>> Raft::Create(const Config& config,
                                                   InitialState initial) {
  CHECK_NE(config.self, ReplicaId{0});
  CHECK_GT(config.heartbeat_ticks, 0u);
  CHECK_GT(config.election_ticks, config.heartbeat_ticks);
  CHECK_GT(config.message_bytes_max, 0u);
  CHECK_GT(config.committed_bytes_max, 0u);
  CHECK(!config.lease_reads || config.check_quorum);
  CHECK_LT(config.clock_drift_percent, 100u);
  const auto lost = [&](absl::string_view what) {
    return absl::DataLossError(
        absl::StrCat("partition ", config.partition.value(), ": ", what));
  };

  const Position& image = initial.snapshot;
  Index first_index = initial.first_index;
  if (first_index == Index{0}) first_index = image.index + 1;
  if (first_index > image.index + 1) {
    return lost(absl::StrCat("the log begins at index ", first_index.value(),
                             ", the image ends at ", image.index.value()));
  }
  // A replica is called after the entry that adds it: until that is in its log
  // it knows nobody.
  const bool is_new = config.self.value() > image.index.value() &&
                      initial.configuration.members.empty();
  if (!is_new) {
    const absl::Status valid = ValidateConfiguration(initial.configuration);
    if (!valid.ok()) {
      return lost(absl::StrCat("the configuration: ", valid.message()));
    }
  }

  Log log(config.partition, image, first_index, config.log_memory_bytes);
  RETURN_IF_ERROR(log.Load(initial.entries));
  ConfigurationHistory configurations(image.index,
                                      std::move(initial.configuration));
  for (const Entry& entry : initial.entries) {
    if (entry.type != EntryType::kConfChange) continue;
    ASSIGN_OR_RETURN(Configuration configuration,
                     DecodeConfiguration(entry.bytes()));
    if (const absl::Status valid = ValidateConfiguration(configuration);
        !valid.ok()) {
      return lost(absl::StrCat("the configuration of entry ",
                               entry.index.value(), ": ", valid.message()));
    }
    configurations.Append(entry.index, std::move(configuration));
  }

  // Term and vote are written no later than what depends on them, and the
  // commit index no earlier than what it covers.
  const HardState& hard_state = initial.hard_state;
  if (hard_state.term < log.last().term) {
    return lost(absl::StrCat("the hard state is of term ",
                             hard_state.term.value(), ", the last entry of ",
                             log.last().term.value()));
  }
  if (hard_state.commit_index > log.last_index()) {
    return lost(absl::StrCat("commit index ", hard_state.commit_index.value(),
                             " is above the last index ",
                             log.last_index().value()));
  }
  log.CommitTo(std::max(hard_state.commit_index, image.index));
  return std::unique_ptr<Raft>(new Raft(std::make_unique<Impl>(
      config, hard_state, std::move(log), std::move(configurations))));
}

Raft::Raft(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Raft::~Raft() = default;

void Raft::Tick(uint64_t elapsed_ns) { impl_->Tick(elapsed_ns); }
void Raft::AdvanceTime(uint64_t elapsed_ns) { impl_->AdvanceTime(elapsed_ns); }
void Raft::SetClock(uint64_t now_ns) { impl_->SetClock(now_ns); }
void Raft::Step(Message message) { impl_->Step(std::move(message)); }
void Raft::HearOf(ReplicaId leader) { impl_->HearOf(leader); }
void Raft::Campaign() { impl_->Campaign(); }
absl::StatusOr<Index> Raft::Propose(std::vector<Proposal> proposals) {
  return impl_->Propose(std::move(proposals));
}
absl::Status Raft::CanPropose(size_t count, uint64_t bytes) const {
  return impl_->CanPropose(count, bytes);
}
void Raft::ReadIndex(uint64_t context) { impl_->ReadIndex(context); }
absl::StatusOr<Index> Raft::ProposeConfChange(const Configuration& target) {
  return impl_->ProposeConfChange(target);
}
absl::Status Raft::TransferLeadership(ReplicaId target) {
  return impl_->TransferLeadership(target);
}
void Raft::SetPassive(bool passive) { impl_->SetPassive(passive); }
void Raft::Persisted(const PersistToken& token) { impl_->Persisted(token); }
void Raft::Applied(Index index) { impl_->Applied(index); }
void Raft::Fetched(const FetchRequest& request,
                   absl::StatusOr<std::vector<Entry>> entries) {
  impl_->Fetched(request, std::move(entries));
}
void Raft::Compacted(const Position& image, const Configuration& configuration,
                     Index first_index) {
  impl_->Compacted(image, configuration, first_index);
}
void Raft::SnapshotInstalled(const Position& image, bool installed) {
  impl_->SnapshotInstalled(image, installed);
}
void Raft::SnapshotSent(ReplicaId follower, Index image, bool delivered) {
  impl_->SnapshotSent(follower, image, delivered);
}
bool Raft::HasReady() const { return impl_->HasReady(); }
Ready Raft::TakeReady() { return impl_->TakeReady(); }

SoftState Raft::soft_state() const { return impl_->soft_state(); }
HardState Raft::hard_state() const { return impl_->hard_state(); }
Term Raft::term() const { return impl_->soft_state().term; }
Role Raft::role() const { return impl_->soft_state().role; }
ReplicaId Raft::leader() const { return impl_->soft_state().leader; }
Index Raft::first_index() const { return impl_->log().first_index(); }
Index Raft::last_index() const { return impl_->log().last_index(); }
Index Raft::commit_index() const { return impl_->log().commit_index(); }
Index Raft::applied_index() const { return impl_->log().applied_index(); }
Index Raft::persisted_index() const { return impl_->log().persisted_index(); }
const Configuration& Raft::configuration() const {
  return impl_->configuration();
}
Index Raft::configuration_index() const { return impl_->configuration_index(); }
uint64_t Raft::log_time_ns() const { return impl_->log_time_ns(); }
bool Raft::committed_in_term() const { return impl_->committed_in_term(); }
bool Raft::has_lease() const { return impl_->HasLease(); }
std::vector<FollowerStatus> Raft::followers() const {
  return impl_->followers();
}
std::optional<Position> Raft::PositionAt(Index index) const {
  return impl_->log().PositionAt(index);
}

// --- Messages ---------------------------------------------------------------

namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

// Only the leader of a term sends these in it.
bool IsFromLeader(const Message& message) {
  return std::holds_alternative<AppendEntries>(message.body) ||
         std::holds_alternative<Heartbeat>(message.body) ||
         std::holds_alternative<InstallSnapshot>(message.body);
}

bool AsksForVotes(const Message& message) {
  return std::holds_alternative<PreVote>(message.body) ||
         std::holds_alternative<RequestVote>(message.body);
}

}  // namespace

Raft::Impl::Impl(const Config& config, const HardState& hard_state, Log log,
                 ConfigurationHistory configurations)
    : config_(config),
      random_(config.seed),
      term_(hard_state.term),
      voted_for_(hard_state.voted_for),
      log_(std::move(log)),
      configurations_(std::move(configurations)),
      was_somebody_(hard_state.term > Term{0}),
      durable_term_(hard_state.term),
      follower_reads_(random_.Next()),
      handed_term_(hard_state.term),
      handed_vote_(hard_state.voted_for) {
  handed_soft_state_ = soft_state();
  ResetElectionTimer();
}

void Raft::Impl::Tick(uint64_t elapsed_ns) {
  if (is_leader()) {
    TickLeader(elapsed_ns);
  } else {
    TickFollower();
  }
}

void Raft::Impl::Step(Message message) {
  // Term 0 and replica 0 exist only inside a process (P5).
  if (message.to != config_.self || message.from == config_.self ||
      message.from == ReplicaId{0} || message.term == Term{0}) {
    return;
  }
  if (std::holds_alternative<Removed>(message.body)) {
    if (!removed_) {
      Handle(message.from, message.term, std::get<Removed>(message.body));
    }
    return;
  }
  if (AsksForVotes(message) && IsRemoved(message.from)) {
    return Send(message.from,
                Removed{.index = configurations_.IndexAt(log_.commit_index())});
  }
  if (!PassesTerm(message)) return;
  std::visit([&](auto& body) { Handle(message.from, message.term, body); },
             message.body);
}

// The rules about terms that hold for all messages (figure 2, "All servers").
// Returns false if there is nothing left to do.
bool Raft::Impl::PassesTerm(const Message& message) {
  if (message.term > term_) {
    return std::visit(
        Overloaded{
            // Pre-votes speak of a term that nobody is in yet (P6).
            [&](const PreVote&) { return true; },
            [&](const PreVoteReply& reply) {
              if (reply.granted) return true;
              BecomeFollower(message.term, ReplicaId{0});
              return true;
            },
            [&](const RequestVote& request) {
              // While a leader is heard from, nobody is deposed (P8).
              if (!MayElect(request.transfer)) return false;
              BecomeFollower(message.term, ReplicaId{0});
              return true;
            },
            [&](const auto&) {
              BecomeFollower(message.term, IsFromLeader(message)
                                               ? message.from
                                               : ReplicaId{0});
              return true;
            },
        },
        message.body);
  }
  if (message.term < term_) {
    // The sender learns that its term is over; otherwise one with a higher
    // term and without votes would be stuck for ever (P10).
    std::visit(
        Overloaded{
            [&](const PreVote&) {
              Send(message.from, PreVoteReply{.granted = false});
            },
            [&](const RequestVote&) {
              Send(message.from, RequestVoteReply{.granted = false});
            },
            [&](const AppendEntries& request) {
              Send(message.from,
                   AppendEntriesReply{.accepted = false,
                                      .index = request.prev_index});
            },
            [&](const Heartbeat&) { Send(message.from, HeartbeatReply{}); },
            [&](const InstallSnapshot& request) {
              Send(message.from,
                   InstallSnapshotReply{.index = request.position.index,
                                        .installed = false});
            },
            [&](const auto&) {},
        },
        message.body);
    return false;
  }
  return true;
}

void Raft::Impl::Send(ReplicaId to, decltype(Message::body) body) {
  out_.messages.push_back({config_.self, to, term_, std::move(body)});
}

void Raft::Impl::SendAfterPersist(ReplicaId to, decltype(Message::body) body) {
  out_.messages_after_persist.push_back(
      {config_.self, to, term_, std::move(body)});
}

// --- Ready ------------------------------------------------------------------

void Raft::Impl::Persisted(const PersistToken& token) {
  const WriteQueue::Write write = writes_.Complete(token);
  log_.PersistTo(write.persisted);
  durable_term_ = std::max(durable_term_, write.hard_state.term);
  // A slow disk is not a silent leader, and an election begins when the votes
  // are on disk: with the timer running meanwhile, disks that need half of it
  // for a sync would never elect anybody (P14).
  const bool voted = write.hard_state.term == term_ &&
                     write.hard_state.voted_for == voted_for_ &&
                     voted_for_ != ReplicaId{0};
  if (role_ == Role::kFollower && (leader_ != ReplicaId{0} || voted)) {
    election_elapsed_ = 0;
  }
  if (role_ == Role::kCandidate && voted) {
    if (votes_.emplace(config_.self, true).second) election_elapsed_ = 0;
    if (Tally() == VoteResult::kWon) BecomeLeader();
  }
  if (is_leader()) MaybeCommit();
}

void Raft::Impl::Applied(Index index) { log_.ApplyTo(index); }

bool Raft::Impl::wants_persist() const {
  return term_ != handed_term_ || voted_for_ != handed_vote_ ||
         log_.has_unwritten();
}

bool Raft::Impl::HasReady() const {
  return wants_persist() || appends_due_ || configuration_changed_ ||
         log_.has_unapplied(config_.committed_bytes_max) ||
         !out_.messages.empty() || !out_.messages_after_persist.empty() ||
         !out_.reads.empty() || !out_.fetches.empty() ||
         !out_.snapshot_sends.empty() || out_.snapshot_install.has_value() ||
         (leader_reads_.has_waiting() && committed_in_term()) ||
         follower_reads_.has_waiting() || soft_state() != handed_soft_state_ ||
         out_.removed || (!removed_ && !is_leader() && IsRemoved(config_.self));
}

Ready Raft::Impl::TakeReady() {
  StartReads();
  if (appends_due_) SendAppends();

  if (wants_persist()) {
    out_.hard_state = hard_state();
    out_.persist = PersistToken{.term = term_, .last_index = Index{0}};
    if (log_.has_unwritten()) {
      out_.entries = log_.TakeUnwritten();
      out_.persist->last_index = out_.entries.back().index;
    }
    writes_.Push(*out_.persist, *out_.hard_state);
    handed_term_ = term_;
    handed_vote_ = voted_for_;
  }
  if (!removed_ && !is_leader() && IsRemoved(config_.self)) {
    removed_ = true;
    out_.removed = true;
  }
  out_.committed = log_.TakeCommitted(config_.committed_bytes_max);
  if (soft_state() != handed_soft_state_) {
    handed_soft_state_ = soft_state();
    out_.soft_state = handed_soft_state_;
  }
  if (configuration_changed_) {
    configuration_changed_ = false;
    out_.configuration = configuration();
  }
  return std::exchange(out_, Ready{});
}

}  // namespace raft
