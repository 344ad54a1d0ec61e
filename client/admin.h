// What operators ask a server: no session, nothing changed.

#ifndef CLIENT_ADMIN_H_
#define CLIENT_ADMIN_H_

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace client {

// The node as it is now. kUnavailable, kDeadlineExceeded: it does not answer.
absl::StatusOr<multiraft::admin::v1::StatusResponse> NodeStatus(
    Connection& connection);

}  // namespace client

#endif  // CLIENT_ADMIN_H_
