// FakeTimer is a Timer whose time moves only when a test says so, or jumps to
// the end of every wait.

#ifndef CLIENT_TESTING_FAKE_TIMER_H_
#define CLIENT_TESTING_FAKE_TIMER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "client/timer.h"

namespace client {

class FakeTimer : public Timer {
 public:
  enum class Waits {
    kForAdvance,  // A wait lasts until Advance has passed its end.
    kForNothing,  // A wait moves the time to its end and returns.
  };

  explicit FakeTimer(Waits waits) : waits_(waits) {}

  int64_t NowNanos() override;
  void WaitUntil(base::Mutex& mu, base::CondVar& changed,
                 int64_t deadline_ns) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // Moves the time and wakes those who wait for it.
  void Advance(int64_t by_ns);

  // Blocks until so many wait for a time behind now.
  void AwaitWaiters(size_t count);

  // How long each wait was meant to be, in the order of their ends.
  std::vector<int64_t> waited_ns();

 private:
  struct Waiter {
    base::Mutex* mu;
    base::CondVar* changed;
    int64_t deadline_ns;
  };

  const Waits waits_;  // Constant after construction.

  base::Mutex mu_;  // Below every mutex that a waiter holds.
  base::CondVar waiters_changed_;
  int64_t now_ns_ ABSL_GUARDED_BY(mu_) = 1;
  std::vector<Waiter*> waiters_ ABSL_GUARDED_BY(mu_);
  std::vector<int64_t> waited_ns_ ABSL_GUARDED_BY(mu_);
};

}  // namespace client

#endif  // CLIENT_TESTING_FAKE_TIMER_H_
