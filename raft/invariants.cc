#include "raft/invariants.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace raft {
namespace {

// Counted here once more: what the core counts with is what is watched.
template <class Predicate>
bool IsMajority(const std::vector<ReplicaId>& voters, Predicate holds) {
  const auto count = std::count_if(voters.begin(), voters.end(), holds);
  return 2 * count > static_cast<int64_t>(voters.size());
}

}  // namespace

template <class... Parts>
void Invariants::Require(bool holds, const Parts&... parts) {
  if (!holds && violation_.empty()) violation_ = absl::StrCat(parts...);
}

void Invariants::OnStart(ReplicaId self, const Raft& raft) {
  // What is durable is remembered, and the rest may be forgotten.
  const HardState& durable = disks_.at(self).hard_state();
  Require(raft.term() == durable.term &&
              raft.hard_state().voted_for == durable.voted_for,
          self.value(), ": starts with another term or vote than it wrote");
  seen_[self] = {.term = raft.term(),
                 .commit_index = raft.commit_index(),
                 .applied_index = raft.applied_index()};
}

void Invariants::AfterStep(ReplicaId self, const Raft& raft) {
  Seen& seen = seen_[self];
  CheckPositions(self, raft, seen);
  CheckRole(self, raft, seen);
  if (raft.role() == Role::kLeader) CheckFollowers(self, raft, seen);
  if (raft.commit_index() > seen.commit_index) CheckCommit(self, raft, seen);
  seen.term = raft.term();
  seen.role = raft.role();
  seen.commit_index = raft.commit_index();
  seen.applied_index = raft.applied_index();
}

void Invariants::CheckPositions(ReplicaId self, const Raft& raft,
                                const Seen& seen) {
  const auto id = self.value();
  // "applied <= commit <= last", and nothing is durable that is not there.
  Require(raft.applied_index() <= raft.commit_index(), id, ": applied ",
          raft.applied_index().value(), " > commit ",
          raft.commit_index().value());
  Require(raft.commit_index() <= raft.last_index(), id, ": commit ",
          raft.commit_index().value(), " > last ", raft.last_index().value());
  Require(raft.persisted_index() <= raft.last_index(), id, ": persisted ",
          raft.persisted_index().value(), " > last ",
          raft.last_index().value());
  Require(raft.first_index() <= raft.last_index() + 1, id, ": first ",
          raft.first_index().value(), " > last + 1");
  // What the core takes for durable is on the disk (P26).
  const Index persisted = raft.persisted_index();
  const std::optional<Position> core = raft.PositionAt(persisted);
  const std::optional<Position> disk = disks_.at(self).PositionAt(persisted);
  if (core.has_value() && persisted > Index{0}) {
    Require(disk == core, id, ": index ", persisted.value(),
            " counts as durable and is not on the disk (P26)");
  }
  // "currentTerm increases monotonically", and so do commit and applied.
  Require(raft.term() >= seen.term, id, ": the term went back");
  Require(raft.commit_index() >= seen.commit_index, id,
          ": the commit index went back (P29)");
  Require(raft.applied_index() >= seen.applied_index, id,
          ": the applied index went back (P28)");
}

void Invariants::CheckRole(ReplicaId self, const Raft& raft, Seen& seen) {
  const auto id = self.value();
  const Configuration& configuration = raft.configuration();
  if (raft.role() == Role::kCandidate || raft.role() == Role::kPreCandidate) {
    // It is a voter, or was one when what it knows to be committed was.
    Require(configuration.IsVoter(self) || WasVoter(self, raft.commit_index()),
            id, ": stands without being a voter (P12)");
  }
  if (raft.role() != Role::kLeader) return;
  // Election safety: at most one leader in a term (P2).
  const ReplicaId known = leaders_.emplace(raft.term(), self).first->second;
  Require(known == self, "replicas ", known.value(), " and ", id,
          " both lead in term ", raft.term().value(), " (P2)");
  Require(raft.leader() == self, id, ": leads and follows ",
          raft.leader().value());
  const bool is_new = seen.role != Role::kLeader || seen.term != raft.term();
  if (is_new) {
    seen.match.clear();
    // Leader completeness: what is committed is in the log of every later
    // leader.
    if (!committed_.empty() && committed_.back().term < raft.term()) {
      const Index index = commit_index();
      const std::optional<Position> mine = raft.PositionAt(index);
      Require(raft.last_index() >= index &&
                  (!mine.has_value() || *mine == committed_.back()),
              id, ": leads in term ", raft.term().value(),
              " without the entry committed at ", index.value());
    }
  } else {
    // Leader append-only: it never drops or replaces an entry of its own.
    const std::optional<Position> mine =
        raft.PositionAt(seen.leader_last.index);
    Require(raft.last_index() >= seen.leader_last.index &&
                (!mine.has_value() || *mine == seen.leader_last),
            id, ": the leader's log lost index ",
            seen.leader_last.index.value());
  }
  // Nobody was elected behind a leader that answers reads by itself (P48, P49).
  Require(!raft.has_lease() || leaders_.rbegin()->first == raft.term(), id,
          ": has a lease in term ", raft.term().value(), ", and replica ",
          leaders_.rbegin()->second.value(), " was elected in term ",
          leaders_.rbegin()->first.value(), " (P48, P49)");
  seen.leader_last = *raft.PositionAt(raft.last_index());
}

// In the configuration committed at or below `index`; true if none is known.
bool Invariants::WasVoter(ReplicaId self, Index index) const {
  auto it = configurations_.upper_bound({index + 1, Term{0}});
  while (it != configurations_.begin()) {
    --it;
    const auto& [at, term] = it->first;
    if (committed_[at.value() - 1].term == term)
      return it->second.IsVoter(self);
  }
  return true;
}

void Invariants::CheckFollowers(ReplicaId self, const Raft& raft, Seen& seen) {
  const std::vector<FollowerStatus> followers = raft.followers();
  // Who left the configuration and comes back starts from nothing.
  std::erase_if(seen.match, [&](const auto& match) {
    return std::none_of(followers.begin(), followers.end(),
                        [&](const FollowerStatus& follower) {
                          return follower.replica == match.first;
                        });
  });
  for (const FollowerStatus& follower : followers) {
    const auto about = [&](const char* what) {
      return absl::StrCat(self.value(), ": of follower ",
                          follower.replica.value(), ", match ",
                          follower.match_index.value(), ", next ",
                          follower.next_index.value(), ": ", what);
    };
    const Index match = follower.match_index;
    Require(match < follower.next_index, about("match >= next (P24)"));
    Require(follower.next_index <= raft.last_index() + 1,
            about("next is beyond the log"));
    Index& before = seen.match[follower.replica];
    Require(match >= before, about("match went back (P24)"));
    if (match == before) continue;
    before = match;
    // A follower is counted only for what its disk holds (P25). In a later term
    // it may have lost it again.
    const auto disk = disks_.find(follower.replica);
    if (disk == disks_.end() || disk->second.hard_state().term > raft.term()) {
      continue;
    }
    const std::optional<Position> theirs = disk->second.PositionAt(match);
    const std::optional<Position> mine = raft.PositionAt(match);
    Require(disk->second.last_index() >= match ||
                disk->second.image().index >= match,
            about("match is not on its disk (P25)"));
    if (theirs.has_value() && mine.has_value()) {
      Require(theirs == mine, about("match is not the same entry (P22)"));
    }
  }
}

void Invariants::CheckCommit(ReplicaId self, const Raft& raft,
                             const Seen& seen) {
  const auto id = self.value();
  const Index commit = raft.commit_index();
  if (raft.role() == Role::kLeader) {
    // A leader commits by counting only entries of its own term (P17).
    const std::optional<Position> mine = raft.PositionAt(commit);
    Require(mine.has_value() && mine->term == raft.term(), id,
            ": committed index ", commit.value(),
            " of an earlier term by counting (P17)");
    if (commit > commit_index()) {
      // And only when a majority has it on disk (P25, P27, P44, P46).
      const auto has_it = [&](ReplicaId replica) {
        const auto disk = disks_.find(replica);
        return disk != disks_.end() &&
               (disk->second.PositionAt(commit) == mine ||
                disk->second.image().index > commit);
      };
      const Configuration& configuration = raft.configuration();
      const bool durable = IsMajority(configuration.voters, has_it) &&
                           (!configuration.is_joint() ||
                            IsMajority(configuration.voters_outgoing, has_it));
      Require(durable, id, ": committed index ", commit.value(),
              " without a durable majority (P25)");
    }
  }
  // State machine safety: one entry is committed at each index (P29).
  for (Index i = seen.commit_index + 1; i <= commit; ++i) {
    const std::optional<Position> mine = raft.PositionAt(i);
    if (i > commit_index()) {
      committed_.push_back(mine.value_or(Position{}));
      continue;
    }
    const Position& known = committed_[i.value() - 1];
    if (!mine.has_value() || known.index == Index{0}) continue;
    Require(*mine == known, id, ": index ", i.value(), " of term ",
            mine->term.value(), " is committed over one of term ",
            known.term.value(), " (P29)");
  }
}

void Invariants::OnReady(ReplicaId self, const Raft& raft, const Ready& ready) {
  const auto id = self.value();
  Require(ready.persist.has_value() == ready.hard_state.has_value(), id,
          ": token and hard state go together");
  for (const Entry& entry : ready.entries) {
    // Log matching: same index and term, same log up to there.
    const uint64_t chain =
        chains_.emplace(std::pair(entry.index, entry.term), entry.chain)
            .first->second;
    Require(chain == entry.chain, id, ": two logs differ up to index ",
            entry.index.value(), " of term ", entry.term.value());
    if (entry.type == EntryType::kConfChange) {
      configurations_.emplace(std::pair(entry.index, entry.term),
                              *DecodeConfiguration(entry.bytes()));
    }
  }
  Index last = raft.applied_index();
  for (const Entry& entry : ready.committed) {
    Require(entry.index > last, id, ": index ", entry.index.value(),
            " is handed out twice (P28)");
    last = entry.index;
  }
  for (const Message& message : ready.messages) {
    // A heartbeat never commits what the follower is not known to have (P19).
    const auto* heartbeat = std::get_if<Heartbeat>(&message.body);
    if (heartbeat == nullptr || message.term != raft.term()) continue;
    for (const FollowerStatus& follower : raft.followers()) {
      Require(follower.replica != message.to ||
                  heartbeat->commit_index <= follower.match_index,
              id, ": heartbeat commits ", heartbeat->commit_index.value(),
              " beyond the match of ", message.to.value(), " (P19)");
    }
  }
}

void Invariants::OnSent(const Message& message) {
  const auto id = message.from.value();
  Require(message.term > Term{0} && message.to != message.from, id,
          ": a message without a term, or to itself (P5)");
  const auto* reply = std::get_if<RequestVoteReply>(&message.body);
  const bool grants = reply != nullptr && reply->granted;
  if (!grants && !std::holds_alternative<RequestVote>(message.body)) return;
  // One vote a term, whatever crashed in between (P1); whoever asks for votes
  // has given its own to itself.
  const ReplicaId vote = grants ? message.to : message.from;
  const ReplicaId known =
      votes_.emplace(std::pair(message.from, message.term), vote).first->second;
  Require(known == vote, id, ": votes for ", vote.value(), " after ",
          known.value(), " in term ", message.term.value(), " (P1)");
  const HardState& durable = disks_.at(message.from).hard_state();
  Require(durable.term > message.term ||
              (durable.term == message.term && durable.voted_for == vote),
          id, ": the vote leaves before it is durable (P1)");
}

void Invariants::OnReadAsked(uint64_t context) {
  reads_[context] = commit_index();
}

void Invariants::OnReadAnswered(const ReadState& read) {
  const auto it = reads_.find(read.context);
  if (it == reads_.end()) {
    Require(false, "read ", read.context, " is answered twice");
    return;
  }
  // A read sees everything that was committed when it was asked (P47).
  if (read.index.has_value()) {
    Require(*read.index >= it->second, "read ", read.context, " at index ",
            read.index->value(), " misses the commit at ", it->second.value(),
            " (P47)");
  }
  reads_.erase(it);
}

}  // namespace raft
