// MemberChanges is the change of members that is under way on a leader, and who
// waits for its end. Nothing of it is stored: the next leader goes on when it
// is asked for the same change.
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_MEMBER_CHANGES_H_
#define PARTITION_MEMBER_CHANGES_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "partition/membership.h"
#include "partition/partition.h"
#include "raft/raft.h"

namespace partition {

class MemberChanges {
 public:
  struct Limits {
    // A voter that was silent for longer does not count as reachable.
    uint32_t reachable_ticks = 0;
    // Of a round of catching up (CatchUp).
    uint32_t round_ticks = 0;
    // A learner that is silent for longer, while it is waited for, is waited
    // for no more.
    uint32_t silent_ticks = 0;
  };
  MemberChanges(raft::ReplicaId self, const Limits& limits)
      : self_(self), limits_(limits), catch_up_(limits.round_ticks) {}

  // Begins `change`, or waits with the others if it is the one under way, which
  // is forced from now on if this one is. One that only waits for a new replica
  // to catch up, which may never come to pass, ends with Aborted if `change` is
  // about the same node, so that it can be undone. Any other is refused
  // meanwhile, with what the one under way waits for.
  void Begin(raft::Raft& core, MemberChange change, MembersDone done);

  // Goes on if it can: to be called when something was committed.
  void Look(raft::Raft& core);
  // The same, and a tick has passed.
  void Tick(raft::Raft& core);

  // Before a new replica gets its id the log must grow: the owner proposes
  // something.
  bool log_must_grow() const { return log_must_grow_; }

  // This replica does not lead any more: because the change removed it, or else
  // somebody else may go on.
  void LeadershipEnded(const raft::Raft& core);
  void EndAll(absl::StatusOr<raft::Configuration> result);

 private:
  struct UnderWay {
    MemberChange change;
    std::deque<MembersDone> waiting;  // Oldest first; kWaitingMax at most.
    std::string waits_for;            // For people.
    uint32_t ticks = 0;               // Since it began.
    raft::ReplicaId catching_up;
    raft::ReplicaId caught_up;
  };

  MembersView ViewOf(const raft::Raft& core) const;
  // Whether `change` may take the place of the one under way.
  bool Replaces(const raft::Raft& core, const MemberChange& change) const;
  absl::Status Busy() const;
  void Wait(const raft::Raft& core, const MembersWait& wait);

  const raft::ReplicaId self_;
  const Limits limits_;
  CatchUp catch_up_;
  std::optional<UnderWay> under_way_;
  bool log_must_grow_ = false;
};

}  // namespace partition

#endif  // PARTITION_MEMBER_CHANGES_H_
