// SmallCluster is one partition on a few nodes and one client that increments a
// counter all the time: for tests that do one thing to one of its nodes. (World
// is the run with everything at once.)
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_SMALL_CLUSTER_H_
#define SIM_SMALL_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "base/ids.h"
#include "base/random.h"
#include "partition/partition.h"
#include "session/registry.h"
#include "session/types.h"
#include "sim/disk.h"
#include "sim/event_loop.h"
#include "sim/network.h"
#include "sim/node.h"

namespace sim {

struct SmallClusterOptions {
  uint32_t nodes = 3;
  // Of some nodes, instead of the built-in ones.
  std::map<uint32_t, const session::Registry*> registries;
  // What the first process of a node knows, if not what a release does.
  std::map<uint32_t, uint32_t> machine_version_max;
  // One message in so many. 0: none.
  uint64_t lose_one_in = 0;
};

class SmallCluster : public DiskObserver {
 public:
  SmallCluster(const SmallClusterOptions& options, uint64_t seed);
  ~SmallCluster() override;

  // --- Nodes, 1 to `nodes` --------------------------------------------------

  Node& node(uint32_t id) { return *nodes_.at(id); }
  // The one that serves as leader; 0: none does.
  uint32_t Leader() const;
  // As its replica says now. REQUIRES: it is up.
  partition::PartitionStatus StatusOf(uint32_t id);
  // Why its last process ended itself.
  const absl::Status& exit_of(uint32_t id) { return exits_[id]; }
  // Nothing gets to or from the node, until Join.
  void Isolate(uint32_t id);
  void Join(uint32_t id);
  void Restart(uint32_t id, Disk::Loss loss);

  // --- Time -----------------------------------------------------------------

  void RunFor(uint64_t ns) { loop_.RunUntil(loop_.now_ns() + ns); }
  // False: it did not come true in time. Looks every so often.
  bool RunUntil(const std::function<bool()>& condition,
                uint64_t ns_max = 60 * kSeconds);

  // --- The client -----------------------------------------------------------

  // Increments until Finish.
  void Work();
  // Waits for the increment that is under way.
  void Finish();
  // What was acknowledged; each of them by one.
  uint64_t acknowledged() const { return acknowledged_; }
  // The counter, as the node reads it when it can.
  std::optional<int64_t> Read(uint32_t id);

  // --- DiskObserver ---------------------------------------------------------

  void OnQueued(const DiskWrite&) override {}
  void OnDurable(const DiskWrite&) override {}
  void OnCreated(base::PartitionId, raft::ReplicaId) override {}
  void OnDropped(base::PartitionId, raft::ReplicaId) override {}
  bool FailsHere(DiskMoment) override { return false; }

 private:
  // Sends `request` to the leader again and again until it is answered, which
  // is its right: it is the same command.
  session::Applied Do(const partition::CommandRequest& request);
  std::optional<int64_t> ReadOnce(uint32_t id);
  void Increment();
  void Attempt(const partition::CommandRequest& request,
               std::function<void(session::Applied)> done);
  void KeepAlive();

  EventLoop loop_;
  base::Random random_;
  Network network_;
  std::map<uint32_t, std::unique_ptr<Node>> nodes_;
  std::map<uint32_t, absl::Status> exits_;

  session::SessionId session_;
  session::PrimitiveId counter_;
  uint64_t sequence_ = 0;
  bool working_ = false;
  bool under_way_ = false;
  uint64_t acknowledged_ = 0;
};

}  // namespace sim

#endif  // SIM_SMALL_CLUSTER_H_
