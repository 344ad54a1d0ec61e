#include "base/clock.h"

#include <time.h>

#include "base/check.h"

namespace base {
namespace {

int64_t Read(clockid_t id) {
  timespec now;
  CHECK_EQ(clock_gettime(id, &now), 0);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class RealClock : public Clock {
 public:
  int64_t MonotonicNanos() override { return Read(CLOCK_MONOTONIC); }
  int64_t WallNanos() override { return Read(CLOCK_REALTIME); }
};

}  // namespace

Clock& SystemClock() {
  static RealClock* clock = new RealClock;
  return *clock;
}

}  // namespace base
