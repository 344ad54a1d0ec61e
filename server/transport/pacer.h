// Pacer spaces out what is sent so that it stays at a rate.
//
// Thread-safe: all image streams of a node share one.

#ifndef SERVER_TRANSPORT_PACER_H_
#define SERVER_TRANSPORT_PACER_H_

#include <algorithm>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace server::transport {

class Pacer {
 public:
  // REQUIRES: bytes_per_second > 0.
  explicit Pacer(uint64_t bytes_per_second)
      : bytes_per_second_(bytes_per_second) {}

  // When `bytes` more may leave, on the clock that says `now_ns`; what was not
  // used before is lost.
  int64_t Reserve(int64_t now_ns, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    const int64_t start = std::max(free_at_ns_, now_ns);
    free_at_ns_ =
        start + static_cast<int64_t>(static_cast<double>(bytes) * 1e9 /
                                     static_cast<double>(bytes_per_second_));
    return start;
  }

 private:
  const uint64_t bytes_per_second_;

  base::Mutex mu_;
  int64_t free_at_ns_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_PACER_H_
