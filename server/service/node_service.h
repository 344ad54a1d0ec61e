// NodeService is atomix.multiraft.v1.Node, for controllers: which groups
// (partitions) have a replica on this node, and what happens to them.
//
// It checks and translates; what is asked for is done by the node
// (server/cluster/groups.h).

#ifndef SERVER_SERVICE_NODE_SERVICE_H_
#define SERVER_SERVICE_NODE_SERVICE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "atomix/multiraft/v1/config.pb.h"
#include "base/ids.h"
#include "server/service/gateway.h"
#include "server/service/node_events.h"
#include "server/service/node_requests.h"
#include "server/service/raw_service.h"
#include "storage/group.h"

namespace server::service {

class NodeService : public RawService {
 public:
  // `events` and `gateway` must outlive it.
  NodeService(GroupActions actions, NodeEvents& events, Gateway& gateway);

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

  const GroupActions actions_;
  NodeEvents& events_;
  Gateway& gateway_;
};

// The group that a controller describes. InvalidArgument names the field.
absl::StatusOr<storage::Group> GroupOf(
    const atomix::multiraft::v1::GroupConfig& config);

}  // namespace server::service

#endif  // SERVER_SERVICE_NODE_SERVICE_H_
