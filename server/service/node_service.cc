#include "server/service/node_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "base/status_macros.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;

// False: the call was refused.
template <class Request>
bool Decode(const std::shared_ptr<UnaryCall>& call, absl::string_view bytes,
            Request& request) {
  if (ParseMessage(bytes, request)) return true;
  call->Reject(absl::InvalidArgumentError("the request does not decode"));
  return false;
}

template <class Request>
absl::StatusOr<storage::Group> GroupIn(const Request& request) {
  if (!request.has_group()) return InvalidField("group", "there is none");
  return GroupOf(request.group());
}

}  // namespace

absl::StatusOr<storage::Group> GroupOf(const v1::GroupConfig& config) {
  RETURN_IF_ERROR(CheckNumber("group.group_id", config.group_id()));
  RETURN_IF_ERROR(CheckNumber("group.member_id", config.member_id()));
  storage::Group group{.id = base::PartitionId(config.group_id()),
                       .self = base::NodeId(config.member_id())};
  ASSIGN_OR_RETURN(group.role, ParseRole("group.role", config.role()));
  for (int i = 0; i < config.members_size(); ++i) {
    const v1::MemberConfig& member = config.members(i);
    ASSIGN_OR_RETURN(
        storage::GroupMember parsed,
        ParseMember(absl::StrCat("group.members[", i, "]"), member.member_id(),
                    member.host(), member.port()));
    group.members.push_back(std::move(parsed));
  }
  RETURN_IF_ERROR(CompleteMembers("group.members", group));
  return group;
}

NodeService::NodeService(GroupActions actions, NodeEvents& events,
                         Gateway& gateway)
    : RawService("atomix.multiraft.v1.Node"),
      actions_(std::move(actions)),
      events_(events),
      gateway_(gateway) {
  AddUnary("Bootstrap", kNodeProfile,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Bootstrap(call, request); });
  AddUnary("Join", kNodeProfile,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Join(call, request); });
  AddUnary("Leave", kNodeProfile,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Leave(call, request); });
  AddServerStream("Watch", [this](grpc::CallbackServerContext& context,
                                  absl::string_view request) {
    return Watch(context, request);
  });
}

bool NodeService::Enter(const std::shared_ptr<UnaryCall>& call,
                        absl::string_view rpc, base::PartitionId group) {
  auto entered = gateway_.EnterAll(
      call->context(),
      {.service = name(), .rpc = rpc, .writes = true, .partition = group});
  if (entered.ok()) return true;
  call->Fail({.refusal = std::move(entered.refusal)});
  return false;
}

void NodeService::Bootstrap(const std::shared_ptr<UnaryCall>& call,
                            absl::string_view bytes) {
  v1::BootstrapRequest request;
  if (!Decode(call, bytes, request)) return;
  absl::StatusOr<storage::Group> group = GroupIn(request);
  if (!group.ok()) return call->Reject(group.status());
  if (absl::Status first = CheckFirstMembers("group.members", *group);
      !first.ok()) {
    return call->Reject(std::move(first));
  }
  if (!Enter(call, "Bootstrap", group->id)) return;
  actions_.bootstrap(*std::move(group), AnswerWith(call));
}

void NodeService::Join(const std::shared_ptr<UnaryCall>& call,
                       absl::string_view bytes) {
  v1::JoinRequest request;
  if (!Decode(call, bytes, request)) return;
  absl::StatusOr<storage::Group> group = GroupIn(request);
  if (!group.ok()) return call->Reject(group.status());
  if (group->members.size() == 1) {
    return call->Reject(InvalidField(
        "group.members", "there is nobody to join beside the local member"));
  }
  if (!Enter(call, "Join", group->id)) return;
  actions_.join(*std::move(group), WatchCaller(*call), AnswerWith(call));
}

void NodeService::Leave(const std::shared_ptr<UnaryCall>& call,
                        absl::string_view bytes) {
  v1::LeaveRequest request;
  if (!Decode(call, bytes, request)) return;
  if (request.group_id() == 0) {
    return call->Reject(InvalidField("group_id", "groups count from 1"));
  }
  const base::PartitionId group(request.group_id());
  if (!Enter(call, "Leave", group)) return;
  actions_.leave(group, AnswerWith(call));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* NodeService::Watch(
    grpc::CallbackServerContext& context, absl::string_view bytes) {
  v1::WatchRequest request;
  if (!ParseMessage(bytes, request)) {
    return RejectStream(
        context, gateway_.streams(),
        absl::InvalidArgumentError("the request does not decode"),
        kNodeProfile);
  }
  auto entered =
      gateway_.EnterAll(context, {.service = name(), .rpc = "Watch"});
  if (!entered.ok()) {
    return gateway_.RefuseStream(context, std::move(entered.refusal),
                                 kNodeProfile);
  }
  std::shared_ptr<const void> place = gateway_.watches().Take();
  if (place == nullptr) return gateway_.RefuseWatch(context);
  return events_.Open(context, gateway_.streams(), std::move(place));
}

}  // namespace server::service
