// Node is one simulated machine with its disk, its clock and, most of the time,
// a process that serves partitions. The process can be killed, the machine can
// lose power, stand still, or be started again.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_NODE_H_
#define SIM_NODE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "partition/host.h"
#include "partition/partition.h"
#include "partition/transport.h"
#include "raft/configuration.h"
#include "session/registry.h"
#include "sim/disk.h"
#include "sim/event_loop.h"
#include "sim/network.h"
#include "sim/sim_clock.h"
#include "sim/sim_executor.h"
#include "storage/log_store.h"

namespace sim {

struct NodeOptions {
  base::NodeId id;
  // The groups this node is created with.
  std::map<base::PartitionId, raft::Configuration> partitions;

  partition::Options partition;
  DiskOptions disk;
  uint64_t executors = 1;
  uint64_t task_delay_ns_max = 20 * kMicros;
  uint64_t clock_rate_ppm = SimClock::kTrueRatePpm;

  // Test of the oracles: puts itself between the process and its store.
  std::function<std::unique_ptr<storage::LogStore>(storage::LogStore&)>
      wrap_store;
  // And between the process and the network.
  std::function<std::unique_ptr<partition::Transport>(partition::Transport&)>
      wrap_transport;
};

class Node {
 public:
  // All references must outlive it.
  Node(EventLoop& loop, Network& network, const session::Registry& registry,
       const NodeOptions& options, uint64_t seed, DiskObserver& observer);
  ~Node();

  // Called when a new process has opened the store, before it reads it.
  void set_on_open(std::function<void(storage::LogStore&)> on_open) {
    on_open_ = std::move(on_open);
  }
  // Of the next process.
  partition::Options& partition_options() { return options_.partition; }
  // Called, from an event of its own, when the process has ended itself.
  void set_on_exit(std::function<void(absl::Status)> on_exit) {
    on_exit_ = std::move(on_exit);
  }

  // Starts a process. An error is the process's: it could not start.
  // REQUIRES: !is_up().
  absl::Status Start();

  // The process ends without warning. REQUIRES: is_up().
  void Crash(Disk::Loss loss);

  // The process is told to stop; it ends `grace_ns` later, in order.
  // REQUIRES: is_up().
  void Stop(uint64_t grace_ns);

  // The process stands still; `suspended`: the machine and its clock do too.
  void Pause(uint64_t virtual_ns, bool suspended);

  bool is_up() const { return process_ != nullptr; }
  // Counts the processes; a connection to an earlier one is broken.
  uint64_t incarnation() const { return incarnation_; }

  // Null: the process is down, or has no such partition. Not to be kept.
  std::shared_ptr<partition::Partition> Find(base::PartitionId id) const;
  // The node that this one takes for the leader of `id`; 0: unknown.
  base::NodeId LeaderHint(base::PartitionId id) const;
  // The store of the process. REQUIRES: is_up().
  storage::LogStore& store() const;

  base::NodeId id() const { return options_.id; }
  SimClock& clock() { return clock_; }
  Disk& disk() { return disk_; }

 private:
  struct Process;

  void Exit(uint64_t incarnation, absl::Status status);

  EventLoop& loop_;
  Network& network_;
  const session::Registry& registry_;
  NodeOptions options_;
  base::Random random_;
  SimClock clock_;
  Disk disk_;
  const std::unique_ptr<partition::Transport> port_;
  // What the process sends through: port_, perhaps wrapped.
  std::unique_ptr<partition::Transport> wrapped_transport_;
  partition::Transport* transport_ = nullptr;
  std::function<void(storage::LogStore&)> on_open_;
  std::function<void(absl::Status)> on_exit_;

  bool created_ = false;  // The partitions are on the disk.
  uint64_t incarnation_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace sim

#endif  // SIM_NODE_H_
