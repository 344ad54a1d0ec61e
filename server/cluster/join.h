// AskToJoin is how a node that the cluster did not begin with learns of it:
// from any node that it was told the address of.

#ifndef SERVER_CLUSTER_JOIN_H_
#define SERVER_CLUSTER_JOIN_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "storage/records.h"

namespace server::cluster {

struct JoinRequest {
  std::vector<std::string> addresses;  // Peer addresses, host:port.
  std::string cluster_name;
  base::NodeId node;  // The number that it wants.
};

// Asks one after the other, again and again, until one of them knows how the
// cluster began. `on_wait` is told what is waited for, when that changes.
// Cancelled: `stop` says so, which is asked several times a second.
// FailedPrecondition, in one sentence that says what to do: it is another
// cluster, or a node with that number is up.
absl::StatusOr<storage::InitialCluster> AskToJoin(
    const JoinRequest& request, const std::function<bool()>& stop,
    const std::function<void(const std::string&)>& on_wait);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_JOIN_H_
