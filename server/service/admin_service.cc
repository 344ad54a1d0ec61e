#include "server/service/admin_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "raft/configuration.h"
#include "server/service/member_format.h"

namespace server::service {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr uint64_t kNanosPerSecond = 1'000'000'000;
constexpr uint64_t kNanosPerMilli = 1'000'000;

// In one answer: well below a millisecond of the partition's time.
constexpr size_t kSessionsMax = 1000;

void Fill(const session::SessionInfo& from, uint64_t now_ns,
          admin::SessionStatus& to) {
  to.set_session_id(from.id.value());
  to.set_timeout_ms(from.timeout_ns / kNanosPerMilli);
  to.set_expires_in_ms(from.deadline_ns > now_ns
                           ? (from.deadline_ns - now_ns) / kNanosPerMilli
                           : 0);
  to.set_open_commands(from.open_commands);
  to.set_cached_bytes(from.cached_bytes);
}

admin::Role RoleOf(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return admin::ROLE_FOLLOWER;
    case raft::Role::kPreCandidate:
      return admin::ROLE_PRE_CANDIDATE;
    case raft::Role::kCandidate:
      return admin::ROLE_CANDIDATE;
    case raft::Role::kLeader:
      return admin::ROLE_LEADER;
  }
  return admin::ROLE_UNSPECIFIED;
}

void FillMembers(const partition::PartitionStatus& from,
                 admin::PartitionStatus& to) {
  AddMembers(from.configuration, *to.mutable_members());
  for (admin::Member& one : *to.mutable_members()) {
    if (one.replica_id() == from.soft_state.leader.value()) {
      to.set_leader_node(one.node().node_id());
    }
    for (const raft::FollowerStatus& follower : from.followers) {
      if (follower.replica.value() != one.replica_id()) continue;
      one.set_match_index(follower.match_index.value());
      one.set_silent_ms(follower.silent_ticks * from.tick_ns / kNanosPerMilli);
    }
  }
}

void Fill(const partition::PartitionStatus& from, admin::PartitionStatus& to) {
  to.set_partition_id(from.id.value());
  to.set_replica_id(from.replica.value());
  to.set_role(RoleOf(from.soft_state.role));
  to.set_term(from.soft_state.term.value());
  to.set_leader(from.soft_state.leader.value());
  to.set_first_index(from.first_index.value());
  to.set_last_index(from.last_index.value());
  to.set_commit_index(from.commit_index.value());
  to.set_applied_index(from.applied_index.value());
  to.set_durable_index(from.durable_index.value());
  to.set_image_index(from.image_index.value());
  to.set_verified_index(from.verified_index.value());
  to.set_digest_index(from.digest_index.value());
  to.set_digest(from.digest);
  to.set_alarm(from.alarm);
  to.set_machine_version(from.machine_version);
  to.set_machine_version_max(from.machine_version_max);
  to.set_machine_version_since(from.machine_version_since);
  to.set_index(from.index);
  to.set_sessions(from.counts.sessions);
  to.set_primitives(from.counts.primitives);
  to.set_open_commands(from.counts.open_commands);
  to.set_state_bytes(from.state_bytes);
  to.mutable_log_time()->set_seconds(
      static_cast<int64_t>(from.log_time_ns / kNanosPerSecond));
  to.mutable_log_time()->set_nanos(
      static_cast<int32_t>(from.log_time_ns % kNanosPerSecond));
  to.set_healthy(from.problem.empty());
  to.set_problem(from.problem);
  FillMembers(from, to);
}

// Gathers the partitions' answers; the last share answers the call, also if a
// partition that stops drops its own without answering.
class Gathering {
 public:
  Gathering(std::shared_ptr<UnaryCall> call, admin::StatusResponse response)
      : call_(std::move(call)), response_(std::move(response)) {}

  ~Gathering() {
    base::MutexLock lock(mu_);
    std::sort(response_.mutable_partitions()->begin(),
              response_.mutable_partitions()->end(),
              [](const auto& a, const auto& b) {
                return a.partition_id() < b.partition_id();
              });
    call_->Answer(response_.SerializeAsString());
  }

  void Add(const partition::PartitionStatus& status) {
    base::MutexLock lock(mu_);
    Fill(status, *response_.add_partitions());
  }

 private:
  const std::shared_ptr<UnaryCall> call_;

  base::Mutex mu_;
  admin::StatusResponse response_ ABSL_GUARDED_BY(mu_);
};

// A transfer of leadership on its way: find the replica, hand over, wait until
// somebody leads. A partition that stops drops its part of it unasked; the last
// share then ends the call.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(std::shared_ptr<UnaryCall> call,
           const std::shared_ptr<partition::Partition>& partition,
           base::NodeId node, std::function<void()> stay)
      : call_(std::move(call)),
        partition_(partition),
        node_(node),
        stay_(std::move(stay)) {}

  ~Transfer() {
    call_->Fail({.refusal = {.status = absl::UnavailableError(
                                 "this node left the partition, or stops"),
                             .outcome = partition::Outcome::kUnknown}});
  }

  // REQUIRES: in the call's handler.
  void Start() {
    call_->OnCancelled([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->ListenNoMore();
    });
    const auto partition = partition_.lock();
    if (partition == nullptr) return;
    partition->GetStatus(
        [self = shared_from_this()](partition::PartitionStatus&& status) {
          self->HandOver(status);
        });
  }

 private:
  void HandOver(const partition::PartitionStatus& status);

  void AwaitLeader() {
    const auto partition = partition_.lock();
    if (partition == nullptr) return;
    const uint64_t id = partition->AddLeaderListener(
        [self = shared_from_this()](const partition::LeaderInfo& info) {
          self->Hear(info);
        });
    base::MutexLock lock(mu_);
    listener_ = id;
    if (ended_) partition->RemoveLeaderListener(listener_);
  }

  void Hear(const partition::LeaderInfo& info) {
    if (info.leader == raft::ReplicaId{}) return;
    admin::TransferLeaderResponse response;
    response.set_leader_node(info.leader_node.value());
    call_->Answer(response.SerializeAsString());
    ListenNoMore();
  }

  // It was answered, or its caller is gone: nobody may lead for long.
  void ListenNoMore() {
    base::MutexLock lock(mu_);
    const auto partition = partition_.lock();
    if (!ended_ && listener_ != 0 && partition != nullptr) {
      partition->RemoveLeaderListener(listener_);
    }
    ended_ = true;
  }

  const std::shared_ptr<UnaryCall> call_;
  // Weak: the listener would keep it.
  const std::weak_ptr<partition::Partition> partition_;
  const base::NodeId node_;
  const std::function<void()> stay_;  // It is to go on leading here.

  base::Mutex mu_;
  uint64_t listener_ ABSL_GUARDED_BY(mu_) = 0;  // 0: not known yet.
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

// Who is to lead: nullopt if that node has no replica.
std::optional<raft::ReplicaId> ReplicaOn(
    base::NodeId node, const raft::Configuration& configuration) {
  if (node == base::NodeId{}) return raft::ReplicaId{};
  for (const raft::Member& member : configuration.members) {
    if (member.node == node) return member.replica;
  }
  return std::nullopt;
}

// Where clients reach the leader, as this replica knows it; or "".
std::string LeaderAddress(const partition::PartitionStatus& status) {
  const raft::Member* leader =
      status.configuration.FindMember(status.soft_state.leader);
  return leader == nullptr ? "" : leader->api_address;
}

void Transfer::HandOver(const partition::PartitionStatus& status) {
  if (status.soft_state.role != raft::Role::kLeader) {
    return call_->Fail(
        {.refusal = {
             .status = absl::UnavailableError(absl::StrCat(
                 "this node does not lead partition ", status.id.value())),
             .leader = LeaderAddress(status)}});
  }
  const auto target = ReplicaOn(node_, status.configuration);
  if (!target.has_value()) {
    return call_->Reject(absl::FailedPreconditionError(
        absl::StrCat("node ", node_.value(), " has no replica of partition ",
                     status.id.value())));
  }
  if (*target == status.replica) stay_();
  const auto partition = partition_.lock();
  if (partition == nullptr) return;
  partition->TransferLeadership(
      *target, [self = shared_from_this()](absl::Status moved) {
        if (moved.ok()) return self->AwaitLeader();
        self->call_->Fail({.refusal = {.status = std::move(moved)}});
      });
}

// False: the call was refused.
template <class Request>
bool Decode(const std::shared_ptr<UnaryCall>& call, absl::string_view bytes,
            Request& request) {
  if (ParseMessage(bytes, request)) return true;
  call->Reject(absl::InvalidArgumentError("the request does not decode"));
  return false;
}

}  // namespace

AdminService::AdminService(Node node, Gateway& gateway)
    : RawService("multiraft.admin.v1.Admin"),
      node_(std::move(node)),
      gateway_(gateway),
      members_(node_.ask, gateway) {
  AddUnary("Status", {},
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Status(call, request); });
  AddUnary(
      "ResumePartition", {},
      [this](const std::shared_ptr<UnaryCall>& call,
             absl::string_view request) { ResumePartition(call, request); });
  AddUnary(
      "TransferLeader", {},
      [this](const std::shared_ptr<UnaryCall>& call,
             absl::string_view request) { TransferLeader(call, request); });
  AddUnary("ChangeMembers", {},
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) {
             members_.ChangeMembers(call, request);
           });
  AddUnary("ListSessions", {},
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { ListSessions(call, request); });
}

void AdminService::Status(const std::shared_ptr<UnaryCall>& call,
                          absl::string_view bytes) {
  admin::StatusRequest request;
  if (!Decode(call, bytes, request)) return;
  auto entered =
      gateway_.EnterAll(call->context(), {.service = name(), .rpc = "Status"});
  if (!entered.ok()) return call->Fail({.refusal = entered.refusal});
  admin::StatusResponse response;
  node_.describe(response);
  auto gathering = std::make_shared<Gathering>(call, std::move(response));
  for (const auto& partition : entered.value) {
    partition->GetStatus([gathering](partition::PartitionStatus&& status) {
      gathering->Add(status);
    });
  }
}

void AdminService::ResumePartition(const std::shared_ptr<UnaryCall>& call,
                                   absl::string_view bytes) {
  admin::ResumePartitionRequest request;
  if (!Decode(call, bytes, request)) return;
  const base::PartitionId id(request.partition_id());
  auto entered = gateway_.Enter(
      call->context(),
      {.service = name(), .rpc = "ResumePartition", .partition = id});
  if (!entered.ok()) return call->Fail({.refusal = entered.refusal});
  entered.value->ResumeApplying([call](absl::Status resumed) {
    if (!resumed.ok()) {
      return call->Fail({.refusal = {.status = std::move(resumed)}});
    }
    call->Answer(admin::ResumePartitionResponse().SerializeAsString());
  });
}

void AdminService::TransferLeader(const std::shared_ptr<UnaryCall>& call,
                                  absl::string_view bytes) {
  admin::TransferLeaderRequest request;
  if (!Decode(call, bytes, request)) return;
  const base::PartitionId id(request.partition_id());
  auto entered = gateway_.Enter(
      call->context(),
      {.service = name(), .rpc = "TransferLeader", .partition = id});
  if (!entered.ok()) return call->Fail({.refusal = entered.refusal});
  std::make_shared<Transfer>(call, entered.value,
                             base::NodeId(request.node_id()),
                             [this, id] { node_.keep_leading(id); })
      ->Start();
}

void AdminService::ListSessions(const std::shared_ptr<UnaryCall>& call,
                                absl::string_view bytes) {
  admin::ListSessionsRequest request;
  if (!Decode(call, bytes, request)) return;
  auto entered =
      gateway_.Enter(call->context(),
                     {.service = name(),
                      .rpc = "ListSessions",
                      .partition = base::PartitionId(request.partition_id())});
  if (!entered.ok()) return call->Fail({.refusal = entered.refusal});
  size_t max = request.sessions_max();
  if (max == 0 || max > kSessionsMax) max = kSessionsMax;
  entered.value->ListSessions(
      session::SessionId(request.after_session_id()), max,
      [call, max](absl::StatusOr<partition::SessionPage> page) {
        if (!page.ok()) {
          return call->Fail({.refusal = {.status = page.status()}});
        }
        admin::ListSessionsResponse response;
        response.set_more(page->sessions.size() == max);
        for (const session::SessionInfo& from : page->sessions) {
          Fill(from, page->log_time_ns, *response.add_sessions());
        }
        call->Answer(response.SerializeAsString());
      });
}

}  // namespace server::service
