// MemberHandler answers Admin.ChangeMembers: who takes part in a partition.
//
// It translates: the partition decides and does (partition/membership.h). What
// only the new node knows, its data directory and its addresses, is asked of
// it first.

#ifndef SERVER_SERVICE_MEMBER_HANDLER_H_
#define SERVER_SERVICE_MEMBER_HANDLER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "partition/membership.h"
#include "server/service/gateway.h"
#include "server/service/unary_call.h"

namespace server::service {

// A node, as it says of itself.
struct NodeIdentity {
  base::NodeId node;
  uint64_t incarnation = 0;
  std::string peer_address;
  std::string api_address;
};

// Asks the node at a peer address who it is. `done` is called once, on any
// thread. FailedPrecondition: it is of another cluster, or of none yet.
// Unavailable, in a few words: there is no answer.
using AskNode = std::function<void(
    const std::string& peer_address,
    absl::AnyInvocable<void(absl::StatusOr<NodeIdentity>) &&> done)>;

class MemberHandler {
 public:
  // `gateway` must outlive it. `ask_node` is null on a node that is alone.
  MemberHandler(AskNode ask_node, Gateway& gateway);

  void ChangeMembers(const std::shared_ptr<UnaryCall>& call,
                     absl::string_view request);

 private:
  const AskNode ask_node_;
  Gateway& gateway_;
};

// InvalidArgument, naming the field, if the request says nothing that can be
// done.
absl::Status CheckRequest(
    const multiraft::admin::v1::ChangeMembersRequest& request);

}  // namespace server::service

#endif  // SERVER_SERVICE_MEMBER_HANDLER_H_
