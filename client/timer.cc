#include "client/timer.h"

#include <algorithm>

#include "base/clock.h"

namespace client {
namespace {

// A longer wait is made of several: the sum of now and a wait must not overflow
// in the library.
constexpr int64_t kWaitMaxNs = 3'600'000'000'000;

class MachineTimer : public Timer {
 public:
  int64_t NowNanos() override { return base::SystemClock().MonotonicNanos(); }

  void WaitUntil(base::Mutex& mu, base::CondVar& changed,
                 int64_t deadline_ns) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const int64_t now_ns = NowNanos();
    if (now_ns >= deadline_ns) return;
    changed.WaitFor(mu, std::min(deadline_ns - now_ns, kWaitMaxNs));
  }
};

}  // namespace

Timer& SystemTimer() {
  static Timer& timer = *new MachineTimer;
  return timer;
}

}  // namespace client
