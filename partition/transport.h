// Transport is the port to the other nodes.
//
// Two implementations: server/transport (gRPC) and the simulation's network. A
// cluster of one has NoTransport.

#ifndef PARTITION_TRANSPORT_H_
#define PARTITION_TRANSPORT_H_

#include <vector>

#include "base/ids.h"
#include "raft/message.h"

namespace partition {

class Transport {
 public:
  virtual ~Transport() = default;

  // Sends messages of one partition to the replicas they name; may lose,
  // repeat, delay and reorder them. Never blocks. Thread-safe.
  virtual void Send(base::PartitionId partition,
                    std::vector<raft::Message> messages) = 0;
};

// For a node that is alone: there is nobody to send to.
class NoTransport : public Transport {
 public:
  void Send(base::PartitionId, std::vector<raft::Message>) override {}
};

}  // namespace partition

#endif  // PARTITION_TRANSPORT_H_
