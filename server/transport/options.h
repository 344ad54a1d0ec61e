// What the node-to-node transport may be told.

#ifndef SERVER_TRANSPORT_OPTIONS_H_
#define SERVER_TRANSPORT_OPTIONS_H_

#include <cstdint>
#include <string>

#include "base/ids.h"

namespace server::transport {

// Versions of the peer protocol that this binary speaks.
inline constexpr uint32_t kVersionMin = 1;
inline constexpr uint32_t kVersionMax = 1;

// The largest entry, forwarded request or row of an image; whatever has a limit
// of its own has a lower one. (A row may hold all results that a session has
// not acknowledged: session::ApplyLimits.)
inline constexpr uint64_t kPayloadBytesMax = uint64_t{1} << 30;

// Who this node is. Messages from and to others are not taken (P45).
struct Self {
  std::string cluster;
  base::NodeId node;
  uint64_t incarnation = 0;
};

struct Options {
  // Streams for log entries to each peer; a partition uses one of them, so a
  // large append of one delays only those beside it. 0: 1 up to 4 cores, then
  // 4.
  uint32_t append_streams = 0;

  // What may wait for each stream. Above: dropped and counted, since Raft
  // repeats what matters.
  uint64_t control_queue_bytes_max = 8 << 20;
  uint64_t append_queue_bytes_max = 64 << 20;
  uint64_t image_queue_bytes_max = 16 << 20;

  // All that waits leaves as frames of about this size; a larger message is a
  // frame of its own.
  uint64_t frame_bytes_max = 1 << 20;
  // A frame, or a forwarded request, above this is refused by its receiver:
  // what is sent and never taken is sent for ever, so nothing is above it. Not
  // a flag.
  uint64_t receive_bytes_max = kPayloadBytesMax + (64 << 20);

  // Rows of images, sent by this node to all others together.
  uint64_t image_bytes_per_second = 64 << 20;

  // Heartbeats and their replies that start no round of reads wait so long for
  // those of other partitions: one tick makes a few frames for each peer, not
  // one for each partition.
  uint64_t heartbeat_hold_ns = 5'000'000;

  // After a failure a stream is opened again after a random time up to this,
  // doubled at each failure. Meanwhile what is sent is dropped.
  uint64_t backoff_ns_min = 50'000'000;
  uint64_t backoff_ns_max = 1'000'000'000;

  // From the start of a stream to its Welcome.
  uint64_t open_timeout_ns = 3'000'000'000;

  // A connection is pinged so often and given up so long after a ping that
  // nobody answers: a peer that takes and never answers is noticed (U37).
  uint64_t keep_alive_ns = 2'000'000'000;
  uint64_t keep_alive_timeout_ns = 2'000'000'000;

  // Not flags: for tests.
  uint32_t version_min = kVersionMin;
  uint32_t version_max = kVersionMax;
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_OPTIONS_H_
