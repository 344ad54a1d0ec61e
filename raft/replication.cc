// Proposals, replication and commit (paper 5.3, 5.4.2; thesis 10.2).

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/conf_change.h"
#include "raft/raft_impl.h"

namespace raft {

// --- The leader's own log ---------------------------------------------------

// A paused process or a suspended machine adds two ticks at most (P50).
void Raft::Impl::AdvanceTime(uint64_t elapsed_ns) {
  if (!is_leader()) return;
  const uint64_t step = std::min(elapsed_ns, time_allowance_ns_);
  log_time_ns_ += step;
  time_allowance_ns_ -= step;
}

void Raft::Impl::TickLeader(uint64_t elapsed_ns) {
  AdvanceTime(elapsed_ns);
  time_allowance_ns_ = 2 * config_.tick_ns;
  for (auto& [replica, progress] : progress_) ++progress.silent_ticks;
  if (transferee_ != ReplicaId{0} &&
      ++transfer_elapsed_ >= config_.election_ticks) {
    GiveUpTransfer();  // P15.
  }
  if (++election_elapsed_ >= config_.election_ticks) {
    election_elapsed_ = 0;
    CheckQuorum();
    if (!is_leader()) return;
  }
  if (++heartbeat_elapsed_ >= config_.heartbeat_ticks) {
    heartbeat_elapsed_ = 0;
    SendHeartbeats(/*wants_reply=*/true);
    if (transferee_ != ReplicaId{0}) MaybeHandOver();
  }
}

absl::Status Raft::Impl::CanPropose(size_t count, uint64_t bytes) const {
  if (!is_leader() || transferee_ != ReplicaId{0}) {
    return absl::UnavailableError(
        is_leader()
            ? "leadership is being transferred"
            : absl::StrCat("replica ", config_.self.value(), " does not lead"));
  }
  // Whatever the limit, one batch at a time passes.
  const uint64_t pending = log_.pending_bytes();
  const uint64_t more = bytes + count * sizeof(Entry);
  if (pending > 0 && pending + more > config_.uncommitted_bytes_max) {
    return absl::UnavailableError(absl::StrCat(
        pending, " bytes are not committed and durable yet, ", more,
        " more would pass the limit of ", config_.uncommitted_bytes_max));
  }
  return absl::OkStatus();
}

absl::StatusOr<Index> Raft::Impl::Propose(std::vector<Proposal> proposals) {
  CHECK(!proposals.empty());
  uint64_t bytes = 0;
  for (const Proposal& proposal : proposals) {
    const uint64_t size =
        proposal.payload == nullptr ? 0 : proposal.payload->size();
    if (size > config_.entry_bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a command of ", size, " bytes is above the limit of ",
                       config_.entry_bytes_max));
    }
    bytes += size;
  }
  absl::Status can = CanPropose(proposals.size(), bytes);
  if (!can.ok()) return can;
  const Index first = log_.last_index() + 1;
  for (Proposal& proposal : proposals) {
    AppendOwn(EntryType::kApp, std::move(proposal.payload),
              proposal.payload_crc);
  }
  return first;
}

void Raft::Impl::AppendOwn(EntryType type,
                           std::shared_ptr<const std::string> payload,
                           uint32_t payload_crc) {
  log_.Append({.term = term_,
               .type = type,
               .time_ns = log_time_ns_,
               .payload_crc = payload_crc,
               .payload = std::move(payload)});
  appends_due_ = !progress_.empty();
}

// Entries of earlier terms are committed by counting only together with one of
// this term (5.4.2, P17). The leader counts what its own disk confirmed, like
// everybody (P25, P27).
void Raft::Impl::MaybeCommit() {
  const Index agreed{QuorumValue(configuration(), [&](ReplicaId replica) {
    if (replica == config_.self) return log_.persisted_index().value();
    const Progress* progress = FindProgress(replica);
    return progress == nullptr ? 0 : progress->match_index().value();
  })};
  if (agreed < term_start_ || agreed <= log_.commit_index()) return;
  log_.CommitTo(agreed);
  OnCommit();
}

void Raft::Impl::OnCommit() {
  appends_due_ = !progress_.empty();
  OnConfigurationCommitted();
}

// --- To the followers -------------------------------------------------------

Progress* Raft::Impl::FindProgress(ReplicaId replica) {
  const auto it = progress_.find(replica);
  return it == progress_.end() ? nullptr : &it->second;
}

// Null for a stranger, and for everybody if this replica does not lead.
Progress* Raft::Impl::HeardFrom(ReplicaId replica) {
  Progress* progress = FindProgress(replica);
  if (progress != nullptr) {
    progress->active = true;
    progress->was_heard = true;
    progress->silent_ticks = 0;
  }
  return progress;
}

void Raft::Impl::SendAppends() {
  appends_due_ = false;
  for (auto& [replica, progress] : progress_) {
    SendAppendsTo(replica, progress);
  }
}

void Raft::Impl::SendAppendsTo(ReplicaId replica, Progress& progress) {
  while (!progress.fetching.has_value()) {
    const Index next = progress.next_index();
    const bool entries_due = progress.can_send() && next <= log_.last_index();
    const bool question_due = progress.state() == ProgressState::kReplicate
                                  ? progress.force_append
                                  : progress.can_send();
    if (!entries_due && !question_due) break;
    progress.force_append = false;

    std::optional<Position> previous = log_.PositionAt(next - 1);
    if (!previous.has_value() && progress.fetched.has_value() &&
        progress.fetched->index == next - 1) {
      previous = progress.fetched;
    }
    if (!previous.has_value() ||
        (entries_due && next < log_.memory_first_index())) {
      FetchOrSendImage(replica, progress,
                       previous.has_value() ? next : next - 1);
      break;
    }
    SendEntries(replica, progress, *previous,
                entries_due ? log_.Slice(next, config_.message_bytes_max)
                            : std::vector<Entry>());
  }
  // With nothing on the way that could carry it, the commit index goes alone.
  if (progress.state() == ProgressState::kReplicate &&
      progress.window().empty() &&
      progress.commit_sent <
          std::min(log_.commit_index(), progress.match_index())) {
    SendHeartbeat(replica, progress, /*wants_reply=*/false);
  }
}

void Raft::Impl::SendEntries(ReplicaId replica, Progress& progress,
                             const Position& previous,
                             std::vector<Entry> entries) {
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += EntryBytes(entry);
  progress.Sent(previous.index + entries.size(), bytes);
  progress.commit_sent = log_.commit_index();
  Send(replica, AppendEntries{.prev_index = previous.index,
                              .prev_term = previous.term,
                              .prev_chain = previous.chain,
                              .commit_index = log_.commit_index(),
                              .entries = std::move(entries)});
}

void Raft::Impl::SendHeartbeats(bool wants_reply) {
  for (auto& [replica, progress] : progress_) {
    SendHeartbeat(replica, progress, wants_reply);
  }
}

// A follower is told to commit only what it is known to have (P19).
void Raft::Impl::SendHeartbeat(ReplicaId replica, Progress& progress,
                               bool wants_reply) {
  const Index commit = std::min(log_.commit_index(), progress.match_index());
  progress.commit_sent = std::max(progress.commit_sent, commit);
  Send(replica, Heartbeat{.commit_index = commit,
                          .read_round = wants_reply ? leader_reads_.round() : 0,
                          .sent_ns = wants_reply ? SentNs() : 0});
}

void Raft::Impl::Handle(ReplicaId from, Term, AppendEntriesReply& reply) {
  Progress* progress = HeardFrom(from);
  if (progress == nullptr || reply.index > log_.last_index()) return;
  appends_due_ = true;
  if (!reply.accepted) {
    progress->Refused(reply.index,
                      AgreementHint(reply.hint_index, reply.hint_term));
    return;
  }
  if (!progress->Accepted(reply.index)) return;
  if (transferee_ == from) MaybeHandOver();
  MaybeCommit();
}

// Where the logs may agree, given that the follower has `hint_term` at
// `hint_index` and no lower index of a higher term: each round skips a whole
// term of one of the two logs (P23).
Index Raft::Impl::AgreementHint(Index hint_index, Term hint_term) const {
  Index index = std::min(hint_index, log_.last_index());
  while (index > Index{0}) {
    const std::optional<Position> mine = log_.PositionAt(index);
    if (!mine.has_value() || mine->term <= hint_term) break;
    index = index - 1;
  }
  return index;
}

void Raft::Impl::Handle(ReplicaId from, Term, HeartbeatReply& reply) {
  Progress* progress = HeardFrom(from);
  if (progress == nullptr) return;
  if (progress->Heard()) progress->force_append = true;
  if (progress->state() == ProgressState::kSnapshot) OfferImage(from);
  appends_due_ = true;
  progress->read_round = std::max(progress->read_round, reply.read_round);
  TakePromise(reply, *progress);
  ConfirmReads();
}

std::vector<FollowerStatus> Raft::Impl::followers() const {
  std::vector<FollowerStatus> followers;
  for (const auto& [replica, progress] : progress_) {
    followers.push_back({.replica = replica,
                         .state = progress.state(),
                         .match_index = progress.match_index(),
                         .next_index = progress.next_index(),
                         .inflight_messages = progress.window().size(),
                         .inflight_bytes = progress.window().bytes(),
                         .was_heard = progress.was_heard,
                         .silent_ticks = progress.silent_ticks});
  }
  return followers;
}

// --- The follower -----------------------------------------------------------

void Raft::Impl::Handle(ReplicaId from, Term, AppendEntries& request) {
  FollowLeader(from);
  // The log stays as it is until the image replaces it or is given up.
  if (is_installing()) return;

  std::span<const Entry> entries = request.entries;
  const Position previous{.index = request.prev_index,
                          .term = request.prev_term,
                          .chain = request.prev_chain};
  if (!IsBelievable(previous, entries)) return;
  const Index commit = log_.commit_index();
  const Index last = request.prev_index + entries.size();
  if (last < commit) {
    // Late or repeated. Everything committed is in any leader's log.
    return Acknowledge(from, commit);
  }
  if (request.prev_index < commit) {
    // What is committed is compared, not merged (P21, P29).
    entries = entries.subspan(commit - request.prev_index);
    const Entry& at_commit = *(entries.data() - 1);
    CHECK_EQ(at_commit.chain, log_.PositionAt(commit)->chain)
        << "partition " << config_.partition << ": leader " << from
        << " of term " << term_ << " has another entry at committed index "
        << commit;
  } else {
    const std::optional<Position> mine = log_.PositionAt(request.prev_index);
    if (!mine.has_value() || mine->term != request.prev_term ||
        mine->chain != request.prev_chain) {
      return Refuse(from, request);
    }
  }
  Merge(entries);
  log_.CommitTo(std::max(commit, std::min(request.commit_index, last)));
  Acknowledge(from, last);
}

// Whether a message is whole: entries in a row, chains that follow, no term
// above the sender's, configurations that decode. Anything else was damaged on
// its way and is dropped (P22).
bool Raft::Impl::IsBelievable(const Position& previous,
                              std::span<const Entry> entries) const {
  if (!log_.Fits(previous, entries)) return false;
  if (!entries.empty() && entries.back().term > term_) return false;
  for (const Entry& entry : entries) {
    if (entry.type != EntryType::kConfChange) continue;
    if (entry.payload_crc != base::Crc32c(entry.bytes())) return false;
    const absl::StatusOr<Configuration> configuration =
        DecodeConfiguration(entry.bytes());
    if (!configuration.ok() || !ValidateConfiguration(*configuration).ok()) {
      return false;
    }
  }
  return true;
}

// Brings the log, and with it the configuration and what the disk was asked
// to write, in line with `entries`.
void Raft::Impl::Merge(std::span<const Entry> entries) {
  Index known = log_.last_index();
  if (const std::optional<Index> truncated = log_.Merge(entries)) {
    known = *truncated - 1;
    writes_.Truncate(*truncated);
    if (configurations_.TruncateFrom(*truncated)) OnConfigurationChanged();
  }
  for (const Entry& entry : entries) {
    if (entry.type != EntryType::kConfChange || entry.index <= known) continue;
    configurations_.Append(entry.index, *DecodeConfiguration(entry.bytes()));
    OnConfigurationChanged();
  }
}

// Says that everything up to `index` agrees, once it is durable here (P25).
void Raft::Impl::Acknowledge(ReplicaId leader, Index index) {
  if (!out_.messages_after_persist.empty()) {
    // One answer for all the appends of a turn.
    Message& last = out_.messages_after_persist.back();
    auto* reply = std::get_if<AppendEntriesReply>(&last.body);
    if (reply != nullptr && last.to == leader && last.term == term_) {
      reply->index = std::max(reply->index, index);
      return;
    }
  }
  SendAfterPersist(leader,
                   AppendEntriesReply{.accepted = true, .index = index});
}

// The hint is the last entry below prev_index whose term is not above
// prev_term: no later one can be in the leader's log (P23).
void Raft::Impl::Refuse(ReplicaId leader, const AppendEntries& request) {
  Index hint = std::min(request.prev_index - 1, log_.last_index());
  while (hint > log_.commit_index() &&
         log_.PositionAt(hint)->term > request.prev_term) {
    hint = hint - 1;
  }
  // Memory may begin behind the hint, when the image is what is committed.
  const std::optional<Position> at_hint = log_.PositionAt(hint);
  Send(leader, AppendEntriesReply{
                   .accepted = false,
                   .index = request.prev_index,
                   .hint_index = hint,
                   .hint_term = at_hint.has_value() ? at_hint->term : Term{0}});
}

void Raft::Impl::Handle(ReplicaId from, Term, Heartbeat& request) {
  FollowLeader(from);
  if (!is_installing()) {
    // The leader vouches for what it says; a follower still never commits what
    // it does not have (P19).
    log_.CommitTo(std::min(request.commit_index, log_.last_index()));
  }
  if (request.read_round != 0) {
    const uint64_t promise_ns = Promise(request);
    Send(from, HeartbeatReply{.read_round = request.read_round,
                              .sent_ns = promise_ns > 0 ? request.sent_ns : 0,
                              .promise_ns = promise_ns});
  }
}

}  // namespace raft
