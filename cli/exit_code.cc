#include "cli/exit_code.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"

namespace cli {
namespace {

constexpr char kIsUsage[] = "multiraftctl/usage";
constexpr char kExitWith[] = "multiraftctl/exit";

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kOk;
  if (status.GetPayload(kIsUsage).has_value()) return kUsage;
  if (const auto code = status.GetPayload(kExitWith)) {
    int number = kRefused;
    (void)absl::SimpleAtoi(std::string(*code), &number);
    return static_cast<ExitCode>(number);
  }
  if (client::IsSessionLost(status)) return kSessionLost;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kUnavailable;
    default:
      return kRefused;
  }
}

absl::Status ExitWith(int code) {
  if (code == 0) return absl::OkStatus();
  absl::Status status = absl::UnknownError(absl::StrCat("exit code ", code));
  status.SetPayload(kExitWith, absl::Cord(absl::StrCat(code)));
  return status;
}

bool IsExitWith(const absl::Status& status) {
  return status.GetPayload(kExitWith).has_value();
}

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kIsUsage, absl::Cord("1"));
  return status;
}

}  // namespace cli
