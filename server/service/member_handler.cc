#include "server/service/member_handler.h"

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "server/service/member_format.h"
#include "server/service/raw_service.h"

namespace server::service {
namespace {

namespace admin = ::multiraft::admin::v1;
using Kind = partition::MemberChange::Kind;

absl::Status CheckNode(absl::string_view field, uint32_t node) {
  if (node != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": nodes count from 1"));
}

absl::Status CheckAddress(absl::string_view field, absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon != absl::string_view::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 &&
      port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", address, "\" is not HOST:PORT"));
}

absl::Status CheckUpdate(const admin::UpdateMember& update) {
  RETURN_IF_ERROR(CheckNode("update.node_id", update.node_id()));
  if (update.has_peer_address()) {
    RETURN_IF_ERROR(CheckAddress("update.peer_address", update.peer_address()));
  }
  if (update.has_api_address()) {
    RETURN_IF_ERROR(CheckAddress("update.api_address", update.api_address()));
  }
  return absl::OkStatus();
}

// The node that must be asked who it is: its number and address. 0: none.
std::pair<uint32_t, std::string> NewNode(
    const admin::ChangeMembersRequest& request) {
  if (request.has_add()) {
    return {request.add().node_id(), request.add().peer_address()};
  }
  if (request.has_replace()) {
    return {request.replace().new_node_id(), request.replace().peer_address()};
  }
  return {};
}

bool IsReachedAs(const raft::Member& a, const raft::Member& b) {
  return a.peer_address == b.peer_address && a.api_address == b.api_address;
}

// One call: ask the new node, then the partition. A partition that stops drops
// its part unasked; the last share then ends the call.
class Change : public std::enable_shared_from_this<Change> {
 public:
  Change(std::shared_ptr<UnaryCall> call,
         const std::shared_ptr<partition::Partition>& partition,
         admin::ChangeMembersRequest request)
      : call_(std::move(call)),
        partition_(partition),
        request_(std::move(request)) {}

  ~Change() {
    call_->Fail({.refusal = {.status = absl::UnavailableError(
                                 "this node left the partition, or stops"),
                             .outcome = partition::Outcome::kUnknown}});
  }

  void Start(const AskNode& ask_node) {
    const auto [node, address] = NewNode(request_);
    if (node != 0) return Ask(ask_node, base::NodeId(node), address);
    if (!request_.has_update()) {
      const bool promotes = request_.has_promote();
      return Run(
          {.kind = promotes ? Kind::kPromote : Kind::kRemove,
           .node = base::NodeId(promotes ? request_.promote().node_id()
                                         : request_.remove().node_id())});
    }
    const auto partition = partition_.lock();
    if (partition == nullptr) return;
    partition->GetStatus([self = shared_from_this(),
                          ask_node](partition::PartitionStatus&& status) {
      self->Update(ask_node, status.configuration);
    });
  }

 private:
  void Ask(const AskNode& ask_node, base::NodeId node,
           const std::string& address) {
    if (ask_node == nullptr) {
      return call_->Reject(absl::FailedPreconditionError(
          "this node was started alone, without --cluster, and cannot have "
          "others"));
    }
    ask_node(address, [self = shared_from_this(), node,
                       address](absl::StatusOr<NodeIdentity> who) {
      self->Admit(node, address, std::move(who));
    });
  }

  void Admit(base::NodeId node, const std::string& address,
             absl::StatusOr<NodeIdentity> who) {
    if (absl::IsUnavailable(who.status())) {
      // Nothing that passes by itself: somebody has to start it.
      return call_->Reject(absl::FailedPreconditionError(
          absl::StrCat("node ", node.value(), " cannot be reached at ", address,
                       ": ", who.status().message(),
                       "; start it with --join first, or correct the "
                       "address")));
    }
    if (!who.ok()) {
      return call_->Reject(absl::FailedPreconditionError(
          absl::StrCat("at ", address, ": ", who.status().message())));
    }
    if (who->node != node) {
      return call_->Reject(absl::FailedPreconditionError(
          absl::StrCat("at ", address, " is node ", who->node.value(),
                       ", not node ", node.value())));
    }
    const bool replaces = request_.has_replace();
    Run({.kind = replaces                   ? Kind::kReplace
                 : request_.add().learner() ? Kind::kAddLearner
                                            : Kind::kAdd,
         .node = base::NodeId(replaces ? request_.replace().node_id() : 0),
         .member = {.node = who->node,
                    .incarnation = who->incarnation,
                    .peer_address = who->peer_address,
                    .api_address = who->api_address}});
  }

  void Update(const AskNode& ask_node,
              const raft::Configuration& configuration) {
    const admin::UpdateMember& update = request_.update();
    const raft::Member* found = nullptr;
    for (const raft::Member& member : configuration.members) {
      if (member.node.value() == update.node_id() &&
          (update.incarnation() == 0 ||
           update.incarnation() == member.incarnation)) {
        found = &member;
      }
    }
    if (found == nullptr) {
      return call_->Reject(absl::FailedPreconditionError(absl::StrCat(
          "node ", update.node_id(), " has no replica of partition ",
          request_.partition_id())));
    }
    raft::Member wanted = *found;
    if (update.has_peer_address()) wanted.peer_address = update.peer_address();
    if (update.has_api_address()) wanted.api_address = update.api_address();
    if (update.has_priority()) wanted.priority = update.priority();
    if (ask_node == nullptr || IsReachedAs(*found, wanted)) {
      return RunUpdate(wanted);
    }
    // Where it was, and if it is not there, where it shall be.
    AskMember(ask_node, *found, found->peer_address, wanted,
              [self = shared_from_this(), ask_node, member = *found, wanted] {
                self->AskMember(ask_node, member, wanted.peer_address, wanted,
                                [self, wanted] { self->RunUpdate(wanted); });
              });
  }

  // What a node that is up says of itself would be put back within seconds.
  void AskMember(const AskNode& ask_node, const raft::Member& member,
                 const std::string& address, const raft::Member& wanted,
                 std::function<void()> if_not_there) {
    ask_node(address, [self = shared_from_this(), member, wanted,
                       if_not_there = std::move(if_not_there)](
                          absl::StatusOr<NodeIdentity> who) {
      if (!who.ok() || who->node != member.node ||
          who->incarnation != member.incarnation) {
        return if_not_there();
      }
      if (who->peer_address == wanted.peer_address &&
          who->api_address == wanted.api_address) {
        return self->RunUpdate(wanted);
      }
      self->call_->Reject(absl::FailedPreconditionError(absl::StrCat(
          "node ", member.node.value(), " is up and says itself that it is at ",
          who->peer_address, " and, for clients, at ", who->api_address,
          "; to change that restart it with --advertise_peer and "
          "--advertise_api")));
    });
  }

  void RunUpdate(const raft::Member& wanted) {
    Run({.kind = Kind::kUpdate, .node = wanted.node, .member = wanted});
  }

  void Run(partition::MemberChange change) {
    change.force = request_.force();
    const std::string what = partition::Describe(change);
    const auto partition = partition_.lock();
    if (partition == nullptr) return;
    partition->ChangeMembers(std::move(change),
                             [self = shared_from_this(),
                              what](absl::StatusOr<raft::Configuration> now) {
                               self->End(what, std::move(now));
                             });
  }

  void End(const std::string& what, absl::StatusOr<raft::Configuration> now) {
    if (now.ok()) {
      admin::ChangeMembersResponse response;
      AddMembers(*now, *response.mutable_members());
      return call_->Answer(response.SerializeAsString());
    }
    absl::Status why(
        now.status().code(),
        absl::StrCat("partition ", request_.partition_id(), ": cannot ", what,
                     ": ", now.status().message()));
    call_->Fail({.refusal = {.status = std::move(why)}});
  }

  const std::shared_ptr<UnaryCall> call_;
  // Weak: the partition keeps this while the change is under way.
  const std::weak_ptr<partition::Partition> partition_;
  const admin::ChangeMembersRequest request_;
};

}  // namespace

absl::Status CheckRequest(const admin::ChangeMembersRequest& request) {
  if (request.partition_id() == 0) {
    return absl::InvalidArgumentError("partition_id: partitions count from 1");
  }
  switch (request.change_case()) {
    case admin::ChangeMembersRequest::kAdd:
      RETURN_IF_ERROR(CheckNode("add.node_id", request.add().node_id()));
      return CheckAddress("add.peer_address", request.add().peer_address());
    case admin::ChangeMembersRequest::kPromote:
      return CheckNode("promote.node_id", request.promote().node_id());
    case admin::ChangeMembersRequest::kRemove:
      return CheckNode("remove.node_id", request.remove().node_id());
    case admin::ChangeMembersRequest::kReplace:
      RETURN_IF_ERROR(
          CheckNode("replace.node_id", request.replace().node_id()));
      RETURN_IF_ERROR(
          CheckNode("replace.new_node_id", request.replace().new_node_id()));
      return CheckAddress("replace.peer_address",
                          request.replace().peer_address());
    case admin::ChangeMembersRequest::kUpdate:
      return CheckUpdate(request.update());
    case admin::ChangeMembersRequest::CHANGE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("change: there is none");
}

MemberHandler::MemberHandler(AskNode ask_node, Gateway& gateway)
    : ask_node_(std::move(ask_node)), gateway_(gateway) {}

void MemberHandler::ChangeMembers(const std::shared_ptr<UnaryCall>& call,
                                  absl::string_view bytes) {
  admin::ChangeMembersRequest request;
  if (!ParseMessage(bytes, request)) {
    return call->Reject(
        absl::InvalidArgumentError("the request does not decode"));
  }
  if (absl::Status wrong = CheckRequest(request); !wrong.ok()) {
    return call->Reject(std::move(wrong));
  }
  const DecodedOperation operation{
      .service = "multiraft.admin.v1.Admin",
      .rpc = "ChangeMembers",
      .writes = true,
      .partition = base::PartitionId(request.partition_id())};
  const auto partition = gateway_.Route(call, operation, bytes);
  if (partition == nullptr) return;
  std::make_shared<Change>(call, partition, std::move(request))
      ->Start(ask_node_);
}

}  // namespace server::service
