// Host is the partitions of one node: it opens them from the store, spreads
// them over the executors, ticks them, and stops them in order.
//
// Thread-safe after Open.

#ifndef PARTITION_HOST_H_
#define PARTITION_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "partition/partition.h"
#include "partition/transport.h"

namespace partition {

struct HostPorts {
  base::Clock& clock;
  std::vector<Executor*> executors;  // At least one.
  storage::LogStore& store;
  Transport& transport;
  const session::Registry& registry;
  const DiskGate* disk = nullptr;  // Outlives it. Null: there is always space.
  // A partition that served stopped for good, by itself; the others go on. From
  // an executor. May be null: Partition::out_of_service tells too.
  std::function<void(base::PartitionId, const absl::Status&)> on_stopped;
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

  // Null: not on this node.
  Partition* Find(base::PartitionId id) const;
  std::vector<Partition*> All() const;  // By id.

 private:
  struct Impl;
  explicit Host(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

}  // namespace partition

#endif  // PARTITION_HOST_H_
