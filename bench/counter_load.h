// CounterLoad sends counter increments over the public API as fast as answers
// come back (a closed loop), to our server or to a bare echo of the same
// messages: what the client costs is the same in both.

#ifndef BENCH_COUNTER_LOAD_H_
#define BENCH_COUNTER_LOAD_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "bench/histogram.h"

namespace bench {

struct CounterLoadOptions {
  std::string address;  // "host:port"
  // No session and no primitive: the server answers anything.
  bool echo = false;
  uint32_t partition = 1;
  int in_flight = 1;
  int connections = 1;
  double warm_up_seconds = 0.5;
  double seconds = 2;
};

struct CounterLoadResult {
  double per_second = 0;
  Histogram latency;  // Of the measured part.
  // Increments that were answered OK, warm-up included, and what the counter
  // says after it: equal, or something was lost or repeated.
  uint64_t acknowledged = 0;
  int64_t final_value = 0;
};

// Unavailable, naming the address: nobody answers. Internal: a request failed.
absl::StatusOr<CounterLoadResult> RunCounterLoad(
    const CounterLoadOptions& options);

}  // namespace bench

#endif  // BENCH_COUNTER_LOAD_H_
