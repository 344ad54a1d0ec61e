// WorkerThread runs closures one after the other, in the order they were
// posted, on a named thread of its own.
//
// Thread-safe.

#ifndef STORAGE_WORKER_THREAD_H_
#define STORAGE_WORKER_THREAD_H_

#include <deque>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace storage {

class WorkerThread {
 public:
  enum class Priority { kNormal, kLow };

  // `name` shows in `top -H`: at most 15 characters.
  WorkerThread(std::string name, Priority priority);

  // As Stop.
  ~WorkerThread();

  // False, and `work` is not run, once Stop was called.
  bool Post(absl::AnyInvocable<void()> work);

  // Runs what was posted, then joins. Not from the thread itself.
  void Stop();

 private:
  void Run();

  base::Mutex mu_;
  base::CondVar posted_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // Last: it uses all of the above.
};

// Names the calling thread, and lowers its priority if `low`.
void NameThisThread(const std::string& name, bool low);

}  // namespace storage

#endif  // STORAGE_WORKER_THREAD_H_
