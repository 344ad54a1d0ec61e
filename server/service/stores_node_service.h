// StoresNodeService is atomix.stores.raft.v1.Node, for the controllers of the
// second generation of the API: what NodeService does, in other words, and
// changes of members from any member of a group.

#ifndef SERVER_SERVICE_STORES_NODE_SERVICE_H_
#define SERVER_SERVICE_STORES_NODE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "server/service/gateway.h"
#include "server/service/node_events.h"
#include "server/service/node_requests.h"
#include "server/service/raw_service.h"

namespace server::service {

class StoresNodeService : public RawService {
 public:
  // `events` and `gateway` must outlive it.
  StoresNodeService(GroupActions actions, NodeEvents& events, Gateway& gateway);

 private:
  using Call = std::shared_ptr<UnaryCall>;

  void GetConfig(const Call& call, absl::string_view request);
  void BootstrapGroup(const Call& call, absl::string_view request);
  void AddMember(const Call& call, absl::string_view request);
  void RemoveMember(const Call& call, absl::string_view request);
  void JoinGroup(const Call& call, absl::string_view request);
  void LeaveGroup(const Call& call, absl::string_view request);
  void DeleteData(const Call& call, absl::string_view request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(
      grpc::CallbackServerContext& context, absl::string_view request);

  // The replica of a group that is here. Null: there is none, or the call was
  // refused, which `refused` then says.
  std::shared_ptr<partition::Partition> Find(const Call& call,
                                             absl::string_view rpc,
                                             base::PartitionId group,
                                             bool& refused);

  // Calls `then` with the present members if they are those of `version` (0:
  // whoever they are); otherwise the call is answered. `done` answers it.
  using Then =
      absl::AnyInvocable<void(const raft::Configuration&, GroupDone done) &&>;
  void WithMembers(const Call& call, absl::string_view rpc,
                   base::PartitionId group, uint64_t version, Then then);

  // Groups that this process was told to be a member of. Callers hold a share
  // beyond this object's life.
  struct Told {
    base::Mutex mu;
    std::set<base::PartitionId> groups ABSL_GUARDED_BY(mu);
  };
  // As AnswerWith, and remembers (or forgets) the group if that is so.
  GroupDone AnswerAndTell(const Call& call, base::PartitionId group, bool told);

  const GroupActions actions_;
  NodeEvents& events_;
  Gateway& gateway_;
  const std::shared_ptr<Told> told_ = std::make_shared<Told>();
};

// Names a configuration, never 0: equal ones have equal versions on all nodes.
uint64_t VersionOf(const raft::Configuration& configuration);

}  // namespace server::service

#endif  // SERVER_SERVICE_STORES_NODE_SERVICE_H_
