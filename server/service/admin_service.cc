#include "server/service/admin_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace server::service {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr uint64_t kNanosPerSecond = 1'000'000'000;

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
  to.set_machine_version(from.machine_version);
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

}  // namespace

AdminService::AdminService(DescribeNode describe_node, Gateway& gateway)
    : RawService("multiraft.admin.v1.Admin"),
      describe_node_(std::move(describe_node)),
      gateway_(gateway) {
  AddUnary("Status", {},
           [this](const std::shared_ptr<UnaryCall>& call,
                  absl::string_view request) { Status(call, request); });
}

void AdminService::Status(const std::shared_ptr<UnaryCall>& call,
                          absl::string_view bytes) {
  admin::StatusRequest request;
  if (!ParseMessage(bytes, request)) {
    return call->Reject(
        absl::InvalidArgumentError("the request does not decode"));
  }
  auto entered =
      gateway_.EnterAll(call->context(), {.service = name(), .rpc = "Status"});
  if (!entered.ok()) return call->Fail({.refusal = entered.refusal});
  admin::StatusResponse response;
  describe_node_(response);
  auto gathering = std::make_shared<Gathering>(call, std::move(response));
  for (partition::Partition* partition : entered.value) {
    partition->GetStatus([gathering](partition::PartitionStatus&& status) {
      gathering->Add(status);
    });
  }
}

}  // namespace server::service
