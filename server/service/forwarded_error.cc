#include "server/service/forwarded_error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace server::service {
namespace {

// What a refusal suggests: about an election.
constexpr uint32_t kRetryAfterMs = 500;

}  // namespace

Error ForwardedError(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers,
    const transport::Route& route) {
  Error error = DecodeError(status, trailers);
  if (error.refusal.leader.empty()) error.refusal.leader = route.api_address;
  if (status.ok() || trailers.find("multiraft-outcome") != trailers.end()) {
    return error;
  }
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return error;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::UNIMPLEMENTED:
      error.refusal.outcome = partition::Outcome::kNotProposed;
      return error;
    default:
      break;
  }
  error.refusal.status = absl::UnavailableError(absl::StrCat(
      "node ", route.node.value(), ", which leads partition ",
      route.partition.value(), ", did not answer: ", status.error_message()));
  error.refusal.retry_after_ms = kRetryAfterMs;
  // gRPC says so only of a call that it did not start to send.
  if (absl::StartsWith(status.error_message(), "failed to connect to all")) {
    error.refusal.outcome = partition::Outcome::kNotProposed;
  }
  return error;
}

}  // namespace server::service
