// The verbs `lock` and `unlock` of maps and counter maps, which lock keys.

#ifndef CLI_KEY_VERBS_H_
#define CLI_KEY_VERBS_H_

#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "cli/held.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verb.h"

namespace cli {

// That one Lock may name.
inline constexpr size_t kLockKeysMax = 256;

inline std::vector<std::string> KeysOf(Run& run) {
  std::vector<std::string> keys;
  for (size_t i = 1; run.has_operand(i); ++i) keys.push_back(run.operand(i));
  return keys;
}

inline void PrintKeysDone(Run& run, const std::string& done) {
  Json object;
  object["name"] = run.operand(0);
  object[done] = true;
  run.Print(done + "\n", object);
}

template <class Map>
absl::Status LockKeys(Run& run) {
  ASSIGN_OR_RETURN(const auto limit, WaitLimit(run));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  RETURN_IF_ERROR(run.UntilInterrupt([&](std::stop_token stop) {
    return map.LockKeys(KeysOf(run), {.limit = limit, .stop = stop});
  }));
  PrintKeysDone(run, "locked");
  return HoldUntilInterrupt(run);
}

template <class Map>
absl::Status UnlockKeys(Run& run) {
  RETURN_IF_ERROR(WantsSession(run, "locks go with their session"));
  ASSIGN_OR_RETURN(Map map, run.Open<Map>(0));
  RETURN_IF_ERROR(map.UnlockKeys(KeysOf(run)));
  PrintKeysDone(run, "unlocked");
  return absl::OkStatus();
}

inline Verb LockVerb(absl::Status (*run)(Run& run)) {
  return {.name = "lock",
          .operands = "NAME KEY...",
          .operands_min = 2,
          .operands_max = 1 + kLockKeysMax,
          .summary = "Lock keys, all at once, until Ctrl-C",
          .details =
              "Locks keep out other locks and nothing else. With "
              "--session the session keeps\nthem, and the command ends "
              "when it has them.",
          .flags = WaitFlags(),
          .run = run};
}

inline Verb UnlockVerb(absl::Status (*run)(Run& run)) {
  return {.name = "unlock",
          .operands = "NAME [KEY...]",
          .operands_min = 1,
          .operands_max = 1 + kLockKeysMax,
          .summary = "Give back keys of --session, or all that it has locked",
          .run = run};
}

}  // namespace cli

#endif  // CLI_KEY_VERBS_H_
