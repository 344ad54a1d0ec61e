// Group is everything about one partition: the oracles that watch its replicas,
// and the clients that use it.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_GROUP_H_
#define SIM_GROUP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/random.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "session/registry.h"
#include "sim/client.h"
#include "sim/consensus.h"
#include "sim/disk.h"
#include "sim/event_loop.h"
#include "sim/judge.h"
#include "sim/link.h"
#include "sim/node.h"
#include "sim/replay.h"
#include "sim/scenario.h"
#include "sim/workload.h"
#include "storage/log_store.h"

namespace sim {

class Group : public AnswerObserver {
 public:
  // All references must outlive it. `configuration` is what the partition is
  // created with.
  Group(base::PartitionId id, const raft::Configuration& configuration,
        EventLoop& loop, const Scenario& scenario,
        const session::Registry& registry, uint64_t seed, Judge& judge);

  // Its clients begin. `nodes` are those that they know; not all of them need
  // have a replica.
  void Populate(std::vector<Node*> nodes, const LinkFaults& faults);

  // --- What it watches ------------------------------------------------------

  void OnQueued(base::NodeId node, const DiskWrite& write);
  void OnDurable(base::NodeId node, const DiskWrite& write);
  void OnSent(const raft::Message& message) { consensus_.OnSent(message); }
  // A replica was made on `node`, or dropped, while the node runs.
  void OnCreated(base::NodeId node, raft::ReplicaId replica);
  void OnDropped(base::NodeId node, raft::ReplicaId replica);
  // A new process of `node` has opened its store.
  void OnStart(base::NodeId node, storage::LogStore& store);
  // Compares the disk of `node` with what is known, at any moment.
  void Audit(base::NodeId node, storage::LogStore& store);

  void OnAnswer(session::CommandKey command,
                const session::Result& result) override;
  uint64_t seen_index() const override { return seen_index_; }
  void OnIndex(uint64_t index, uint64_t before) override;

  // --- What it does ---------------------------------------------------------

  void AddSleeper();
  // A fresh client reads everything and writes once; then has_read().
  void ReadAll();
  // Faults end; nobody begins anything new.
  void Calm();
  // Judges the histories against what ReadAll read.
  void Check() { workload_.Check(*final_state_); }

  bool has_replica(base::NodeId node) const;
  bool has_pending() const;
  bool has_read() const { return final_state_.has_value(); }
  // Every member has everything that is chosen on its disk.
  bool is_level() const;
  uint64_t sessions_lost() const;

  base::PartitionId id() const { return id_; }
  // What it was created with.
  const raft::Configuration& configuration() const { return configuration_; }
  const Consensus& consensus() const { return consensus_; }
  const Replay& replay() const { return replay_; }
  uint64_t created_count() const { return made_.size(); }
  uint64_t drop_count() const { return drop_count_; }
  Workload& workload() { return workload_; }
  const Workload& workload() const { return workload_; }

 private:
  std::string Name(absl::string_view what) const;
  raft::ReplicaId ReplicaOn(base::NodeId node) const;
  // What is on the disk of `node`; nullopt: nothing, and that is right.
  std::optional<storage::StoredPartition> Load(base::NodeId node,
                                               storage::LogStore& store);
  Client& NewClient(absl::string_view name, bool gives_up = true);

  const base::PartitionId id_;
  const raft::Configuration configuration_;
  EventLoop& loop_;
  const Scenario& scenario_;
  base::Random random_;
  Judge& judge_;
  Consensus consensus_;
  Replay replay_;
  Workload workload_;
  std::map<base::NodeId, raft::ReplicaId> replicas_;  // On the disks.
  std::set<raft::ReplicaId> made_;                    // While the nodes run.
  std::vector<Node*> nodes_;
  uint64_t drop_count_ = 0;
  LinkFaults faults_;
  bool calm_ = false;
  uint64_t seen_index_ = 0;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::optional<FinalState> final_state_;
};

}  // namespace sim

#endif  // SIM_GROUP_H_
