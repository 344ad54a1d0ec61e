#include "client/testing/fake_timer.h"

#include <algorithm>

namespace client {

int64_t FakeTimer::NowNanos() {
  base::MutexLock lock(mu_);
  return now_ns_;
}

void FakeTimer::WaitUntil(base::Mutex& mu, base::CondVar& changed,
                          int64_t deadline_ns) {
  Waiter waiter{&mu, &changed, deadline_ns};
  {
    base::MutexLock lock(mu_);
    if (now_ns_ >= deadline_ns) return;
    waited_ns_.push_back(deadline_ns - now_ns_);
    if (waits_ == Waits::kForNothing) {
      now_ns_ = deadline_ns;
      return;
    }
    waiters_.push_back(&waiter);
    waiters_changed_.SignalAll();
  }
  // Advance takes `mu` before it signals, so the signal is not missed.
  changed.Wait(mu);
  base::MutexLock lock(mu_);
  waiters_.erase(std::find(waiters_.begin(), waiters_.end(), &waiter));
}

void FakeTimer::Advance(int64_t by_ns) {
  std::vector<Waiter> waiters;
  {
    base::MutexLock lock(mu_);
    now_ns_ += by_ns;
    for (const Waiter* waiter : waiters_) waiters.push_back(*waiter);
  }
  for (const Waiter& waiter : waiters) {
    base::MutexLock lock(*waiter.mu);
    waiter.changed->SignalAll();
  }
}

void FakeTimer::AwaitWaiters(size_t count) {
  base::MutexLock lock(mu_);
  while (true) {
    size_t waiters = 0;
    for (const Waiter* waiter : waiters_) {
      waiters += waiter->deadline_ns > now_ns_ ? 1 : 0;
    }
    if (waiters >= count) return;
    waiters_changed_.Wait(mu_);
  }
}

std::vector<int64_t> FakeTimer::waited_ns() {
  base::MutexLock lock(mu_);
  return waited_ns_;
}

}  // namespace client
