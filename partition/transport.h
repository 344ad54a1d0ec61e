// Transport is the port to the other nodes; Receiver is what it delivers to.
//
// Two implementations: server/transport (gRPC) and the simulation's network. A
// cluster of one has NoTransport.

#ifndef PARTITION_TRANSPORT_H_
#define PARTITION_TRANSPORT_H_

#include <variant>
#include <vector>

#include "base/ids.h"
#include "partition/image_message.h"
#include "partition/note.h"
#include "raft/configuration.h"
#include "raft/message.h"

namespace partition {

class Transport {
 public:
  virtual ~Transport() = default;

  // Who takes part in `partition`, and that `self` is the replica here: where
  // messages are sent, and from whom they are taken (P45). Called by the
  // partition before its first message and at each change of its configuration.
  // A replica that has just been made knows nobody, and `members` is empty; it
  // takes messages, and its answers go where they came from. `self` 0: none is
  // here any more. Never blocks. Thread-safe.
  virtual void SetMembers(base::PartitionId partition, raft::ReplicaId self,
                          std::vector<raft::Member> members) = 0;

  // Sends messages of one partition to the replicas they name; may lose,
  // repeat, delay and reorder them. Never blocks. Thread-safe.
  virtual void Send(base::PartitionId partition,
                    std::vector<raft::Message> messages) = 0;

  // As Send, for the rows of an image: on a stream of their own, so that they
  // delay nothing else.
  virtual void SendImage(base::PartitionId partition, ImageMessage message) = 0;

  // As Send, and as good as never in its way: notes are few and small.
  virtual void SendNote(base::PartitionId partition, Note note) = 0;
};

// Whether only a leader sends such a message: who gets it is a member.
inline bool IsOfLeader(const raft::Message& message) {
  return std::holds_alternative<raft::AppendEntries>(message.body) ||
         std::holds_alternative<raft::Heartbeat>(message.body) ||
         std::holds_alternative<raft::InstallSnapshot>(message.body);
}

// Gets what arrives. Called from threads of the transport, which it must not
// block; stops being called when the transport is stopped.
class Receiver {
 public:
  virtual ~Receiver() = default;

  virtual void Receive(base::PartitionId partition,
                       std::vector<raft::Message> messages) = 0;
  virtual void ReceiveImage(base::PartitionId partition,
                            ImageMessage message) = 0;
  virtual void ReceiveNote(base::PartitionId partition, Note note) = 0;
};

// For a node that is alone: there is nobody to send to.
class NoTransport : public Transport {
 public:
  void SetMembers(base::PartitionId, raft::ReplicaId,
                  std::vector<raft::Member>) override {}
  void Send(base::PartitionId, std::vector<raft::Message>) override {}
  void SendImage(base::PartitionId, ImageMessage) override {}
  void SendNote(base::PartitionId, Note) override {}
};

}  // namespace partition

#endif  // PARTITION_TRANSPORT_H_
