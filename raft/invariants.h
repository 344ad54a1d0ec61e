// Invariants watches a whole group of replicas and says when a promise of the
// protocol is broken. Each check is one sentence of the paper or of the list of
// pitfalls. It knows more than any replica: all logs, all disks, all messages.

#ifndef RAFT_INVARIANTS_H_
#define RAFT_INVARIANTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "raft/configuration.h"
#include "raft/fake_disk.h"
#include "raft/message.h"
#include "raft/raft.h"
#include "raft/ready.h"
#include "raft/types.h"

namespace raft {

class Invariants {
 public:
  // `disks` are those of the whole group and outlive this.
  explicit Invariants(const std::map<ReplicaId, FakeDisk>& disks)
      : disks_(disks) {}

  // After any input to, or Ready taken from, replica `self`.
  void AfterStep(ReplicaId self, const Raft& raft);
  // A Ready that was just taken.
  void OnReady(ReplicaId self, const Raft& raft, const Ready& ready);
  // A message that leaves now.
  void OnSent(const Message& message);
  // A replica starts, or starts again.
  void OnStart(ReplicaId self, const Raft& raft);
  // A read is asked for, or answered.
  void OnReadAsked(uint64_t context);
  void OnReadAnswered(const ReadState& read);

  // The highest index that was ever committed anywhere.
  Index commit_index() const { return Index{committed_.size()}; }

  // The first broken promise; empty if there is none.
  const std::string& violation() const { return violation_; }

 private:
  struct Seen {
    Term term;
    Index commit_index;
    Index applied_index;
    Role role = Role::kFollower;
    Position leader_last;
    std::map<ReplicaId, Index> match;  // A leader's, in its term.
  };

  template <class... Parts>
  void Require(bool holds, const Parts&... parts);
  void CheckPositions(ReplicaId self, const Raft& raft, const Seen& seen);
  void CheckRole(ReplicaId self, const Raft& raft, Seen& seen);
  bool WasVoter(ReplicaId self, Index index) const;
  void CheckFollowers(ReplicaId self, const Raft& raft, Seen& seen);
  void CheckCommit(ReplicaId self, const Raft& raft, const Seen& seen);

  const std::map<ReplicaId, FakeDisk>& disks_;
  std::map<ReplicaId, Seen> seen_;
  std::map<Term, ReplicaId> leaders_;
  std::map<std::pair<ReplicaId, Term>, ReplicaId> votes_;
  // Of every entry ever appended anywhere: its chain, by index and term.
  std::map<std::pair<Index, Term>, uint64_t> chains_;
  std::vector<Position> committed_;  // By index - 1; index 0 where unknown.
  // Of every configuration ever appended anywhere, by index and term.
  std::map<std::pair<Index, Term>, Configuration> configurations_;
  std::map<uint64_t, Index> reads_;  // What was committed when it was asked.
  std::string violation_;
};

}  // namespace raft

#endif  // RAFT_INVARIANTS_H_
