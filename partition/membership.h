// Membership is how the replicas of a partition come and go at run time: what
// an operator wants, and the next step towards it.
//
// A change is a goal, not an edit: "node 4 votes", "node 4 has taken the place
// of node 2". Its steps are found by looking at the newest configuration, so
// whoever leads can go on with it, asking for it again is safe, and asking for
// what is so already does nothing. New replicas begin as learners and vote when
// they have caught up (thesis 4.2.1); a change that leaves voters of whom no
// majority, or nobody who may lead, is heard from is refused unless it is
// forced.
//
// Pure: the driver (partition/driver_members.cc) proposes what it says.

#ifndef PARTITION_MEMBERSHIP_H_
#define PARTITION_MEMBERSHIP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/raft.h"
#include "raft/types.h"

namespace partition {

// Replica ids of a new partition are 1, 2 ...; all later ones are the index of
// the entry that adds them, which must be above this. So a partition begins
// with at most so many replicas.
inline constexpr uint64_t kInitialReplicasMax = 16;

struct MemberChange {
  enum class Kind : uint8_t {
    kAdd,         // `member` votes.
    kAddLearner,  // `member` is there, with or without a vote.
    kPromote,     // The learner on `node` votes.
    kRemove,      // `node` has no replica.
    kReplace,     // `member` votes, and `node`'s former replica is gone.
    kUpdate,      // The replica on `node` has these addresses and priority.
  };
  Kind kind = Kind::kAdd;

  // All kinds but kAdd and kAddLearner.
  base::NodeId node;
  // kAdd, kAddLearner, kReplace: who comes; kUpdate: what it shall be, node and
  // incarnation being those that are there. Its replica id is not read.
  raft::Member member;

  // Not refused because of voters that nobody hears from. Without a majority of
  // the new voters the partition then stands still until they are back.
  bool force = false;

  bool operator==(const MemberChange&) const = default;
};

// What a leader sees when it looks.
struct MembersView {
  raft::ReplicaId self;
  raft::Configuration configuration;  // The newest.
  bool is_committed = false;          // It is; else nothing can be proposed.
  raft::Index last_index;
  std::vector<raft::FollowerStatus> followers;
  // Who was silent for longer is not reachable. Of who was not heard from yet
  // in this term nobody knows, for so long.
  uint32_t reachable_ticks = 0;
};

// Everything is as it should be.
struct MembersReached {};
// Something must come first; look again at the next tick.
struct MembersWait {
  std::string what;  // For people: "replica 17 on node 4 catches up: ...".
  // The learner that must have the log up to last_index, more or less; 0: it is
  // not that.
  raft::ReplicaId catching_up;
  // A log this short would give out a replica id twice: it must grow first.
  bool log_must_grow = false;
};
// The next configuration.
struct MembersPropose {
  raft::Configuration target;
};
using MembersStep = std::variant<MembersReached, MembersWait, MembersPropose>;

// The next step. `caught_up` is a learner that is known to be close behind the
// end of the log (CatchUp), 0: none is.
// InvalidArgument: the change names nobody, or an address that is none.
// FailedPrecondition, saying why and what to do: it would remove the last
// voter, or leave a majority that is not reachable, or nobody reachable who may
// lead; a node takes part with another data directory (incarnation); a node
// that is to be promoted or updated is no member.
absl::StatusOr<MembersStep> NextStep(const MembersView& view,
                                     const MemberChange& change,
                                     raft::ReplicaId caught_up);

// CatchUp judges by rounds when a learner has caught up (thesis 4.2.1): each
// round is up to the end of the log as it was when the round began, and a round
// that took no longer than an election timeout is good enough.
class CatchUp {
 public:
  explicit CatchUp(uint32_t round_ticks_max)
      : round_ticks_max_(round_ticks_max) {}

  // To be called once a tick. Returns whether `replica` has caught up.
  bool Look(raft::ReplicaId replica, raft::Index match_index,
            raft::Index last_index);

 private:
  const uint32_t round_ticks_max_;
  raft::ReplicaId replica_;  // 0: no round has begun.
  raft::Index goal_;
  uint32_t ticks_ = 0;
};

// "add node 4", for people.
std::string Describe(const MemberChange& change);

}  // namespace partition

#endif  // PARTITION_MEMBERSHIP_H_
