// Groups is what a controller may do with the partitions of this node:
// begin and leave them, and change who else takes part (the Node services of
// both generations of the API).
//
// Everything runs on the loader; what is asked for may be done much later.

#ifndef SERVER_CLUSTER_GROUPS_H_
#define SERVER_CLUSTER_GROUPS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "partition/executor.h"
#include "partition/host.h"
#include "raft/configuration.h"
#include "server/cluster/founder.h"
#include "server/cluster/peer_calls.h"
#include "server/transport/routes.h"
#include "storage/group.h"
#include "storage/store.h"

namespace server::cluster {

class Groups {
 public:
  // They outlive this.
  Groups(partition::Executor& loader, const transport::Routes& routes);

  // Answers the other nodes, on the peer port, from the beginning.
  Founder& founder() { return founder_; }

  // As Founder::Open and Founder::Begin.
  absl::StatusOr<std::map<base::PartitionId, raft::Configuration>> Open(
      Founder::Self self, storage::Store& store);
  void Begin(partition::Host& host);

  using Done = absl::AnyInvocable<void(absl::Status) &&>;

  // See Founder::Bootstrap.
  void Bootstrap(storage::Group group, Done done);

  // Has the leader of a group that exists, which it looks for at the other
  // members as long as it `is_wanted` (asked on any thread), make this node a
  // member; OK when that is so, and the replica has caught up (an observer's:
  // is here). FailedPrecondition: they refuse, or this node is another member.
  void Join(storage::Group group, std::function<bool()> is_wanted, Done done);

  // A group that this node is to join waits for that; empty: for nothing more.
  // Thread-safe.
  void SetJoining(base::PartitionId id, std::string waits_for)
      ABSL_LOCKS_EXCLUDED(mu_);
  // For people: groups that have not begun here, or that this node has not
  // joined yet, and what they wait for. Thread-safe.
  std::map<base::PartitionId, std::string> waiting() const
      ABSL_LOCKS_EXCLUDED(mu_);

  // Has this node's replica removed from the group; OK when the others go on
  // without it, and its data here is going. Also if it left before.
  // NotFound: this node never had one. FailedPrecondition: it is the last one.
  void Leave(base::PartitionId id, Done done);

  // A controller wants this node to be a member of a group to which another
  // member will add it: it does not begin the group. FailedPrecondition: this
  // node is another member.
  absl::Status Expect(base::PartitionId id, base::NodeId self);

  // Has the node of member `group.self` join the group, from which this one
  // knows the others. The error is what that node said, with its address.
  void Add(storage::Group group, Done done);

  // Has a member removed, whether its node is there or not. OK when the others
  // go on without it, or there is none. NotFound: this node has no replica of
  // the group. FailedPrecondition: it is the last one that votes.
  void Remove(base::PartitionId id, base::NodeId member, Done done);

  // Nothing is called any more when this returns. May be called again.
  void Stop() { calls_.Stop(); }

 private:
  void LeaveAs(base::PartitionId id, const raft::Configuration& configuration,
               Done done);
  // Calls `then`, on the loader, with the members that a replica here knows.
  void WithMembers(
      partition::Partition& replica,
      absl::AnyInvocable<void(const raft::Configuration&) &&> then);
  // Has `member` removed by whoever leads.
  void PursueRemoval(base::PartitionId id, base::NodeId member,
                     const raft::Configuration& configuration, Done done);
  // Completes when the replica is here or not, as `is_here` says, or at the
  // latest in a few seconds: what the group decided comes by itself.
  void Await(base::PartitionId id, bool is_here, int64_t until_ns, Done done);

  partition::Executor& loader_;
  const transport::Routes& routes_;

  PeerCalls calls_;
  Founder founder_;
  base::NodeId self_;                // Once open.
  storage::Store* store_ = nullptr;  // Once open.
  partition::Host* host_ = nullptr;  // Once begun.

  mutable base::Mutex mu_;
  std::map<base::PartitionId, std::string> joining_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_GROUPS_H_
