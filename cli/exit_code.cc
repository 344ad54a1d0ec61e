#include "cli/exit_code.h"

#include "absl/strings/cord.h"
#include "client/client.h"

namespace cli {
namespace {

constexpr char kIsUsage[] = "multiraftctl/usage";

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kOk;
  if (status.GetPayload(kIsUsage).has_value()) return kUsage;
  if (client::IsSessionLost(status)) return kSessionLost;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kUnavailable;
    default:
      return kRefused;
  }
}

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kIsUsage, absl::Cord("1"));
  return status;
}

}  // namespace cli
