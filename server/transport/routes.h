// Routes is who leads each partition, as far as this node knows: what its own
// replicas see, and what the leaders' nodes tell all others.
//
// It is a hint, never a proof: a request that is sent to a node which does not
// lead any more is refused there.
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_ROUTES_H_
#define SERVER_TRANSPORT_ROUTES_H_

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
};

class Routes {
 public:
  // Keeps `route` unless a newer term is known.
  void Learn(Route route) ABSL_LOCKS_EXCLUDED(mu_);

  // A replica here knows of no leader at `term`: who led before does not.
  void Forget(base::PartitionId partition, raft::Term term)
      ABSL_LOCKS_EXCLUDED(mu_);

  std::optional<Route> Find(base::PartitionId partition) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // A Frame with the routes whose leader is on `node`; empty if there are none.
  std::string FrameOf(base::NodeId node) const ABSL_LOCKS_EXCLUDED(mu_);
  static std::string FrameOf(const Route& route);

  // Learns what another node tells.
  void Learn(const multiraft::peer::v1::Frame& frame) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable base::Mutex mu_;
  std::map<base::PartitionId, Route> routes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_ROUTES_H_
