// How the end of a call becomes an absl::Status: the one place for it.
//
//   kNotFound, kAlreadyExists, kAborted (a conflict), ...   what the primitive
//       answered (OperationResponseHeaders.status);
//   kUnavailable, kDeadlineExceeded   no server took the call in time. If
//       IsOutcomeUnknown, a command may have been applied, or may be yet;
//   kFailedPrecondition with IsSessionLost   the session has expired or was
//       closed: what it held (locks, candidacies, streams) is gone.

#ifndef CLIENT_STATUS_H_
#define CLIENT_STATUS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace atomix::multiraft::v1 {
class OperationResponseHeaders;
}
namespace grpc {
class ClientContext;
class Status;
}  // namespace grpc

namespace client {

// True if the session that the call was made in no longer exists.
bool IsSessionLost(const absl::Status& status);

// True if a command failed and may have been applied all the same.
bool IsOutcomeUnknown(const absl::Status& status);

// For the client's own use from here on.

// How one attempt of a call ended, as gRPC says.
struct AttemptEnd {
  absl::Status status;
  // The server says that it did not take the command.
  bool not_proposed = false;
  // It comes from a server, not from gRPC on this side for want of one.
  bool answered = false;
  // The server asks for this pause before the next attempt.
  int64_t retry_after_ns = 0;
  // Where the server thinks the leader is, "host:port", or "".
  std::string leader;
};

// Reads a finished attempt with its trailing metadata.
AttemptEnd ReadEnd(const grpc::Status& status,
                   const grpc::ClientContext& context);

// True if a call that names a session ended so because there is none.
bool SaysSessionIsGone(const absl::Status& status);

// OK, or what the primitive answered.
absl::Status FromHeaders(
    const atomix::multiraft::v1::OperationResponseHeaders& headers);

absl::Status SessionLostError(absl::string_view message);

// `status`, marked so that IsOutcomeUnknown is true. REQUIRES: !status.ok().
absl::Status WithUnknownOutcome(absl::Status status);

}  // namespace client

#endif  // CLIENT_STATUS_H_
