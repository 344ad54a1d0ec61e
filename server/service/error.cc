#include "server/service/error.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace server::service {
namespace {

using partition::Outcome;

constexpr char kOutcome[] = "multiraft-outcome";
constexpr char kLeader[] = "multiraft-leader";
constexpr char kNotLeader[] = "multiraft-not-leader";
constexpr char kRetryAfter[] = "multiraft-retry-after-ms";

constexpr char kNotProposed[] = "not-proposed";
constexpr char kUnknown[] = "unknown";

std::string Find(
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers,
    const char* key) {
  auto found = trailers.find(key);
  if (found == trailers.end()) return "";
  return std::string(found->second.data(), found->second.size());
}

}  // namespace

WireError EncodeError(const Error& error, const ErrorProfile& profile) {
  const partition::Refusal& refusal = error.refusal;
  if (refusal.status.ok()) return {};

  absl::StatusCode code = refusal.status.code();
  if (code == absl::StatusCode::kNotFound) code = profile.unknown_session;
  if (!profile.repeatable && refusal.outcome == Outcome::kUnknown) {
    code = absl::StatusCode::kDeadlineExceeded;
  }
  // The codes of both libraries are the same numbers.
  WireError wire{.status = grpc::Status(static_cast<grpc::StatusCode>(code),
                                        std::string(refusal.status.message()))};
  wire.trailers.emplace_back(
      kOutcome, refusal.outcome == Outcome::kUnknown ? kUnknown : kNotProposed);
  if (!refusal.leader.empty()) {
    wire.trailers.emplace_back(kLeader, refusal.leader);
  }
  if (refusal.not_leader) wire.trailers.emplace_back(kNotLeader, "1");
  if (refusal.retry_after_ms != 0) {
    wire.trailers.emplace_back(kRetryAfter,
                               absl::StrCat(refusal.retry_after_ms));
  }
  return wire;
}

Error DecodeError(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers) {
  Error error;
  if (status.ok()) return error;
  error.refusal.status =
      absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                   status.error_message());
  error.refusal.outcome = Find(trailers, kOutcome) == kNotProposed
                              ? Outcome::kNotProposed
                              : Outcome::kUnknown;
  error.refusal.leader = Find(trailers, kLeader);
  error.refusal.not_leader = !Find(trailers, kNotLeader).empty();
  // Malformed: no hint.
  if (!absl::SimpleAtoi(Find(trailers, kRetryAfter),
                        &error.refusal.retry_after_ms)) {
    error.refusal.retry_after_ms = 0;
  }
  return error;
}

}  // namespace server::service
