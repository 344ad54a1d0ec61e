// How a failed call is told to its client, and read back: the one place where
// a Refusal becomes a grpc::Status with its trailing metadata, and the one
// where they become a Refusal again.
//
//   multiraft-outcome         not-proposed | unknown
//   multiraft-leader          host:port of the leader's client API, if it is
//                             known
//   multiraft-not-leader      1: the node that was asked does not lead
//   multiraft-retry-after-ms  when a retry may succeed

#ifndef SERVER_SERVICE_ERROR_H_
#define SERVER_SERVICE_ERROR_H_

#include <grpcpp/support/status.h>
#include <grpcpp/support/string_ref.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "partition/caller.h"

namespace server::service {

struct Error {
  partition::Refusal refusal;
};

struct WireError {
  grpc::Status status;
  std::vector<std::pair<std::string, std::string>> trailers;
};

// What differs between RPCs.
struct ErrorProfile {
  // A session that does not exist (partition::UnknownSession).
  absl::StatusCode unknown_session = absl::StatusCode::kPermissionDenied;

  // Sending the same request again does what sending it once does. Not so for
  // OpenSession and CloseSession: drivers must not retry those by themselves
  // when the outcome is unknown, so then they are DEADLINE_EXCEEDED.
  bool repeatable = true;
};

WireError EncodeError(const Error& error, const ErrorProfile& profile);

// What EncodeError made, as a client receives it. Without our metadata (a proxy
// or gRPC itself failed the call) the outcome is unknown.
Error DecodeError(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers);

}  // namespace server::service

#endif  // SERVER_SERVICE_ERROR_H_
