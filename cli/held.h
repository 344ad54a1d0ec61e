// What verbs have in common that wait for what others have, and hold it: locks,
// and the lead of an election. A session holds, so a command with a session of
// its own holds until Ctrl-C, and one with --session leaves it held.

#ifndef CLI_HELD_H_
#define CLI_HELD_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "cli/exit_code.h"
#include "cli/run.h"
#include "cli/verb.h"

namespace cli {

inline std::vector<Flag> WaitFlags() {
  return {{"wait", "DURATION", "Wait so long at most, then exit with 1"},
          {"no-wait", "", "Exit with 1 if it cannot be had at once"}};
}

// What these say: nothing to wait without limit.
inline absl::StatusOr<std::optional<absl::Duration>> WaitLimit(Run& run) {
  if (run.flags().Has("no-wait")) return absl::ZeroDuration();
  if (!run.flags().Has("wait")) return std::nullopt;
  ASSIGN_OR_RETURN(const absl::Duration limit,
                   run.flags().Duration("wait", absl::ZeroDuration()));
  return limit;
}

// Without --session, stays until Ctrl-C or until the session is lost.
inline absl::Status HoldUntilInterrupt(Run& run) {
  if (run.flags().Has("session")) return absl::OkStatus();
  run.out().flush();
  return run.AwaitInterrupt();
}

// For what only the session that holds can do.
inline absl::Status WantsSession(Run& run, const std::string& why) {
  if (run.flags().Has("session")) return absl::OkStatus();
  return UsageError(absl::StrCat("--session is missing: ", why));
}

}  // namespace cli

#endif  // CLI_HELD_H_
