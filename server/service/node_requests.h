// What the node services of both generations of the API have in common: what
// controllers say of groups and their members, checked, and what the node then
// does.

#ifndef SERVER_SERVICE_NODE_REQUESTS_H_
#define SERVER_SERVICE_NODE_REQUESTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "server/service/error.h"
#include "server/service/unary_call.h"
#include "storage/group.h"

namespace server::service {

// How it ended, once, on any thread; dropped: the node stops.
using GroupDone = absl::AnyInvocable<void(absl::Status) &&>;

// Whether who asked still waits, and long enough for an answer to arrive; one
// that set no deadline does until it leaves. Thread-safe.
using IsWaiting = std::function<bool()>;

// What the node does (server/cluster/groups.h). Called on any thread; must not
// block.
struct GroupActions {
  std::function<void(storage::Group, GroupDone)> bootstrap;
  std::function<void(storage::Group, IsWaiting, GroupDone)> join;
  // This node is to become a member of the group, and will be told by another.
  std::function<void(base::PartitionId, base::NodeId self, GroupDone)> expect;
  std::function<void(base::PartitionId, GroupDone)> leave;
  // Has the node that `group` is for join it.
  std::function<void(storage::Group, GroupDone)> add;
  std::function<void(base::PartitionId, base::NodeId, GroupDone)> remove;
};

// There are no sessions here: what is not found is a group.
inline constexpr ErrorProfile kNodeProfile{.unknown_session =
                                               absl::StatusCode::kNotFound};

// InvalidArgument: "field: what".
absl::Status InvalidField(absl::string_view field, absl::string_view what);

// The number of a group or a member. InvalidArgument: it is 0.
absl::Status CheckNumber(absl::string_view field, uint32_t number);

// A role by its number, which is the same in both generations.
absl::StatusOr<storage::GroupRole> ParseRole(absl::string_view field, int role);
int NumberOf(storage::GroupRole role);

// A member, and what is wrong with it: `field`.host, say.
absl::StatusOr<storage::GroupMember> ParseMember(absl::string_view field,
                                                 uint32_t member_id,
                                                 const std::string& host,
                                                 int32_t port);

// Where a member is: the address of ParseMember, taken apart.
struct HostPort {
  std::string host;
  int32_t port = 0;
};
HostPort HostPortOf(const std::string& address);

// Sorts the members, of which there must be some, each once, and the local one
// among them. `field` is what they are called.
absl::Status CompleteMembers(absl::string_view field, storage::Group& group);

// A group that begins: not too many.
absl::Status CheckFirstMembers(absl::string_view field,
                               const storage::Group& group);

// REQUIRES: in the call's handler.
IsWaiting WatchCaller(UnaryCall& call);

// Ends a call whose response is empty.
GroupDone AnswerWith(const std::shared_ptr<UnaryCall>& call);

}  // namespace server::service

#endif  // SERVER_SERVICE_NODE_REQUESTS_H_
