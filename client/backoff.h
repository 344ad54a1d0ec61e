// Backoff says how long to wait before a failed call is tried again: from 50
// ms, twice as long each time up to 1 s, each wait up to a half shorter or
// longer so that clients that failed together do not come back together.
//
// Not thread-safe: owned by one call.

#ifndef CLIENT_BACKOFF_H_
#define CLIENT_BACKOFF_H_

#include <cstdint>

#include "base/random.h"

namespace client {

class Backoff {
 public:
  static constexpr int64_t kFirstNs = 50'000'000;
  static constexpr int64_t kMaxNs = 1'000'000'000;

  explicit Backoff(uint64_t seed) : random_(seed) {}

  // The next wait. The server knows better: never less than `at_least_ns`.
  int64_t NextNanos(int64_t at_least_ns);

  // A call came through: the next failure starts from the first wait.
  void Reset() { wait_ns_ = kFirstNs; }

 private:
  base::Random random_;
  int64_t wait_ns_ = kFirstNs;  // In [kFirstNs, kMaxNs].
};

}  // namespace client

#endif  // CLIENT_BACKOFF_H_
