// SimExecutor is one worker thread of one incarnation of a simulated node. Its
// tasks run in order on the event loop, each some time after the one before; at
// a crash those that have not run vanish.
//
// Not thread-safe, though partition::Executor asks for it: a simulation has one
// thread.

#ifndef SIM_SIM_EXECUTOR_H_
#define SIM_SIM_EXECUTOR_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "base/random.h"
#include "partition/executor.h"
#include "sim/event_loop.h"
#include "sim/sim_clock.h"

namespace sim {

class SimExecutor : public partition::Executor {
 public:
  // A task starts up to `delay_ns_max` after it could. `loop` and `clock` must
  // outlive it.
  SimExecutor(EventLoop& loop, const SimClock& clock, uint64_t seed,
              uint64_t delay_ns_max);
  // As Stop.
  ~SimExecutor() override;

  void Post(absl::AnyInvocable<void()> task) override;
  void PostLater(absl::AnyInvocable<void()> task) override;
  void PostAfter(uint64_t delay_ns, absl::AnyInvocable<void()> task) override;

  // Nothing runs for `virtual_ns` from now: the process is stopped (SIGSTOP) or
  // the machine suspended.
  void Pause(uint64_t virtual_ns);

  // Destroys what has not run, and whatever is posted later.
  void Stop();

 private:
  // The loop's events hold the tasks only through here, so that a crash can
  // destroy them while what they refer to still exists.
  struct State;
  static void Schedule(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
};

}  // namespace sim

#endif  // SIM_SIM_EXECUTOR_H_
