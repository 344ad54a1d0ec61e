#include "client/admin.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "client/call.h"
#include "client/status.h"
#include "grpcpp/client_context.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"

namespace client {
namespace api = multiraft::admin::v1;
namespace {

// Asks one server for its status while others are asked.
class StatusCall {
 public:
  StatusCall(const std::string& server, absl::Duration timeout)
      : connection_({.server = server, .call_timeout = timeout}),
        stub_(api::Admin::NewStub(connection_.channel())) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          absl::ToChronoMilliseconds(timeout));
  }

  void Start() {
    stub_->async()->Status(&context_, &request_, &response_,
                           [this](const grpc::Status& status) {
                             base::MutexLock lock(mu_);
                             end_ = ReadEnd(status, context_).status;
                             ended_.SignalAll();
                           });
  }

  absl::StatusOr<api::StatusResponse> Await() {
    base::MutexLock lock(mu_);
    while (!end_.has_value()) ended_.Wait(mu_);
    if (!end_->ok()) return *end_;
    return std::move(response_);
  }

 private:
  Connection connection_;
  const std::unique_ptr<api::Admin::Stub> stub_;
  grpc::ClientContext context_;  // gRPC's, until the call has ended.
  const api::StatusRequest request_;
  api::StatusResponse response_;

  base::Mutex mu_;
  base::CondVar ended_;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::StatusOr<api::StatusResponse> NodeStatus(Connection& connection) {
  const auto stub = api::Admin::NewStub(connection.channel());
  Call call(connection, {.deadline_ns = connection.CallDeadlineNanos()});
  while (true) {
    grpc::ClientContext context;
    api::StatusResponse response;
    RETURN_IF_ERROR(call.Begin(context));
    const grpc::Status status =
        stub->Status(&context, api::StatusRequest(), &response);
    const std::optional<absl::Status> end = call.End(status, context);
    if (!end.has_value()) continue;
    RETURN_IF_ERROR(*end);
    return response;
  }
}

std::vector<absl::StatusOr<api::StatusResponse>> NodeStatuses(
    const std::vector<std::string>& servers, absl::Duration timeout) {
  std::vector<std::unique_ptr<StatusCall>> calls;
  for (const std::string& server : servers) {
    calls.push_back(std::make_unique<StatusCall>(server, timeout));
    calls.back()->Start();
  }
  std::vector<absl::StatusOr<api::StatusResponse>> answers;
  for (const auto& call : calls) answers.push_back(call->Await());
  return answers;
}

absl::Status ResumePartition(Connection& connection, uint32_t partition) {
  const auto stub = api::Admin::NewStub(connection.channel());
  Call call(connection, {.deadline_ns = connection.CallDeadlineNanos()});
  grpc::ClientContext context;
  api::ResumePartitionRequest request;
  request.set_partition_id(partition);
  api::ResumePartitionResponse response;
  RETURN_IF_ERROR(call.Begin(context));
  const grpc::Status status =
      stub->ResumePartition(&context, request, &response);
  const std::optional<absl::Status> end = call.End(status, context);
  return end.has_value() ? *end : ReadEnd(status, context).status;
}

absl::StatusOr<uint32_t> TransferLeader(Connection& connection,
                                        uint32_t partition, uint32_t node) {
  const auto stub = api::Admin::NewStub(connection.channel());
  Call call(connection, {.deadline_ns = connection.CallDeadlineNanos()});
  grpc::ClientContext context;
  api::TransferLeaderRequest request;
  request.set_partition_id(partition);
  request.set_node_id(node);
  api::TransferLeaderResponse response;
  RETURN_IF_ERROR(call.Begin(context));
  const grpc::Status status =
      stub->TransferLeader(&context, request, &response);
  // Once: whoever leads by the next attempt may be another node.
  const std::optional<absl::Status> end = call.End(status, context);
  RETURN_IF_ERROR(end.has_value() ? *end : ReadEnd(status, context).status);
  return response.leader_node();
}

absl::StatusOr<api::ChangeMembersResponse> ChangeMembers(
    Connection& connection, const api::ChangeMembersRequest& request) {
  const auto stub = api::Admin::NewStub(connection.channel());
  Call call(connection, {.deadline_ns = connection.CallDeadlineNanos()});
  while (true) {
    grpc::ClientContext context;
    api::ChangeMembersResponse response;
    RETURN_IF_ERROR(call.Begin(context));
    const grpc::Status status =
        stub->ChangeMembers(&context, request, &response);
    const std::optional<absl::Status> end = call.End(status, context);
    if (!end.has_value()) continue;
    RETURN_IF_ERROR(*end);
    return response;
  }
}

absl::StatusOr<api::ListSessionsResponse> ListSessions(Connection& connection,
                                                       uint32_t partition,
                                                       uint64_t after,
                                                       uint32_t max) {
  api::ListSessionsRequest request;
  request.set_partition_id(partition);
  request.set_after_session_id(after);
  request.set_sessions_max(max);
  Call call(connection, {.deadline_ns = connection.CallDeadlineNanos()});
  while (true) {
    grpc::ClientContext context;
    api::ListSessionsResponse response;
    RETURN_IF_ERROR(call.Begin(context));
    const auto stub = api::Admin::NewStub(call.channel());
    const grpc::Status status =
        stub->ListSessions(&context, request, &response);
    const std::optional<absl::Status> end = call.End(status, context);
    if (!end.has_value()) continue;
    RETURN_IF_ERROR(*end);
    return response;
  }
}

}  // namespace client
