// Timer is the port to waiting: a monotonic clock, and a wait for a time on it
// that a condition variable can cut short. The client waits nowhere else, so
// tests let a session live for days in a moment.

#ifndef CLIENT_TIMER_H_
#define CLIENT_TIMER_H_

#include <cstdint>

#include "base/mutex.h"

namespace client {

class Timer {
 public:
  virtual ~Timer() = default;

  // Nanoseconds of a monotonic clock. Thread-safe.
  virtual int64_t NowNanos() = 0;

  // Returns when NowNanos() has reached `deadline_ns` or `changed` was
  // signalled; may return without either, so callers loop on their condition.
  // Releases `mu` while it waits. Thread-safe.
  virtual void WaitUntil(base::Mutex& mu, base::CondVar& changed,
                         int64_t deadline_ns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) = 0;
};

// The machine's clock. Never destroyed.
Timer& SystemTimer();

}  // namespace client

#endif  // CLIENT_TIMER_H_
