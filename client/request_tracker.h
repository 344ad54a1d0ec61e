// RequestTracker numbers the requests of one session and knows which of them
// still run: what a KeepAlive tells the server, so that it can forget the rest.
//
// Not thread-safe: guarded by the session's mutex.

#ifndef CLIENT_REQUEST_TRACKER_H_
#define CLIENT_REQUEST_TRACKER_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"

namespace client {

// What a KeepAlive says.
struct Progress {
  // Every number up to this one has been started.
  uint64_t last_sequence = 0;

  // Those of them that still run, ascending. The server forgets, and cancels,
  // every other one up to last_sequence.
  std::vector<uint64_t> open;

  // Outputs received without a gap, by the number of a stream command: only
  // where the server does not know it yet.
  absl::btree_map<uint64_t, uint64_t> received;
};

class RequestTracker {
 public:
  // Numbers count from 1, or behind `last_sequence`.
  explicit RequestTracker(uint64_t last_sequence)
      : last_sequence_(last_sequence) {}

  // The next number; it is open until Finish.
  uint64_t Start();

  // The client has all outputs of stream command `sequence` up to `output`.
  void Received(uint64_t sequence, uint64_t output);

  // Nobody waits for `sequence` any more, and it will not be sent again.
  void Finish(uint64_t sequence);

  Progress Now() const;

  // A KeepAlive that said `progress` was answered.
  void Reported(const Progress& progress);

 private:
  struct Outputs {
    uint64_t received = 0;
    uint64_t reported = 0;  // <= received.
  };

  uint64_t last_sequence_;
  absl::btree_map<uint64_t, Outputs> open_;  // Keys <= last_sequence_.
};

}  // namespace client

#endif  // CLIENT_REQUEST_TRACKER_H_
