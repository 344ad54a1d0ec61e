// Executor is the port to a line of work: tasks run one at a time, in the order
// they were posted, each seeing all that the ones before it did. Every
// partition belongs to exactly one.
//
// Two implementations: Worker (a real thread, which others may help) and the
// simulation's event loop.

#ifndef PARTITION_EXECUTOR_H_
#define PARTITION_EXECUTOR_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"

namespace partition {

class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `task` soon. Thread-safe; never runs it inline: the caller may hold
  // locks that the task needs. A caller in a base::HelpScope may find itself
  // running it where that scope ends. After the executor has stopped the task
  // is destroyed without running.
  virtual void Post(absl::AnyInvocable<void()> task) = 0;

  // Runs `task`, a piece of long work, behind what was posted: one such piece
  // after each round of that, in the order of PostLater. So whoever posts waits
  // for one piece of anybody's long work, not for one of each partition (P54).
  // Thread-safe; otherwise as Post, but nobody else helps with it.
  virtual void PostLater(absl::AnyInvocable<void()> task) = 0;

  // Runs `task` after `delay_ns` of monotonic time. Thread-safe.
  virtual void PostAfter(uint64_t delay_ns,
                         absl::AnyInvocable<void()> task) = 0;
};

}  // namespace partition

#endif  // PARTITION_EXECUTOR_H_
