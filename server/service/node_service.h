// NodeService is atomix.multiraft.v1.Node, for controllers: which groups
// (partitions) have a replica on this node, and what happens to them.
//
// It checks and translates; what is asked for is done by the node
// (server/cluster/groups.h).

#ifndef SERVER_SERVICE_NODE_SERVICE_H_
#define SERVER_SERVICE_NODE_SERVICE_H_

#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "atomix/multiraft/v1/config.pb.h"
#include "base/ids.h"
#include "server/service/gateway.h"
#include "server/service/node_events.h"
#include "server/service/raw_service.h"
#include "storage/group.h"

namespace server::service {

// How it ended, once, on any thread; dropped: the node stops.
using GroupDone = absl::AnyInvocable<void(absl::Status) &&>;

// Whether who asked still waits, and long enough for an answer to arrive; one
// that set no deadline does until it leaves. Thread-safe.
using IsWaiting = std::function<bool()>;

class NodeService : public RawService {
 public:
  // What the node does. Called on any thread; must not block.
  struct Groups {
    std::function<void(storage::Group, GroupDone)> bootstrap;
    std::function<void(storage::Group, IsWaiting, GroupDone)> join;
    std::function<void(base::PartitionId, GroupDone)> leave;
  };

  // `events` and `gateway` must outlive it.
  NodeService(Groups groups, NodeEvents& events, Gateway& gateway);

 private:
  void Bootstrap(const std::shared_ptr<UnaryCall>& call,
                 absl::string_view request);
  void Join(const std::shared_ptr<UnaryCall>& call, absl::string_view request);
  void Leave(const std::shared_ptr<UnaryCall>& call, absl::string_view request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(
      grpc::CallbackServerContext& context, absl::string_view request);
  // False: the call was refused.
  bool Enter(const std::shared_ptr<UnaryCall>& call, absl::string_view rpc,
             base::PartitionId group);

  const Groups groups_;
  NodeEvents& events_;
  Gateway& gateway_;
};

// The group that a controller describes. InvalidArgument names the field.
absl::StatusOr<storage::Group> GroupOf(
    const atomix::multiraft::v1::GroupConfig& config);

}  // namespace server::service

#endif  // SERVER_SERVICE_NODE_SERVICE_H_
