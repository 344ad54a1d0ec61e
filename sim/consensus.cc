#include "sim/consensus.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace sim {

using raft::Index;
using raft::ReplicaId;
using raft::Term;

namespace {

// What a majority of `voters` has reached. Written once more than in raft/: the
// oracle is not to err with it.
Index MajorityOf(const std::vector<ReplicaId>& voters,
                 const std::map<ReplicaId, Index>& accepted) {
  std::vector<Index> reached;
  for (const ReplicaId voter : voters) {
    const auto found = accepted.find(voter);
    reached.push_back(found == accepted.end() ? Index{} : found->second);
  }
  std::sort(reached.begin(), reached.end());
  return reached.empty() ? Index{} : reached[(reached.size() - 1) / 2];
}

// In joint consensus both halves must agree (P44); learners never count (P46).
Index AgreedBy(const raft::Configuration& configuration,
               const std::map<ReplicaId, Index>& accepted) {
  const Index agreed = MajorityOf(configuration.voters, accepted);
  if (!configuration.is_joint()) return agreed;
  return std::min(agreed, MajorityOf(configuration.voters_outgoing, accepted));
}

}  // namespace

Consensus::Consensus(base::PartitionId partition,
                     const raft::Configuration& initial, Judge& judge,
                     std::function<void(const raft::Entry&)> on_chosen)
    : partition_(partition),
      initial_(initial),
      judge_(judge),
      on_chosen_(std::move(on_chosen)),
      configuration_(initial) {}

void Consensus::Fail(ReplicaId replica, absl::string_view what) const {
  judge_.Fail(absl::StrCat("partition ", partition_.value(), ", replica ",
                           replica.value(), ": ", what));
}

void Consensus::FailGroup(absl::string_view what) const {
  judge_.Fail(absl::StrCat("partition ", partition_.value(), ": ", what));
}

raft::Index Consensus::durable_last(ReplicaId replica) const {
  const auto found = replicas_.find(replica);
  return found == replicas_.end() ? Index{} : found->second.durable.last();
}

std::string Consensus::ToString() const {
  std::string text = absl::StrCat("partition ", partition_.value(), ": chosen ",
                                  chosen().value());
  for (const auto& [id, replica] : replicas_) {
    absl::StrAppend(&text, "; replica ", id.value(), ": term ",
                    replica.durable.hard_state.term.value(), ", log up to ",
                    replica.durable.last().value(), ", image ",
                    replica.durable.image.index.value());
  }
  return text;
}

// --- Disks -------------------------------------------------------------------

void Consensus::OnQueued(ReplicaId id, const DiskWrite& write) {
  JudgeDoubts(id);
  Replica& replica = replicas_[id];
  if (!write.entries.empty()) CheckEntries(id, replica, write);
  if (write.hard_state.has_value()) {
    CheckHardState(id, replica, *write.hard_state);
    OnCommitSaid(id, write.hard_state->commit_index, "its hard state");
  }
  if (write.image.has_value()) {
    OnCommitSaid(id, write.image->position.index, "its image");
    if (write.image->suspect) {
      Fail(id, "its state is not that of the majority (P51)");
    }
  }
  if (write.trim_below.has_value()) {
    const Index image = write.image.has_value() ? write.image->position.index
                                                : replica.durable.image.index;
    if (*write.trim_below > image + 1) {
      Fail(id, "the log is trimmed beyond its image (P35)");
    }
  }
  Change(replica.queued, write);
  replica.in_flight.push_back(write);
  for (const raft::Entry& entry : write.entries) {
    if (entry.type == raft::EntryType::kConfChange) ChooseAgain(entry.term);
  }
  JudgeDoubts();
}

void Consensus::OnDurable(ReplicaId id, const DiskWrite& write) {
  JudgeDoubts();
  Replica& replica = replicas_[id];
  replica.in_flight.pop_front();
  if (write.trim_below.has_value()) ++trim_count_;
  if (write.image.has_value() &&
      write.image->generation != replica.durable.generation) {
    ++install_count_;
  }
  Change(replica.durable, write);
  Accept(id, replica.durable);
}

void Consensus::Change(DiskState& state, const DiskWrite& write) const {
  if (write.hard_state.has_value()) state.hard_state = *write.hard_state;
  for (const raft::Entry& entry : write.entries) {
    if (entry.index > state.last() + 1) break;  // Was reported.
    state.terms.resize(entry.index.value() - 1);
    state.terms.push_back(entry.term);
  }
  if (!write.image.has_value()) return;
  state.image = write.image->position;
  if (state.generation == write.image->generation) return;
  // It came from elsewhere, and the log begins anew behind it (P38).
  state.generation = write.image->generation;
  if (write.keeps_log) return;
  state.terms.clear();
  while (state.last() < std::min(state.image.index, chosen())) {
    state.terms.push_back(entry(state.last() + 1).term);
  }
}

void Consensus::CheckHardState(ReplicaId id, const Replica& replica,
                               const raft::HardState& next) const {
  const raft::HardState& last = replica.queued.hard_state;
  if (next.term < last.term) Fail(id, "the term went back");
  if (next.term == last.term && last.voted_for != ReplicaId{} &&
      next.voted_for != last.voted_for) {
    Fail(id, "two votes in one term (P1)");
  }
  if (next.commit_index < last.commit_index) Fail(id, "commit went back (P29)");
}

void Consensus::CheckEntries(ReplicaId id, const Replica& replica,
                             const DiskWrite& write) {
  const DiskState& log = replica.queued;
  const Index first = write.entries.front().index;
  if (first > log.last() + 1) return Fail(id, "a hole in the log (P22)");
  const Term current = write.hard_state.has_value() ? write.hard_state->term
                                                    : log.hard_state.term;
  Index next = first;
  uint64_t chain = ChainAt(log, first - 1);
  for (const raft::Entry& entry : write.entries) {
    if (entry.index != next) Fail(id, "entries are not in a row (P22)");
    if (raft::ChainOf(chain, partition_, entry) != entry.chain) {
      Fail(id, absl::StrCat("entry ", entry.index.value(),
                            " does not continue the chain (P22)"));
    }
    if (entry.term > current) {
      Fail(id, absl::StrCat("entry ", entry.index.value(), " of term ",
                            entry.term.value(), " is written in term ",
                            current.value()));
    }
    if (!Know(entry)) {
      Fail(id, absl::StrCat("entry ", entry.index.value(), " of term ",
                            entry.term.value(),
                            " is another one elsewhere (log matching)"));
    }
    if (entry.index <= log.last()) {
      const Term old = log.terms[entry.index.value() - 1];
      if (entry.index == first && old == entry.term) {
        Fail(id, absl::StrCat("the log is cut at entry ", first.value(),
                              ", where nothing conflicts (P20)"));
      }
      if (entry.index <= replica.commit && old != entry.term) {
        Fail(id, absl::StrCat("entry ", entry.index.value(),
                              ", which it said is committed, is overwritten "
                              "(P29)"));
      }
    }
    if (entry.index <= chosen()) {
      const Chosen& chosen = chosen_[entry.index.value() - 1];
      // An older one may still be on its way to the disk, to be replaced.
      if (chosen.entry.chain != entry.chain && entry.term > chosen.term) {
        Fail(id, absl::StrCat("entry ", entry.index.value(), " of term ",
                              entry.term.value(), " is not the one that term ",
                              chosen.term.value(), " has chosen (P29)"));
      }
    }
    chain = entry.chain;
    ++next;
  }
}

bool Consensus::Know(const raft::Entry& entry) {
  if (known_.size() < entry.index.value()) known_.resize(entry.index.value());
  std::vector<raft::Entry>& at_index = known_[entry.index.value() - 1];
  for (const raft::Entry& other : at_index) {
    if (other.term == entry.term) return other.chain == entry.chain;
  }
  at_index.push_back(entry);
  if (entry.type == raft::EntryType::kConfChange) {
    absl::StatusOr<raft::Configuration> configuration =
        raft::DecodeConfiguration(entry.bytes());
    if (!configuration.ok()) return false;
    configurations_[{entry.index, entry.term}] = *std::move(configuration);
  }
  return true;
}

const raft::Entry* Consensus::Find(Index index, Term term) const {
  if (index == Index{} || index.value() > known_.size()) return nullptr;
  for (const raft::Entry& entry : known_[index.value() - 1]) {
    if (entry.term == term) return &entry;
  }
  return nullptr;
}

uint64_t Consensus::ChainAt(const DiskState& state, Index index) const {
  if (index == Index{} || index > state.last()) return 0;
  const raft::Entry* entry = Find(index, state.terms[index.value() - 1]);
  return entry == nullptr ? 0 : entry->chain;
}

// --- Restarts ----------------------------------------------------------------

void Consensus::OnStart(ReplicaId id, const storage::StoredPartition& stored) {
  JudgeDoubts();
  Replica& replica = replicas_[id];
  std::optional<DiskState> state = Explain(replica, stored);
  if (!state.has_value()) {
    return Fail(
        id, absl::StrCat("the disk after a restart is not what was durable and "
                         "the first of what was queued behind it (P1, P28): "
                         "term ",
                         stored.hard_state.term.value(), " of ",
                         replica.durable.hard_state.term.value(), ", ",
                         stored.image.position.index.value(), " + ",
                         stored.entries.size(), " entries of ",
                         replica.durable.last().value()));
  }
  replica.in_flight.clear();
  replica.durable = *state;
  replica.queued = *std::move(state);
  // It knows no more than its disk.
  replica.commit = stored.hard_state.commit_index;
  Accept(id, replica.durable);
}

void Consensus::Compare(ReplicaId id, const storage::StoredPartition& stored) {
  JudgeDoubts();
  if (!Explain(replicas_[id], stored).has_value()) {
    Fail(id, "the disk is not what was asked of it");
  }
}

std::optional<Consensus::DiskState> Consensus::Explain(
    const Replica& replica, const storage::StoredPartition& stored) const {
  DiskState state = replica.durable;
  auto next = replica.in_flight.begin();
  while (!Matches(state, stored)) {
    if (next == replica.in_flight.end()) return std::nullopt;
    Change(state, *next++);
  }
  return state;
}

bool Consensus::Matches(const DiskState& state,
                        const storage::StoredPartition& stored) const {
  const raft::Position& image = stored.image.position;
  raft::HardState hard_state = state.hard_state;
  // The image proves that everything in it was committed (D1).
  hard_state.commit_index = std::max(hard_state.commit_index, image.index);
  if (hard_state != stored.hard_state || state.image != image) return false;
  const Index last =
      stored.entries.empty() ? image.index : stored.entries.back().index;
  const uint64_t chain =
      stored.entries.empty() ? image.chain : stored.entries.back().chain;
  return state.last() == last && ChainAt(state, last) == chain;
}

// --- What is chosen ----------------------------------------------------------

void Consensus::Accept(ReplicaId id, const DiskState& durable) {
  const Term term = durable.hard_state.term;
  if (durable.terms.empty() || durable.terms.back() != term) return;
  Index& accepted = accepted_[term][id];
  if (accepted >= durable.last()) return;
  accepted = durable.last();
  Choose(term, durable);
}

void Consensus::ChooseAgain(Term term) {
  for (const auto& [id, replica] : replicas_) {
    const DiskState& durable = replica.durable;
    if (durable.hard_state.term == term && !durable.terms.empty() &&
        durable.terms.back() == term) {
      Choose(term, durable);
    }
  }
}

void Consensus::Choose(Term term, const DiskState& durable) {
  const Index last = ChosenIn(term, durable);
  if (last == Index{} || last > durable.last()) return;
  const Index common = std::min(last, chosen());
  if (common > Index{} && ChainAt(durable, common) != entry(common).chain) {
    return FailGroup(absl::StrCat("entry ", common.value(),
                                  " was chosen, and term ", term.value(),
                                  " has chosen another one (P29)"));
  }
  while (chosen() < last) {
    const Index next = chosen() + 1;
    const raft::Entry* entry = Find(next, durable.terms[next.value() - 1]);
    if (entry == nullptr) return FailGroup("a chosen entry is not known");
    chosen_.push_back({.entry = *entry, .term = term});
    const auto changed = configurations_.find({next, entry->term});
    if (changed != configurations_.end()) configuration_ = changed->second;
    on_chosen_(*entry);
  }
}

// A leader counts by its newest configuration, in force from its entry on.
raft::Index Consensus::ChosenIn(Term term, const DiskState& log) const {
  const std::map<ReplicaId, Index>& accepted = accepted_.at(term);
  // The configurations of this log, and up to where each is the newest.
  Index chosen;
  const raft::Configuration* newest = &initial_;
  for (const auto& [at, configuration] : configurations_) {
    const auto& [index, entry_term] = at;
    // Behind the end of this log, those of its leader.
    const bool is_in_force = index > log.last()
                                 ? entry_term == term
                                 : log.terms[index.value() - 1] == entry_term;
    if (!is_in_force) continue;
    chosen = std::max(chosen, std::min(AgreedBy(*newest, accepted), index - 1));
    newest = &configuration;
  }
  return std::max(chosen, AgreedBy(*newest, accepted));
}

void Consensus::OnCommitSaid(ReplicaId id, Index commit,
                             absl::string_view where) {
  if (commit > chosen()) {
    doubts_.push_back(
        {.replica = id, .commit = commit, .where = std::string(where)});
  }
  Replica& replica = replicas_[id];
  replica.commit = std::max(replica.commit, commit);
  commit_ = std::max(commit_, commit);
}

void Consensus::JudgeDoubts(ReplicaId mover) {
  if (std::any_of(doubts_.begin(), doubts_.end(), [mover](const Doubt& doubt) {
        return doubt.replica != mover;
      })) {
    JudgeDoubts();
  }
}

void Consensus::JudgeDoubts() {
  for (const Doubt& doubt : std::exchange(doubts_, {})) {
    if (doubt.commit <= chosen()) continue;
    Fail(doubt.replica,
         absl::StrCat(doubt.where, " says that ", doubt.commit.value(),
                      " is committed; chosen are ", chosen().value(),
                      " (P17, P25)"));
  }
}

// --- Messages ----------------------------------------------------------------

void Consensus::OnSent(const raft::Message& message) {
  JudgeDoubts(message.from);
  std::visit([&](const auto& body) { Check(message, body); }, message.body);
}

void Consensus::OnLeaderSpoke(const raft::Message& message) {
  const auto [leader, is_new] = leaders_.emplace(message.term, message.from);
  if (!is_new && leader->second != message.from) {
    Fail(message.from,
         absl::StrCat("leads in term ", message.term.value(), ", as replica ",
                      leader->second.value(), " does (P2)"));
  }
}

bool Consensus::Holds(ReplicaId id, Term term, Index index) const {
  const auto found = replicas_.find(id);
  if (found == replicas_.end()) return index == Index{};
  const DiskState& durable = found->second.durable;
  if (durable.hard_state.term < term) return false;
  // In a later term it may have had to give up what was not chosen.
  return durable.hard_state.term > term || durable.last() >= index;
}

void Consensus::Check(const raft::Message& message,
                      const raft::AppendEntries& body) {
  OnLeaderSpoke(message);
  OnCommitSaid(message.from, body.commit_index, "an append");
}

void Consensus::Check(const raft::Message& message,
                      const raft::Heartbeat& body) {
  OnLeaderSpoke(message);
  OnCommitSaid(message.from, body.commit_index, "a heartbeat");
  if (body.commit_index > Index{} &&
      !Holds(message.to, message.term, body.commit_index)) {
    Fail(message.from,
         absl::StrCat("a heartbeat says that ", body.commit_index.value(),
                      " is committed to replica ", message.to.value(),
                      ", which has not acknowledged so much (P19)"));
  }
}

void Consensus::Check(const raft::Message& message,
                      const raft::AppendEntriesReply& body) {
  if (!body.accepted) return;
  if (!Holds(message.from, message.term, body.index)) {
    Fail(message.from,
         absl::StrCat("acknowledges up to ", body.index.value(), " in term ",
                      message.term.value(), "; durable is ",
                      durable_last(message.from).value(), " (P25)"));
  }
  AcceptAsSaid(message.from, message.term, body.index);
}

// What it accepted in `term` may have come to its disk together with a later
// term, in one write: then only its word tells in which term that was.
void Consensus::AcceptAsSaid(ReplicaId id, Term term, Index index) {
  const DiskState& durable = replicas_[id].durable;
  if (index == Index{} || index > durable.last() ||
      durable.terms[index.value() - 1] != term) {
    return;
  }
  Index& accepted = accepted_[term][id];
  if (accepted >= index) return;
  accepted = index;
  DiskState log = durable;
  log.terms.resize(index.value());
  Choose(term, log);
}

// One vote in a term, for ever. It is safe from a crash when it is on the disk,
// or when a higher term is: then nobody gets another one in this term.
void Consensus::CheckVote(ReplicaId voter, Term term, ReplicaId candidate) {
  Replica& replica = replicas_[voter];
  const auto [vote, is_new] = replica.votes.emplace(term, candidate);
  if (vote->second != candidate) {
    Fail(voter,
         absl::StrCat("votes for ", vote->second.value(), " and for ",
                      candidate.value(), " in term ", term.value(), " (P1)"));
  }
  const raft::HardState& durable = replica.durable.hard_state;
  if (durable.term < term ||
      (durable.term == term && durable.voted_for != candidate)) {
    Fail(voter,
         absl::StrCat("its vote for ", candidate.value(), " in term ",
                      term.value(), " leaves before it is durable (P1)"));
  }
}

void Consensus::Check(const raft::Message& message, const raft::RequestVote&) {
  CheckVote(message.from, message.term, message.from);
}

void Consensus::Check(const raft::Message& message,
                      const raft::RequestVoteReply& body) {
  if (body.granted) CheckVote(message.from, message.term, message.to);
}

void Consensus::Check(const raft::Message& message,
                      const raft::InstallSnapshot& body) {
  OnLeaderSpoke(message);
  OnCommitSaid(message.from, body.position.index, "an offered image");
}

void Consensus::Check(const raft::Message& message,
                      const raft::InstallSnapshotReply& body) {
  if (body.installed && !Holds(message.from, message.term, body.index)) {
    Fail(message.from,
         absl::StrCat("says that image ", body.index.value(),
                      " is installed; durable is ",
                      durable_last(message.from).value(), " (P40)"));
  }
}

void Consensus::Check(const raft::Message& message,
                      const raft::ReadIndexRequest& body) {
  reads_[{message.from, body.context}] = commit_;
}

void Consensus::Check(const raft::Message& message,
                      const raft::ReadIndexReply& body) {
  if (!body.confirmed) return;
  const auto read = reads_.find({message.to, body.context});
  if (read == reads_.end()) {
    return Fail(message.from, "answers a read that nobody asked for");
  }
  if (body.index < read->second) {
    Fail(message.from,
         absl::StrCat("answers a read with index ", body.index.value(), "; ",
                      read->second.value(),
                      " was committed before it was asked for (P18, P47)"));
  }
}

}  // namespace sim
