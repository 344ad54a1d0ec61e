// MemberGoal is a change of a group's members that this node wants, carried to
// whoever leads the group: one request after the other, each offered to every
// node that may lead it until one has done it.
//
// What it asks for are goals (partition/membership.h), so whatever breaks in
// between, asking again is safe, and goes on.

#ifndef SERVER_CLUSTER_MEMBER_GOAL_H_
#define SERVER_CLUSTER_MEMBER_GOAL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "partition/executor.h"
#include "server/cluster/peer_calls.h"

namespace server::cluster {

struct MemberGoal {
  // In order; of one group.
  std::vector<multiraft::admin::v1::ChangeMembersRequest> steps;
  // Peer addresses of those that may lead it, the likeliest first; not empty.
  std::vector<std::string> addresses;

  // Between two rounds of all of them, and how long to go on while nobody leads
  // it: so long, or, if there is somebody to ask, until that says no. It is
  // asked before each round, on any thread.
  uint64_t again_ns = 200'000'000;
  uint64_t give_up_ns = 10'000'000'000;
  std::function<bool()> is_wanted = nullptr;
  // Told of each round in vain what is waited for, on any thread. May be null.
  std::function<void(const std::string&)> on_wait = nullptr;
  // One step may copy a whole state.
  uint64_t step_timeout_ns = 600'000'000'000;
};

// Pursues `goal`; `timer` and `calls` outlive that. `done` is called once, on
// any thread, unless they stop. Unavailable: nobody was found to lead the
// group. Other errors are the leader's.
void Pursue(MemberGoal goal, PeerCalls& calls, partition::Executor& timer,
            absl::AnyInvocable<void(absl::Status) &&> done);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_MEMBER_GOAL_H_
