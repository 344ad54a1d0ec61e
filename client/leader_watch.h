// Who leads a partition, and each change of it.

#ifndef CLIENT_LEADER_WATCH_H_
#define CLIENT_LEADER_WATCH_H_

#include <cstdint>
#include <memory>

#include "client/connection.h"
#include "client/stream.h"

namespace client {

struct Leader {
  uint64_t term = 0;
  uint64_t leader = 0;  // The leader's replica; 0: none is known.
  friend bool operator==(const Leader&, const Leader&) = default;
};

// The leader as the server knows it now, then each change, until cancelled.
// Needs no session. What happens while the server is away is missed; what has
// not changed is not repeated. `connection` outlives the stream.
std::unique_ptr<Stream<Leader>> WatchLeader(Connection& connection,
                                            uint32_t partition);

}  // namespace client

#endif  // CLIENT_LEADER_WATCH_H_
