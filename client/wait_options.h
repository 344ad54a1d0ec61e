// WaitOptions is how long a call may wait for something that others have: a
// lock, the lead of an election.

#ifndef CLIENT_WAIT_OPTIONS_H_
#define CLIENT_WAIT_OPTIONS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>

#include "absl/time/time.h"

namespace client {

struct WaitOptions {
  // Nothing: without limit. Zero: not at all.
  std::optional<absl::Duration> limit = std::nullopt;

  // Asked to stop, the wait ends with kCancelled. For another thread, or a
  // signal's.
  std::stop_token stop = {};
};

// The time, on the clock that `from_ns` was read on, at which a wait that
// starts then has reached its limit.
inline int64_t DeadlineNanos(int64_t from_ns,
                             std::optional<absl::Duration> limit) {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  if (!limit.has_value()) return kNever;
  const int64_t limit_ns = std::max<int64_t>(0, ToInt64Nanoseconds(*limit));
  return limit_ns < kNever - from_ns ? from_ns + limit_ns : kNever;
}

}  // namespace client

#endif  // CLIENT_WAIT_OPTIONS_H_
