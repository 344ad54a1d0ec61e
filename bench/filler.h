// Filler sends a given number of commands over the public API, many at once,
// and keeps its session alive meanwhile. It also reads back what is there.
//
// Not thread-safe.

#ifndef BENCH_FILLER_H_
#define BENCH_FILLER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/histogram.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace bench {

struct FillerOptions {
  std::string address;  // "host:port"
  int in_flight = 256;
  int connections = 4;
};

struct FillResult {
  uint64_t acknowledged = 0;
  Histogram latency;
  // The longest time in which no command at all was answered: what a client
  // sees of a server that stalls.
  uint64_t longest_gap_ns = 0;
  uint64_t longest_ns = 0;  // The slowest command.
  double seconds = 0;
};

class Filler {
 public:
  // Opens a session on partition 1, a counter and a map of it, by
  // name: they are there already after a restart.
  static absl::StatusOr<std::unique_ptr<Filler>> Open(
      const FillerOptions& options);
  ~Filler();

  // Adds 1, `count` times.
  absl::StatusOr<FillResult> Increment(uint64_t count);

  // Puts `count` rows: row n is put under KeyOf((from + n) % rows).
  absl::StatusOr<FillResult> Put(uint64_t from, uint64_t count, uint64_t rows,
                                 size_t value_bytes);
  // As Put, for this long instead of `count` times.
  absl::StatusOr<FillResult> PutFor(double seconds, uint64_t rows,
                                    size_t value_bytes);

  absl::StatusOr<int64_t> ReadCounter();
  absl::StatusOr<uint64_t> MapSize();
  // Empty: no such row.
  absl::StatusOr<std::string> Get(uint64_t row);

  // Of partition 1.
  absl::StatusOr<multiraft::admin::v1::PartitionStatus> Status();

  static std::string KeyOf(uint64_t row);
  // Begins with its key, so that a mixed-up row shows.
  static std::string ValueOf(uint64_t row, size_t bytes);

 private:
  class Impl;
  explicit Filler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bench

#endif  // BENCH_FILLER_H_
