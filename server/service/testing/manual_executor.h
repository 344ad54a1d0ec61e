// ManualExecutor runs nothing by itself: a test says when, and no delay counts.
//
// Thread-safe.

#ifndef SERVER_SERVICE_TESTING_MANUAL_EXECUTOR_H_
#define SERVER_SERVICE_TESTING_MANUAL_EXECUTOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "partition/executor.h"

namespace server::service {

class ManualExecutor : public partition::Executor {
 public:
  void Post(absl::AnyInvocable<void()> task) override {
    PostAfter(0, std::move(task));
  }
  void PostLater(absl::AnyInvocable<void()> task) override {
    Post(std::move(task));
  }
  void PostAfter(uint64_t, absl::AnyInvocable<void()> task) override {
    base::MutexLock lock(mu_);
    tasks_.push_back(std::move(task));
    added_.SignalAll();
  }

  // Waits for a task, and runs it.
  void RunOne() {
    absl::AnyInvocable<void()> task;
    {
      base::MutexLock lock(mu_);
      while (tasks_.empty()) added_.Wait(mu_);
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }

  size_t tasks() {
    base::MutexLock lock(mu_);
    return tasks_.size();
  }
  void WaitForTasks(size_t count) {
    base::MutexLock lock(mu_);
    while (tasks_.size() < count) added_.Wait(mu_);
  }

 private:
  base::Mutex mu_;
  base::CondVar added_;
  std::deque<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::service

#endif  // SERVER_SERVICE_TESTING_MANUAL_EXECUTOR_H_
