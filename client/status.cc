#include "client/status.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace client {
namespace {

using Headers = atomix::multiraft::v1::OperationResponseHeaders;

// Names of payloads on our own statuses.
constexpr char kSessionLost[] = "multiraft/session-lost";
constexpr char kOutcomeUnknown[] = "multiraft/outcome-unknown";

// A server that asks for more is not believed.
constexpr int64_t kRetryAfterMaxMs = 60'000;

// The value of one key of the trailing metadata, or "".
std::string Metadata(const grpc::ClientContext& context, const char* key) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto it = metadata.find(key);
  if (it == metadata.end()) return "";
  return std::string(it->second.data(), it->second.size());
}

// gRPC's own words for a server that is not there, cut to what people need.
std::string Shortened(const std::string& message) {
  if (!absl::StartsWith(message, "failed to connect to all addresses")) {
    return message;
  }
  const size_t colon = message.rfind(": ");
  if (colon == std::string::npos) return "no connection";
  return "no connection: " + message.substr(colon + 2);
}

absl::StatusCode CodeOf(Headers::Status status) {
  switch (status) {
    case Headers::OK:
      return absl::StatusCode::kOk;
    case Headers::CANCELED:
      return absl::StatusCode::kCancelled;
    case Headers::NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case Headers::ALREADY_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case Headers::UNAUTHORIZED:
      return absl::StatusCode::kUnauthenticated;
    case Headers::FORBIDDEN:
      return absl::StatusCode::kPermissionDenied;
    case Headers::CONFLICT:
      return absl::StatusCode::kAborted;
    case Headers::INVALID:
      return absl::StatusCode::kInvalidArgument;
    case Headers::UNAVAILABLE:
      return absl::StatusCode::kUnavailable;
    case Headers::NOT_SUPPORTED:
      return absl::StatusCode::kUnimplemented;
    case Headers::TIMEOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case Headers::INTERNAL:
      return absl::StatusCode::kInternal;
    case Headers::FAULT:
      return absl::StatusCode::kDataLoss;
    default:  // ERROR, UNKNOWN, and what a newer server may add.
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

bool IsSessionLost(const absl::Status& status) {
  return status.GetPayload(kSessionLost).has_value();
}

bool IsOutcomeUnknown(const absl::Status& status) {
  return status.GetPayload(kOutcomeUnknown).has_value();
}

AttemptEnd ReadEnd(const grpc::Status& status,
                   const grpc::ClientContext& context) {
  AttemptEnd end;
  if (status.ok()) return end;
  end.status = absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                            Shortened(status.error_message()));
  end.not_proposed = Metadata(context, "multiraft-outcome") == "not-proposed";
  end.answered = !Metadata(context, "multiraft-outcome").empty();
  end.leader = Metadata(context, "multiraft-leader");
  int64_t retry_after_ms = 0;
  if (absl::SimpleAtoi(Metadata(context, "multiraft-retry-after-ms"),
                       &retry_after_ms)) {
    end.retry_after_ns =
        std::clamp<int64_t>(retry_after_ms, 0, kRetryAfterMaxMs) * 1'000'000;
  }
  return end;
}

bool SaysSessionIsGone(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kDataLoss) return true;
  // The older answer. The text tells it from a call that is not allowed.
  return status.code() == absl::StatusCode::kPermissionDenied &&
         absl::StrContains(status.message(), "session not found");
}

absl::Status FromHeaders(const Headers& headers) {
  const absl::StatusCode code = CodeOf(headers.status());
  if (code == absl::StatusCode::kOk) return absl::OkStatus();
  if (!headers.message().empty()) return absl::Status(code, headers.message());
  // "NOT_FOUND" is a better message than none.
  return absl::Status(
      code, absl::AsciiStrToLower(absl::StrReplaceAll(
                Headers::Status_Name(headers.status()), {{"_", " "}})));
}

absl::Status SessionLostError(absl::string_view message) {
  absl::Status status = absl::FailedPreconditionError(message);
  status.SetPayload(kSessionLost, absl::Cord("1"));
  return status;
}

absl::Status WithUnknownOutcome(absl::Status status) {
  status.SetPayload(kOutcomeUnknown, absl::Cord("1"));
  return status;
}

}  // namespace client
