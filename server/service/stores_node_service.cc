#include "server/service/stores_node_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/stores/raft/v1/node.pb.h"
#include "base/hash.h"
#include "base/status_macros.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::stores::raft::v1;

partition::Refusal NotHere(base::PartitionId group) {
  return {.status = absl::NotFoundError(absl::StrCat(
              "this node has no replica of group ", group.value())),
          .outcome = partition::Outcome::kNotProposed};
}

template <class Request>
absl::Status Decode(absl::string_view bytes, Request& request) {
  if (!ParseMessage(bytes, request)) {
    return absl::InvalidArgumentError("the request does not decode");
  }
  if constexpr (requires { request.group_id(); }) {
    return CheckNumber("group_id", request.group_id());
  }
  return absl::OkStatus();
}

absl::StatusOr<storage::Group> GroupOf(
    const v1::BootstrapGroupRequest& request) {
  RETURN_IF_ERROR(CheckNumber("member_id", request.member_id()));
  storage::Group group{.id = base::PartitionId(request.group_id()),
                       .self = base::NodeId(request.member_id())};
  for (int i = 0; i < request.members_size(); ++i) {
    const v1::MemberConfig& member = request.members(i);
    if (member.role() == v1::REMOVED) continue;
    const std::string field = absl::StrCat("members[", i, "]");
    ASSIGN_OR_RETURN(const storage::GroupRole role,
                     ParseRole(absl::StrCat(field, ".role"), member.role()));
    ASSIGN_OR_RETURN(
        storage::GroupMember parsed,
        ParseMember(field, member.member_id(), member.host(), member.port()));
    if (parsed.node == group.self) group.role = role;
    group.members.push_back(std::move(parsed));
  }
  RETURN_IF_ERROR(CompleteMembers("members", group));
  RETURN_IF_ERROR(CheckFirstMembers("members", group));
  return group;
}

storage::GroupRole RoleOf(const raft::Configuration& configuration,
                          const raft::Member& member) {
  if (!configuration.IsVoter(member.replica)) {
    return storage::GroupRole::kObserver;
  }
  return member.priority == 0 ? storage::GroupRole::kWitness
                              : storage::GroupRole::kMember;
}

void FillGroup(base::PartitionId id, const raft::Configuration& configuration,
               v1::GroupConfig& group) {
  group.set_group_id(id.value());
  group.set_version(VersionOf(configuration));
  for (const raft::Member& member : configuration.members) {
    v1::MemberConfig& one = *group.add_members();
    const HostPort at = HostPortOf(member.peer_address);
    one.set_member_id(member.node.value());
    one.set_host(at.host);
    one.set_port(at.port);
    one.set_role(
        static_cast<v1::MemberRole>(NumberOf(RoleOf(configuration, member))));
  }
}

// A group as the one who joins it is told of it: `group` has its number and
// the new member.
storage::Group WithPresent(storage::Group group,
                           const raft::Configuration& configuration) {
  for (const raft::Member& member : configuration.members) {
    if (member.node == group.self) continue;
    group.members.push_back(
        {.node = member.node, .peer_address = member.peer_address});
  }
  std::sort(group.members.begin(), group.members.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  return group;
}

}  // namespace

uint64_t VersionOf(const raft::Configuration& configuration) {
  return std::max<uint64_t>(
      base::Hash64(raft::EncodeConfiguration(configuration)), 1);
}

StoresNodeService::StoresNodeService(GroupActions actions, NodeEvents& events,
                                     Gateway& gateway)
    : RawService("atomix.stores.raft.v1.Node"),
      actions_(std::move(actions)),
      events_(events),
      gateway_(gateway) {
  const auto add = [this](absl::string_view rpc,
                          void (StoresNodeService::*handle)(
                              const Call&, absl::string_view)) {
    AddUnary(rpc, kNodeProfile,
             [this, handle](const Call& call, absl::string_view request) {
               (this->*handle)(call, request);
             });
  };
  add("GetConfig", &StoresNodeService::GetConfig);
  add("BootstrapGroup", &StoresNodeService::BootstrapGroup);
  add("AddMember", &StoresNodeService::AddMember);
  add("RemoveMember", &StoresNodeService::RemoveMember);
  add("JoinGroup", &StoresNodeService::JoinGroup);
  add("LeaveGroup", &StoresNodeService::LeaveGroup);
  add("DeleteData", &StoresNodeService::DeleteData);
  AddServerStream("Watch", [this](grpc::CallbackServerContext& context,
                                  absl::string_view request) {
    return Watch(context, request);
  });
}

std::shared_ptr<partition::Partition> StoresNodeService::Find(
    const Call& call, absl::string_view rpc, base::PartitionId group,
    bool& refused) {
  auto entered = gateway_.EnterAll(
      call->context(), {.service = name(),
                        .rpc = rpc,
                        .writes = rpc != absl::string_view("GetConfig"),
                        .partition = group});
  refused = !entered.ok();
  if (refused) {
    call->Fail({.refusal = std::move(entered.refusal)});
    return nullptr;
  }
  for (auto& partition : entered.value) {
    if (partition->id() == group) return partition;
  }
  return nullptr;
}

void StoresNodeService::WithMembers(const Call& call, absl::string_view rpc,
                                    base::PartitionId group, uint64_t version,
                                    Then then) {
  bool refused = false;
  const auto partition = Find(call, rpc, group, refused);
  if (refused) return;
  if (partition == nullptr) return call->Fail({.refusal = NotHere(group)});
  // A partition that stops drops this, and with it the call's end.
  partition->GetStatus(
      [call, group, version, then = std::move(then),
       done = AnswerWith(call)](partition::PartitionStatus&& status) mutable {
        if (status.configuration.members.empty()) {
          return call->Reject(absl::UnavailableError(
              absl::StrCat("the replica of group ", group.value(),
                           " does not know its members yet")));
        }
        const uint64_t present = VersionOf(status.configuration);
        if (version != 0 && version != present) {
          return call->Reject(absl::AbortedError(
              absl::StrCat("group ", group.value(), " has version ", present,
                           " of its members, not ", version)));
        }
        std::move(then)(status.configuration, std::move(done));
      });
}

GroupDone StoresNodeService::AnswerAndTell(const Call& call,
                                           base::PartitionId group, bool told) {
  return [answer = AnswerWith(call), group, told,
          shared = told_](absl::Status status) mutable {
    if (status.ok()) {
      base::MutexLock lock(shared->mu);
      if (told) {
        shared->groups.insert(group);
      } else {
        shared->groups.erase(group);
      }
    }
    std::move(answer)(std::move(status));
  };
}

void StoresNodeService::GetConfig(const Call& call, absl::string_view bytes) {
  v1::GetConfigRequest request;
  if (absl::Status wrong = Decode(bytes, request); !wrong.ok()) {
    return call->Reject(std::move(wrong));
  }
  const base::PartitionId group(request.group_id());
  WithMembers(
      call, "GetConfig", group, /*version=*/0,
      [call, group](const raft::Configuration& configuration, GroupDone) {
        v1::GetConfigResponse response;
        FillGroup(group, configuration, *response.mutable_group());
        call->Answer(response.SerializeAsString());
      });
}

void StoresNodeService::BootstrapGroup(const Call& call,
                                       absl::string_view bytes) {
  v1::BootstrapGroupRequest request;
  absl::Status wrong = Decode(bytes, request);
  if (!wrong.ok()) return call->Reject(std::move(wrong));
  absl::StatusOr<storage::Group> group = GroupOf(request);
  if (!group.ok()) return call->Reject(group.status());
  bool refused = false;
  Find(call, "BootstrapGroup", group->id, refused);
  if (refused) return;
  const base::PartitionId id = group->id;
  actions_.bootstrap(*std::move(group), AnswerAndTell(call, id, /*told=*/true));
}

void StoresNodeService::AddMember(const Call& call, absl::string_view bytes) {
  v1::AddMemberRequest request;
  absl::Status wrong = Decode(bytes, request);
  if (wrong.ok() && request.version() == 0) {
    wrong = InvalidField("version", "it is required");
  }
  if (!wrong.ok()) return call->Reject(std::move(wrong));
  const absl::StatusOr<storage::GroupRole> role =
      ParseRole("member.role", request.member().role());
  const absl::StatusOr<storage::GroupMember> member =
      ParseMember("member", request.member().member_id(),
                  request.member().host(), request.member().port());
  if (!member.ok()) return call->Reject(member.status());
  if (!role.ok()) return call->Reject(role.status());
  storage::Group group{.id = base::PartitionId(request.group_id()),
                       .self = member->node,
                       .role = *role,
                       .members = {*member}};
  const base::PartitionId id = group.id;
  WithMembers(
      call, "AddMember", id, request.version(),
      [this, group = std::move(group)](const raft::Configuration& configuration,
                                       GroupDone done) mutable {
        actions_.add(WithPresent(std::move(group), configuration),
                     std::move(done));
      });
}

void StoresNodeService::RemoveMember(const Call& call,
                                     absl::string_view bytes) {
  v1::RemoveMemberRequest request;
  absl::Status wrong = Decode(bytes, request);
  if (wrong.ok()) wrong = CheckNumber("member_id", request.member_id());
  if (wrong.ok() && request.version() == 0) {
    wrong = InvalidField("version", "it is required");
  }
  if (!wrong.ok()) return call->Reject(std::move(wrong));
  const base::PartitionId group(request.group_id());
  WithMembers(call, "RemoveMember", group, request.version(),
              [this, group, member = base::NodeId(request.member_id())](
                  const raft::Configuration&, GroupDone done) {
                actions_.remove(group, member, std::move(done));
              });
}

void StoresNodeService::JoinGroup(const Call& call, absl::string_view bytes) {
  v1::JoinGroupRequest request;
  absl::Status wrong = Decode(bytes, request);
  if (wrong.ok()) wrong = CheckNumber("member_id", request.member_id());
  if (!wrong.ok()) return call->Reject(std::move(wrong));
  const base::PartitionId group(request.group_id());
  bool refused = false;
  Find(call, "JoinGroup", group, refused);
  if (refused) return;
  bool again = false;
  {
    base::MutexLock lock(told_->mu);
    again = told_->groups.contains(group);
  }
  if (again) {
    return call->Reject(absl::AlreadyExistsError(
        absl::StrCat("this node has joined group ", group.value())));
  }
  actions_.expect(group, base::NodeId(request.member_id()),
                  AnswerAndTell(call, group, /*told=*/true));
}

void StoresNodeService::LeaveGroup(const Call& call, absl::string_view bytes) {
  v1::LeaveGroupRequest request;
  absl::Status wrong = Decode(bytes, request);
  if (!wrong.ok()) return call->Reject(std::move(wrong));
  const base::PartitionId group(request.group_id());
  bool refused = false;
  Find(call, "LeaveGroup", group, refused);
  if (refused) return;
  actions_.leave(group, AnswerAndTell(call, group, /*told=*/false));
}

void StoresNodeService::DeleteData(const Call& call, absl::string_view bytes) {
  v1::DeleteDataRequest request;
  absl::Status wrong = Decode(bytes, request);
  if (wrong.ok()) wrong = CheckNumber("member_id", request.member_id());
  if (!wrong.ok()) return call->Reject(std::move(wrong));
  const base::PartitionId group(request.group_id());
  bool refused = false;
  const auto here = Find(call, "DeleteData", group, refused);
  if (refused) return;
  if (here != nullptr) {
    return call->Reject(absl::FailedPreconditionError(
        absl::StrCat("the replica of group ", group.value(),
                     " runs here; LeaveGroup first")));
  }
  // Nothing runs, so this forgets what is left: a group that has not begun.
  actions_.leave(group, AnswerAndTell(call, group, /*told=*/false));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* StoresNodeService::Watch(
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
  // The events of both generations are the same bytes.
  return events_.Open(context, gateway_.streams(), std::move(place));
}

}  // namespace server::service
