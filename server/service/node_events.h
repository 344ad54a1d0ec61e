// NodeEvents is what happens to the replicas and connections of this node, told
// to those who watch it (Node.Watch): first how things are, then each event, in
// one order for all. Nothing is kept of what happened before.
//
// A watch that cannot be written has a bounded number of events wait for it;
// above that it ends, and nobody waits for it (semantics 6.3).
//
// Thread-safe; what is published never blocks.

#ifndef SERVER_SERVICE_NODE_EVENTS_H_
#define SERVER_SERVICE_NODE_EVENTS_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "partition/partition.h"
#include "partition/replica_event.h"
#include "server/service/stream_call.h"

namespace server::service {

class NodeWatch;

class NodeEvents {
 public:
  // Events that may wait for one watch, beside those that it begins with.
  static constexpr size_t kWaitingMax = 100;

  // `clock` must outlive it.
  explicit NodeEvents(base::Clock& clock) : clock_(clock) {}

  // --- Who tells ------------------------------------------------------------

  // Which member of its groups this node is. Before there are any.
  void SetNode(base::NodeId node) ABSL_LOCKS_EXCLUDED(mu_);

  // A replica is here. What is told of others is not passed on: they left.
  void Added(base::PartitionId group) ABSL_LOCKS_EXCLUDED(mu_);

  // A replica of this node knows who leads; what repeats itself is not told.
  void LeaderKnown(base::PartitionId group, const partition::LeaderInfo& info)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Happened(const partition::ReplicaEvent& event) ABSL_LOCKS_EXCLUDED(mu_);
  // A replica is not here any more.
  void Removed(base::PartitionId group) ABSL_LOCKS_EXCLUDED(mu_);

  // The space of logs that were trimmed before was given back to the disk.
  void LogSpaceFreed() ABSL_LOCKS_EXCLUDED(mu_);

  // A connection to `address`, one that carries images or the other one.
  void Connection(const std::string& address, bool carries_images,
                  bool established) ABSL_LOCKS_EXCLUDED(mu_);

  // --- Who watches ----------------------------------------------------------

  // `place` is given back with the call.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(
      grpc::CallbackServerContext& context, OpenStreams& streams,
      std::shared_ptr<const void> place) ABSL_LOCKS_EXCLUDED(mu_);

  // Those that get what is told next.
  size_t watches() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Event = atomix::multiraft::v1::Event;

  // As far as it was told.
  struct Group {
    raft::Term term;
    uint64_t leader = 0;  // A member; 0: none is known.
    bool ready = false;
    raft::Index log_trimmed;  // Not freed yet; 0: it is.
  };

  Event NewEvent() const;
  void FillMember(atomix::multiraft::v1::MemberEvent& member,
                  base::PartitionId group) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Event LeaderEvent(base::PartitionId id, const Group& group) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Event ReadyEvent(base::PartitionId id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Event EventOf(const partition::ReplicaEvent& event) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  using Watches = std::vector<std::shared_ptr<NodeWatch>>;
  // Has each watch get it; they are to be pumped without the lock.
  Watches PublishLocked(const Event& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Pump(const Watches& watches);

  base::Clock& clock_;

  mutable base::Mutex mu_;
  base::NodeId node_ ABSL_GUARDED_BY(mu_);
  std::map<base::PartitionId, Group> groups_ ABSL_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<NodeWatch>> watches_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::service

#endif  // SERVER_SERVICE_NODE_EVENTS_H_
