// Worker is an Executor on a thread of its own: one runs the turns of the
// partitions that belong to it.
//
// Tasks that were posted run first, then timers that are due, and so on.

#ifndef SERVER_WORKER_H_
#define SERVER_WORKER_H_

#include <cstdint>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "partition/executor.h"

namespace server {

class Worker : public partition::Executor {
 public:
  // `name` is the thread's, at most 15 bytes. `clock` must outlive the worker.
  Worker(std::string name, base::Clock& clock);
  // REQUIRES: never started, or stopped.
  ~Worker() override;

  // Starts the thread. Once.
  void Start();

  // Runs what was posted before, and joins the thread; timers that still wait
  // are destroyed without running. May be called again.
  void Stop();

  void Post(absl::AnyInvocable<void()> task) override;
  void PostAfter(uint64_t delay_ns, absl::AnyInvocable<void()> task) override;

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
  // Moves to `batch` what may run now; waits for it, and returns false when
  // there will be nothing more.
  bool Take(std::vector<Task>& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string name_;
  base::Clock& clock_;
  std::thread thread_;

  base::Mutex mu_;
  base::CondVar wake_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mu_);
  std::priority_queue<Timer> timers_ ABSL_GUARDED_BY(mu_);
  uint64_t timers_posted_ ABSL_GUARDED_BY(mu_) = 0;
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace server

#endif  // SERVER_WORKER_H_
