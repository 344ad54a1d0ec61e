#include "base/wait_until.h"

#include <algorithm>

#include "base/clock.h"
#include "base/mutex.h"

namespace base {

bool WaitUntil(absl::FunctionRef<bool()> holds, const Patience& patience) {
  Clock& clock = SystemClock();
  const int64_t start_ns = clock.MonotonicNanos();
  Mutex mu;
  CondVar never;
  while (!holds()) {
    const auto waited_ns =
        static_cast<uint64_t>(clock.MonotonicNanos() - start_ns);
    if (waited_ns >= patience.timeout_ns) return false;
    MutexLock lock(mu);
    never.WaitFor(
        mu, static_cast<int64_t>(std::min(patience.look_every_ns,
                                          patience.timeout_ns - waited_ns)));
  }
  return true;
}

}  // namespace base
