// What multiraftctl exits with: scripts depend on the numbers, so they do not
// change. `multiraftctl help exit-codes` says the same.

#ifndef CLI_EXIT_CODE_H_
#define CLI_EXIT_CODE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cli {

enum ExitCode : int {
  kOk = 0,
  kRefused = 1,      // The server answered no: not found, conflict, too large.
  kUsage = 2,        // The command line makes no sense; nothing was sent.
  kUnavailable = 3,  // No answer in time. A command may have been applied.
  kSessionLost = 4,  // The session is unknown, expired or closed.
};

ExitCode ExitCodeOf(const absl::Status& status);

// What `exec` exits with as its command did, and says nothing of: OK for 0.
absl::Status ExitWith(int code);
// `status` is one of these.
bool IsExitWith(const absl::Status& status);

// A mistake in the command line.
absl::Status UsageError(absl::string_view message);

}  // namespace cli

#endif  // CLI_EXIT_CODE_H_
