// Host is the partitions of one node: it opens them from the store, spreads
// them over the executors, ticks them, and stops them in order. While the node
// runs, partitions come and go:
//
//   a leader speaks to a replica that is not here -> Create: an empty replica
//     on disk -> opened -> it learns the rest from the leader
//   a replica is no member any more -> out of the table, stopped -> nothing of
//     it is on its way through the store -> its data is dropped, and a
//     tombstone left, so that its id never comes back (P45)
//
// Thread-safe after Open.

#ifndef PARTITION_HOST_H_
#define PARTITION_HOST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "partition/partition.h"
#include "partition/transport.h"
#include "raft/configuration.h"

namespace partition {

struct HostPorts {
  base::Clock& clock;
  std::vector<Executor*> executors;  // At least one.
  // Makes, opens, drops and frees partitions; its tasks wait for the disk, so
  // it is no one of `executors`. Null: the partitions stay as they are.
  Executor* loader = nullptr;
  // Of no partition, so that none holds it up (P54): ticks all of them.
  Executor& timer;
  storage::LogStore& store;
  Transport& transport;
  const session::Registry& registry;
  const DiskGate* disk = nullptr;  // Outlives it. Null: there is always space.
  // A partition that served stopped for good, by itself; the others go on. From
  // an executor. May be null: Partition::out_of_service tells too.
  std::function<void(base::PartitionId, const absl::Status&)> on_stopped;
  // A partition is here, and is started next: at Start, and later from the
  // loader. May be null.
  std::function<void(Partition&)> on_added;
  // It is not here any more: Find does not find it. From an executor or a
  // caller of Create. May be null.
  std::function<void(base::PartitionId)> on_removed;
  // What happens to any of them. May be null.
  OnReplicaEvent on_event;
};

class Host : public Receiver {
 public:
  // Opens every partition that the store has. `options` serves all of them
  // (id is set by Host). `on_fatal` is called at most once, from an executor,
  // when the disk failed.
  //
  // One whose own data cannot be loaded is out of service, and the others are
  // opened. Only if there is no other is its error returned; so is any of the
  // store itself (Unavailable).
  static absl::StatusOr<std::unique_ptr<Host>> Open(
      const Options& options, const HostPorts& ports, uint64_t seed,
      absl::AnyInvocable<void(absl::Status)> on_fatal);
  ~Host() override;

  // Starts the partitions and their ticks.
  void Start();

  // Stops all partitions. The caller then closes the store, which completes
  // what was queued, and stops the executors, before it destroys the host.
  void Stop();

  // From the transport; dropped if the partition is not on this node.
  void Receive(base::PartitionId partition,
               std::vector<raft::Message> messages) override;
  void ReceiveImage(base::PartitionId partition, ImageMessage message) override;
  void ReceiveNote(base::PartitionId partition, Note note) override;

  // Null: not on this node. Who keeps it keeps its data on the disk, when it is
  // removed: over time, keep a weak_ptr.
  std::shared_ptr<Partition> Find(base::PartitionId id) const;
  std::vector<std::shared_ptr<Partition>> All() const;  // By id.

  // Gets the end of Create or CreateWith, once, from the loader or the caller.
  // May be null.
  using Created = absl::AnyInvocable<void(const absl::Status&)>;

  // Makes a replica that knows nobody. Only at the word of a leader, whose
  // configuration has it: then any lower replica of the partition that is here
  // was removed, and goes first. Cheap if there is nothing to do, for it is
  // called for every message to a replica that is not here (the leader repeats
  // what is dropped meanwhile).
  //
  // OK also if it is here already. FailedPrecondition: a later one is here, or
  // was; or it is one that its partition began with, which nobody can be told
  // of later. Unavailable: to be tried again.
  void Create(base::PartitionId partition, raft::ReplicaId replica,
              Created created);

  // Makes a partition that begins with this configuration, which has a replica
  // on this node. AlreadyExists: a replica of it is here. FailedPrecondition:
  // one was. Unavailable: to be tried again.
  void CreateWith(base::PartitionId partition,
                  const raft::Configuration& configuration, Created created);

 private:
  class Impl;
  explicit Host(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

}  // namespace partition

#endif  // PARTITION_HOST_H_
