// Interrupt is Ctrl-C, as far as commands know of it: a command that waits for
// long says what is to be done then, and ends in good order.
//
// Thread-safe.

#ifndef CLI_INTERRUPT_H_
#define CLI_INTERRUPT_H_

#include <functional>

#include "base/mutex.h"

namespace cli {

class Interrupt {
 public:
  // False if nobody waits for it, or it came before: the process may end.
  bool Trigger();

  // Whether Trigger has ended a wait.
  bool triggered() const;

  // While it lives, Trigger runs `action`, which must not block. One at a time.
  class Handler {
   public:
    Handler(Interrupt& interrupt, std::function<void()> action);
    ~Handler();
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;

   private:
    Interrupt& interrupt_;
  };

 private:
  mutable base::Mutex mu_;
  std::function<void()> action_ ABSL_GUARDED_BY(mu_);  // Null: nobody waits.
  bool triggered_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cli

#endif  // CLI_INTERRUPT_H_
