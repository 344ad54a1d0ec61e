// Clock is the port to time. Everything that waits or measures asks a Clock, so
// the simulation can run years of it in a second.

#ifndef BASE_CLOCK_H_
#define BASE_CLOCK_H_

#include <cstdint>

namespace base {

class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds of a monotonic clock that stands still while the machine is
  // suspended (CLOCK_MONOTONIC). Thread-safe.
  virtual int64_t MonotonicNanos() = 0;

  // Nanoseconds since the Unix epoch, for people only: it may jump, so no
  // decision is based on it. Thread-safe.
  virtual int64_t WallNanos() = 0;
};

// The machine's clocks. Never destroyed.
Clock& SystemClock();

}  // namespace base

#endif  // BASE_CLOCK_H_
