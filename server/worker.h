// Worker is an Executor with a thread of its own: one runs the turns of the
// partitions that belong to it.
//
// Tasks that were posted run first, then timers that are due, then one piece of
// long work (PostLater), and so on. While the thread sleeps, a thread in a
// base::HelpScope runs what it has posted itself, unless the worker is one that
// nobody may help: one batch, with the same order and exclusion. Then the
// worker's own thread goes on, if there is more. Timers and long work always
// run on the worker's thread.

#ifndef SERVER_WORKER_H_
#define SERVER_WORKER_H_

#include <cstdint>
#include <deque>
#include <queue>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"
#include "base/help_scope.h"
#include "base/mutex.h"
#include "partition/executor.h"

namespace server {

class Worker : public partition::Executor, public base::Helped {
 public:
  // `name` is the thread's, at most 15 bytes. `clock` must outlive the worker.
  Worker(std::string name, base::Clock& clock)
      : Worker(std::move(name), clock, Kind::kHelped) {}
  // The tasks of kAlone wait for disks, so that only its own thread runs them.
  enum class Kind : uint8_t { kHelped, kAlone };
  Worker(std::string name, base::Clock& clock, Kind kind);
  // REQUIRES: never started, or stopped.
  ~Worker() override;

  // Starts the thread. Once.
  void Start();

  // Runs what was posted before, waits for whoever helps, and joins the thread;
  // timers that still wait are destroyed without running. May be called again.
  void Stop();

  void Post(absl::AnyInvocable<void()> task) override;
  void PostLater(absl::AnyInvocable<void()> task) override;
  void PostAfter(uint64_t delay_ns, absl::AnyInvocable<void()> task) override;
  void Help() override;

 private:
  using Task = absl::AnyInvocable<void()>;

  struct Timer {
    int64_t due_ns;
    uint64_t order;  // Timers due at once fire as they were posted.
    // std::priority_queue only shows its top as const.
    mutable Task task;

    bool operator<(const Timer& other) const {
      if (due_ns != other.due_ns) return due_ns > other.due_ns;
      return order > other.order;
    }
  };

  void Run();
  // For the worker's thread: moves to running_ what may run now; waits for it,
  // and returns false when there will be nothing more.
  bool Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Moves to running_ the timers that are due. Returns how long the next one
  // has to wait, negative if there is none.
  int64_t TakeDueTimers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunTasks();

  const std::string name_;
  const Kind kind_;
  base::Clock& clock_;
  std::thread thread_;

  // Belongs to the thread that set is_running_.
  std::vector<Task> running_;

  base::Mutex mu_;
  base::CondVar wake_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mu_);
  std::deque<Task> later_ ABSL_GUARDED_BY(mu_);
  std::priority_queue<Timer> timers_ ABSL_GUARDED_BY(mu_);
  uint64_t timers_posted_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_running_ ABSL_GUARDED_BY(mu_) = false;  // A thread runs tasks.
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;     // The worker's own.
  // It waits for a helper to end, though it has something to run.
  bool held_up_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace server

#endif  // SERVER_WORKER_H_
