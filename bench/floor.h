// The floor that no durable server gets below: the same messages without the
// work, and the work without the messages.

#ifndef BENCH_FLOOR_H_
#define BENCH_FLOOR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/histogram.h"

namespace bench {

// A server that answers Counter/Increment with the value it was sent.
class EchoServer {
 public:
  // With a directory it first writes a synced RocksDB batch of one entry there,
  // in the handler: the least that a server with both costs in one process.
  static absl::StatusOr<std::unique_ptr<EchoServer>> Start(
      const std::string& directory);
  virtual ~EchoServer() = default;
  virtual std::string address() const = 0;  // "127.0.0.1:port"
};

// The latency of RocksDB batches of `entries` entries of 100 bytes, each
// synced, one after the other for `seconds`, in a new database in `directory`.
absl::StatusOr<Histogram> MeasureSyncedBatches(const std::string& directory,
                                               int entries, double seconds);

}  // namespace bench

#endif  // BENCH_FLOOR_H_
