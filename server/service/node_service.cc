#include "server/service/node_service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "base/status_macros.h"
#include "partition/membership.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;

// Of a DNS name.
constexpr size_t kHostBytesMax = 253;
constexpr int32_t kPortMax = 65535;

// There are no sessions here: what is not found is a group.
constexpr ErrorProfile kProfile{.unknown_session = absl::StatusCode::kNotFound};

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::StatusOr<storage::GroupRole> RoleOf(v1::MemberRole role) {
  switch (role) {
    case v1::UNKNOWN:
    case v1::MEMBER:
      return storage::GroupRole::kMember;
    case v1::OBSERVER:
      return storage::GroupRole::kObserver;
    case v1::WITNESS:
      return storage::GroupRole::kWitness;
    default:
      return Invalid("group.role",
                     absl::StrCat(static_cast<int>(role),
                                  " is none of MEMBER, OBSERVER, WITNESS"));
  }
}

bool IsHost(absl::string_view host) {
  return !host.empty() && host.size() <= kHostBytesMax &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
                  c != '/' && c != ',';
         });
}

// "host:port", an IPv6 address in brackets.
std::string AddressOf(const v1::MemberConfig& member) {
  const std::string& host = member.host();
  const bool is_bare_v6 =
      host.find(':') != std::string::npos && host.front() != '[';
  return is_bare_v6 ? absl::StrCat("[", host, "]:", member.port())
                    : absl::StrCat(host, ":", member.port());
}

absl::StatusOr<storage::GroupMember> MemberOf(const v1::MemberConfig& member,
                                              absl::string_view field) {
  if (member.member_id() == 0) {
    return Invalid(absl::StrCat(field, ".member_id"), "members count from 1");
  }
  if (!IsHost(member.host())) {
    return Invalid(
        absl::StrCat(field, ".host"),
        absl::StrCat("\"", absl::CHexEscape(member.host()), "\" is no host"));
  }
  if (member.port() <= 0 || member.port() > kPortMax) {
    return Invalid(absl::StrCat(field, ".port"),
                   absl::StrCat(member.port(), " is no port"));
  }
  return storage::GroupMember{.node = base::NodeId(member.member_id()),
                              .peer_address = AddressOf(member)};
}

// Fails the call when it is dropped unused: the node stops.
class Answer {
 public:
  explicit Answer(std::shared_ptr<UnaryCall> call) : call_(std::move(call)) {}
  Answer(Answer&&) = default;
  ~Answer() {
    if (call_ == nullptr) return;
    call_->Fail({.refusal = {.status = absl::UnavailableError(
                                 "the server is shutting down"),
                             .outcome = partition::Outcome::kUnknown}});
  }

  // All three responses are empty.
  void Complete(absl::Status status) && {
    const std::shared_ptr<UnaryCall> call = std::move(call_);
    if (status.ok()) return call->Answer("");
    call->Fail({.refusal = {.status = std::move(status)}});
  }

 private:
  std::shared_ptr<UnaryCall> call_;
};

GroupDone AnswerWith(const std::shared_ptr<UnaryCall>& call) {
  return [answer = Answer(call)](absl::Status status) mutable {
    std::move(answer).Complete(std::move(status));
  };
}

// The last moments of a deadline are for the answer's way.
constexpr auto kWayBack = std::chrono::milliseconds(200);

IsWaiting WatchCaller(UnaryCall& call) {
  auto has_left = std::make_shared<std::atomic<bool>>(false);
  call.OnCancelled([has_left] { has_left->store(true); });
  const auto now = std::chrono::system_clock::now();
  const auto deadline = call.context().deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return [has_left] { return !has_left->load(); };
  }
  const auto until =
      deadline - std::min<std::chrono::system_clock::duration>(
                     kWayBack, std::max(deadline - now, {}) / 10);
  return [has_left, until] {
    return !has_left->load() && std::chrono::system_clock::now() < until;
  };
}

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
  if (!request.has_group()) return Invalid("group", "there is none");
  return GroupOf(request.group());
}

}  // namespace

absl::StatusOr<storage::Group> GroupOf(const v1::GroupConfig& config) {
  if (config.group_id() == 0) {
    return Invalid("group.group_id", "groups count from 1");
  }
  if (config.member_id() == 0) {
    return Invalid("group.member_id", "members count from 1");
  }
  storage::Group group{.id = base::PartitionId(config.group_id()),
                       .self = base::NodeId(config.member_id())};
  ASSIGN_OR_RETURN(group.role, RoleOf(config.role()));
  if (config.members().empty()) {
    return Invalid("group.members", "there are none");
  }
  for (int i = 0; i < config.members_size(); ++i) {
    ASSIGN_OR_RETURN(
        storage::GroupMember member,
        MemberOf(config.members(i), absl::StrCat("group.members[", i, "]")));
    group.members.push_back(std::move(member));
  }
  std::sort(group.members.begin(), group.members.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  for (size_t i = 1; i < group.members.size(); ++i) {
    if (group.members[i].node == group.members[i - 1].node) {
      return Invalid("group.members",
                     absl::StrCat("member ", group.members[i].node.value(),
                                  " is there twice"));
    }
  }
  if (group.AddressOfSelf().empty()) {
    return Invalid("group.members",
                   absl::StrCat("member ", config.member_id(),
                                ", which is to run here, is not among them"));
  }
  return group;
}

NodeService::NodeService(Groups groups, NodeEvents& events, Gateway& gateway)
    : RawService("atomix.multiraft.v1.Node"),
      groups_(std::move(groups)),
      events_(events),
      gateway_(gateway) {
  AddUnary("Bootstrap", kProfile,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Bootstrap(call, request); });
  AddUnary("Join", kProfile,
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Join(call, request); });
  AddUnary("Leave", kProfile,
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
  if (group->members.size() > partition::kInitialReplicasMax) {
    return call->Reject(
        Invalid("group.members",
                absl::StrCat("there are ", group->members.size(),
                             ": a group begins with ",
                             partition::kInitialReplicasMax, " at most")));
  }
  if (!Enter(call, "Bootstrap", group->id)) return;
  groups_.bootstrap(*std::move(group), AnswerWith(call));
}

void NodeService::Join(const std::shared_ptr<UnaryCall>& call,
                       absl::string_view bytes) {
  v1::JoinRequest request;
  if (!Decode(call, bytes, request)) return;
  absl::StatusOr<storage::Group> group = GroupIn(request);
  if (!group.ok()) return call->Reject(group.status());
  if (group->members.size() == 1) {
    return call->Reject(Invalid(
        "group.members", "there is nobody to join beside the local member"));
  }
  if (!Enter(call, "Join", group->id)) return;
  groups_.join(*std::move(group), WatchCaller(*call), AnswerWith(call));
}

void NodeService::Leave(const std::shared_ptr<UnaryCall>& call,
                        absl::string_view bytes) {
  v1::LeaveRequest request;
  if (!Decode(call, bytes, request)) return;
  if (request.group_id() == 0) {
    return call->Reject(Invalid("group_id", "groups count from 1"));
  }
  const base::PartitionId group(request.group_id());
  if (!Enter(call, "Leave", group)) return;
  groups_.leave(group, AnswerWith(call));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* NodeService::Watch(
    grpc::CallbackServerContext& context, absl::string_view bytes) {
  v1::WatchRequest request;
  if (!ParseMessage(bytes, request)) {
    return RejectStream(
        context, gateway_.streams(),
        absl::InvalidArgumentError("the request does not decode"), kProfile);
  }
  auto entered =
      gateway_.EnterAll(context, {.service = name(), .rpc = "Watch"});
  if (!entered.ok()) {
    return gateway_.RefuseStream(context, std::move(entered.refusal), kProfile);
  }
  std::shared_ptr<const void> place = gateway_.watches().Take();
  if (place == nullptr) return gateway_.RefuseWatch(context);
  return events_.Open(context, gateway_.streams(), std::move(place));
}

}  // namespace server::service
