#include "cli/interrupt.h"

#include <utility>

#include "base/check.h"

namespace cli {

bool Interrupt::Trigger() {
  // The handler cannot go while its action runs, so that what the action uses
  // stays: actions do not block and take no Interrupt's mutex.
  base::MutexLock lock(mu_);
  if (action_ == nullptr || triggered_) return false;
  triggered_ = true;
  action_();
  return true;
}

bool Interrupt::triggered() const {
  base::MutexLock lock(mu_);
  return triggered_;
}

Interrupt::Handler::Handler(Interrupt& interrupt, std::function<void()> action)
    : interrupt_(interrupt) {
  base::MutexLock lock(interrupt_.mu_);
  CHECK(interrupt_.action_ == nullptr);
  interrupt_.action_ = std::move(action);
}

Interrupt::Handler::~Handler() {
  base::MutexLock lock(interrupt_.mu_);
  interrupt_.action_ = nullptr;
}

}  // namespace cli
