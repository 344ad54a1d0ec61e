// Gate counts those inside, so that who stops can wait for them.
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_GATE_H_
#define SERVER_TRANSPORT_GATE_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace server::transport {

class Gate {
 public:
  void Enter() ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    ++inside_;
  }
  void Leave() ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    if (--inside_ == 0) empty_.SignalAll();
  }
  void WaitUntilEmpty() ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    while (inside_ > 0) empty_.Wait(mu_);
  }

 private:
  base::Mutex mu_;
  base::CondVar empty_;
  uint64_t inside_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_GATE_H_
