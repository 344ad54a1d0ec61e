// Network carries messages between simulated nodes: late, out of order, twice
// or not at all, and across a cut not at all in that direction.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_NETWORK_H_
#define SIM_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "partition/transport.h"
#include "raft/message.h"
#include "raft/types.h"
#include "sim/event_loop.h"

namespace sim {

struct NetworkOptions {
  uint64_t delay_ns_min = 100 * kMicros;
  uint64_t delay_ns_max = 2 * kMillis;
  // One message in so many. 0: none.
  uint64_t lose_one_in = 0;
  uint64_t repeat_one_in = 0;
  // One message in so many arrives once more, up to so much later, and so does
  // the last one of a leader to a replica that is gone (P45). 0: none.
  uint64_t late_one_in = 0;
  uint64_t late_ns_max = 0;
};

class Network {
 public:
  // `loop` must outlive it.
  Network(EventLoop& loop, const NetworkOptions& options, uint64_t seed);

  // The process on `node` listens, until Detach; messages for a node where
  // nobody listens are lost, and so are those for a replica that is not there
  // (P45): if a leader sent one, the process is told. REQUIRES: nobody listens
  // there.
  using OnUnknown = std::function<void(base::PartitionId, raft::ReplicaId)>;
  void Attach(base::NodeId node, partition::Receiver& receiver,
              OnUnknown on_unknown);
  void Detach(base::NodeId node);

  // Called with every raft message as it leaves its sender.
  void set_on_send(
      std::function<void(base::PartitionId, const raft::Message&)> on_send) {
    on_send_ = std::move(on_send);
  }

  // What `node` sends through, and says by SetMembers who lives where. Must not
  // outlive the network.
  std::unique_ptr<partition::Transport> TransportOf(base::NodeId node);

  // Nothing gets from one node to the other, what is under way included, until
  // Heal. One direction only.
  void Cut(base::NodeId from, base::NodeId to);
  void Heal(base::NodeId from, base::NodeId to);

  // Faults end: nothing is lost or repeated, and all cuts are healed.
  void Calm();

 private:
  class Port;
  // What is under way at once.
  using Parcel =
      std::variant<raft::Message, partition::ImageMessage, partition::Note>;

  // What a process says, and sees, of who takes part in one partition: as
  // server/transport keeps it.
  struct Members {
    raft::ReplicaId self;
    std::map<raft::ReplicaId, base::NodeId> members;
    std::map<raft::ReplicaId, base::NodeId> strangers;  // As they were seen.

    // Node 0: unknown.
    base::NodeId Find(raft::ReplicaId replica) const;
  };
  // Whether `parcel`, from node `from`, is for `members`' replica and from whom
  // it says (P45).
  static bool Takes(Members& members, base::NodeId from, const Parcel& parcel);
  void Send(base::NodeId from, base::PartitionId partition, raft::ReplicaId to,
            const Parcel& parcel);
  void Echo(base::NodeId node, base::PartitionId partition);
  void Arrive(base::NodeId from, base::NodeId to, base::PartitionId partition,
              Parcel parcel);

  EventLoop& loop_;
  NetworkOptions options_;
  base::Random random_;
  std::function<void(base::PartitionId, const raft::Message&)> on_send_;
  struct Listener {
    partition::Receiver* receiver = nullptr;
    OnUnknown on_unknown;
  };
  std::map<base::NodeId, Listener> listeners_;
  // Of the present processes.
  std::map<std::pair<base::NodeId, base::PartitionId>, Members> members_;
  std::set<std::pair<base::NodeId, base::NodeId>> cuts_;
  struct Word {
    base::NodeId from;
    raft::Message message;
  };
  // That reached the replica on a node.
  std::map<std::pair<base::NodeId, base::PartitionId>, Word> last_of_leader_;
};

}  // namespace sim

#endif  // SIM_NETWORK_H_
