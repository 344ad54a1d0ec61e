// Watchdog ends a process whose disk hangs, so that another node leads: a
// leader with a hung disk keeps its leadership as long as its heartbeats go out
// (U13).
//
// It has a thread of its own (PeriodicThread) and asks only a lock-free
// question, so that nothing that hangs can hold it up.

#ifndef SERVER_WATCHDOG_H_
#define SERVER_WATCHDOG_H_

#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "server/periodic_thread.h"

namespace server {

class Watchdog {
 public:
  // `oldest_started_ns` says when the oldest call that is still under way began
  // (monotonic), 0 if none is; lock-free. When one is older than `timeout_ns`,
  // `on_hang` is called, once, with its age. Both are called on the watchdog's
  // thread. `clock` outlives it.
  //
  // Time in which the process as a whole stood still (SIGSTOP, a suspended
  // machine) is not the disk's: what is under way then has all its time again.
  Watchdog(uint64_t timeout_ns, base::Clock& clock,
           std::function<int64_t()> oldest_started_ns,
           std::function<void(uint64_t age_ns)> on_hang);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  // False: it was told.
  bool Look();

  const uint64_t timeout_ns_;
  base::Clock& clock_;
  const std::function<int64_t()> oldest_started_ns_;
  const std::function<void(uint64_t)> on_hang_;
  // Of its thread.
  int64_t looked_ns_;       // When it looked last.
  int64_t went_on_ns_ = 0;  // When the process went on after it stood still.
  PeriodicThread thread_;   // Last: it uses the above.
};

// Ends this process at once, with one line on stderr if that takes it: the disk
// did not answer for `age_ns`. A thread in such a call cannot be ended, and
// with it neither the process, so its connections are shut down first: the
// others notice even if it stays.
[[noreturn]] void EndHungProcess(uint64_t age_ns);

}  // namespace server

#endif  // SERVER_WATCHDOG_H_
