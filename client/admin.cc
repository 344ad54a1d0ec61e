#include "client/admin.h"

#include <optional>

#include "base/status_macros.h"
#include "client/call.h"
#include "grpcpp/client_context.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"

namespace client {
namespace api = multiraft::admin::v1;

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

}  // namespace client
