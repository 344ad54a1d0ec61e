// Executor is the port to a thread of work: tasks run one at a time, in the
// order they were posted. Every partition belongs to exactly one.
//
// Two implementations: Worker (a real thread) and the simulation's event loop.

#ifndef PARTITION_EXECUTOR_H_
#define PARTITION_EXECUTOR_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"

namespace partition {

class Executor {
 public:
  virtual ~Executor() = default;

  // Runs `task` soon. Thread-safe; never runs it inline. After the executor
  // has stopped the task is destroyed without running.
  virtual void Post(absl::AnyInvocable<void()> task) = 0;

  // Runs `task` after `delay_ns` of monotonic time. Thread-safe.
  virtual void PostAfter(uint64_t delay_ns,
                         absl::AnyInvocable<void()> task) = 0;
};

}  // namespace partition

#endif  // PARTITION_EXECUTOR_H_
