// LockRpcs: the RPCs Lock and Unlock of collections (map, countermap), which
// take and give back KeyLocks by the keys of the collection. Their messages
// have the same fields in each collection's own package.

#ifndef PRIMITIVE_LOCK_RPCS_H_
#define PRIMITIVE_LOCK_RPCS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "google/protobuf/duration.pb.h"
#include "primitive/input.h"
#include "primitive/key_locks.h"
#include "session/limits.h"
#include "session/primitive.h"
#include "session/types.h"

namespace primitive {

// Keys that one Lock or Unlock may name.
inline constexpr int kLockKeysMax = 256;

// As InputCheck: of an UnlockInput, and the keys of a LockInput.
template <class Input>
absl::Status CheckLockKeys(const Input& input, const session::Limits& limits) {
  if (input.keys_size() > kLockKeysMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("input.keys: ", input.keys_size(), " keys, at most ",
                     kLockKeysMax, " allowed"));
  }
  for (const std::string& key : input.keys()) {
    RETURN_IF_ERROR(CheckKey("keys", key, limits));
  }
  return absl::OkStatus();
}

template <class LockInput>
absl::Status CheckLock(const LockInput& input, const session::Limits& limits) {
  RETURN_IF_ERROR(CheckLockKeys(input, limits));
  return CheckDuration("timeout", input.timeout());
}

// Answers the command or keeps it open, as KeyLocks::Acquire.
template <class LockInput>
void HandleLock(session::CommandContext& context, KeyLocks& locks,
                const LockInput& input) {
  std::optional<google::protobuf::Duration> timeout;
  if (input.has_timeout()) timeout = input.timeout();
  locks.Acquire(context, {input.keys().begin(), input.keys().end()}, timeout);
}

// Gives back the keys, or without any all that the session holds.
template <class UnlockOutput, class UnlockInput>
session::Result HandleUnlock(session::CommandContext& context, KeyLocks& locks,
                             const UnlockInput& input) {
  const session::SessionId session = context.command().session;
  if (input.keys().empty()) {
    // All that one session can hold is little enough for one entry.
    CHECK(locks.ReleaseAll(context, session, KeyLocks::kSessionKeysMax));
  } else if (!locks.Release(context, session,
                            {input.keys().begin(), input.keys().end()})) {
    return session::Failure(session::OperationStatus::kConflict,
                            "session does not hold all of these keys");
  }
  return Answer(UnlockOutput());
}

}  // namespace primitive

#endif  // PRIMITIVE_LOCK_RPCS_H_
