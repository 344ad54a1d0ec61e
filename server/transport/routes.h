// Routes is who leads each partition, as far as this node knows: what its own
// replicas see, and what the leaders' nodes tell all others.
//
// It is a hint, never a proof: a request that is sent to a node which does not
// lead any more is refused there, and the route dropped. So a node that is told
// nonsense is put right by the first request that follows it, and there is at
// most one route for each partition of the cluster.
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_ROUTES_H_
#define SERVER_TRANSPORT_ROUTES_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "multiraft/peer/v1/frame.pb.h"
#include "raft/types.h"

namespace server::transport {

struct Route {
  base::PartitionId partition;
  raft::Term term;
  raft::ReplicaId leader;
  base::NodeId node;
  std::string peer_address;  // Of the leader's node.
  std::string api_address;

  bool operator==(const Route&) const = default;
};

class Routes {
 public:
  // The partitions of the cluster are 1 to `count`; before it is known, other
  // nodes are not believed.
  void SetPartitions(uint32_t count) ABSL_LOCKS_EXCLUDED(mu_);

  // Or nobody knows how many there are: then any, but no more than so many.
  void SetUnnumbered(size_t routes_max) ABSL_LOCKS_EXCLUDED(mu_);

  // Keeps `route`, which a replica here knows, unless a newer term is known.
  void Learn(Route route) ABSL_LOCKS_EXCLUDED(mu_);

  // A replica here knows of no leader at `term`: who led before does not.
  void Forget(base::PartitionId partition, raft::Term term)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Its node says that it does not lead; nothing if another is known by now.
  void Drop(const Route& route) ABSL_LOCKS_EXCLUDED(mu_);

  std::optional<Route> Find(base::PartitionId partition) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // The cluster may have such a partition, as far as is known.
  bool MayHave(base::PartitionId partition) const ABSL_LOCKS_EXCLUDED(mu_);

  // The highest one with a leader that is known; 0: there is none.
  base::PartitionId Highest() const ABSL_LOCKS_EXCLUDED(mu_);

  // A Frame with the routes whose leader is on `node`; empty if there are none.
  std::string FrameOf(base::NodeId node) const ABSL_LOCKS_EXCLUDED(mu_);
  static std::string FrameOf(const Route& route);

  // Learns what `teller` tells, of partitions that there are: what it leads
  // itself, for who leads elsewhere is for that node to say.
  void Learn(const multiraft::peer::v1::Frame& frame, base::NodeId teller)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void LearnLocked(Route route) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // There may be such a partition.
  bool IsPossibleLocked(base::PartitionId partition) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable base::Mutex mu_;
  uint32_t partitions_ ABSL_GUARDED_BY(mu_) = 0;
  size_t unnumbered_max_ ABSL_GUARDED_BY(mu_) = 0;  // 0: they are numbered.
  std::map<base::PartitionId, Route> routes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_ROUTES_H_
