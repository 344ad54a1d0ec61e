// What an operator may choose about the services.

#ifndef SERVER_SERVICE_OPTIONS_H_
#define SERVER_SERVICE_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "session/limits.h"

namespace server::service {

struct Options {
  // What requests are checked against before they reach a partition.
  session::Limits limits;

  // One command in the log. Above: ResourceExhausted.
  uint64_t entry_bytes_max = 1536 << 10;

  // How a KeepAlive of an unknown session fails in the first generation of the
  // API: DataLoss makes drivers start again, PermissionDenied is what the first
  // implementation answered (semantics 1.8). In the second it is DataLoss.
  absl::StatusCode unknown_session_code = absl::StatusCode::kDataLoss;

  // Stream queries open on this node, of all partitions. More:
  // ResourceExhausted.
  uint64_t query_streams_max = 10'000;

  // Watches of partitions and of health that clients have open on this node.
  // More: ResourceExhausted.
  uint64_t watches_max = 10'000;

  // What this node has under way at leaders' nodes for its clients: calls, and
  // the bytes of their requests (P56). More: Unavailable, not proposed.
  uint64_t forwarded_calls_max = 20'000;
  uint64_t forwarded_bytes_max = 256 << 20;

  // A stream that cannot be served is held this long before it is refused:
  // drivers open it again without a pause (semantics 8.4).
  uint64_t stream_hold_ns = 1'500'000'000;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_OPTIONS_H_
