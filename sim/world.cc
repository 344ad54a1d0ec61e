#include "sim/world.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/random.h"
#include "primitive/registry.h"
#include "sim/event_loop.h"
#include "sim/faults.h"
#include "sim/group.h"
#include "sim/judge.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/reshape.h"
#include "sim/scenario.h"

namespace sim {
namespace {

class World {
 public:
  World(uint64_t seed, const Defect& defect, bool verbose)
      : scenario_(Scenario::Draw(seed)),
        random_(~seed),
        judge_(loop_),
        network_(loop_, scenario_.network, random_.Next()),
        faults_(loop_, scenario_, network_, machines_, random_.Next()),
        reshape_(loop_, scenario_, machines_, groups_, random_.Next()) {
    loop_.set_verbose(verbose);
    const session::Registry& registry = defect.registry != nullptr
                                            ? *defect.registry
                                            : primitive::BuiltinRegistry();
    for (uint32_t i = 1; i <= scenario_.partitions; ++i) {
      const base::PartitionId id{i};
      groups_[id] =
          std::make_unique<Group>(id, DrawPlacement(), loop_, scenario_,
                                  registry, random_.Next(), judge_);
    }
    for (uint32_t i = 1; i <= scenario_.nodes; ++i) {
      const NodeOptions options = DrawNode(base::NodeId{i}, defect);
      machines_.push_back(std::make_unique<Machine>(loop_, network_, registry,
                                                    scenario_, options, groups_,
                                                    random_.Next(), judge_));
    }
    network_.set_on_send(
        [this](base::PartitionId partition, const raft::Message& message) {
          groups_.at(partition)->OnSent(message);
        });
    for (auto& [id, group] : groups_) {
      std::vector<Node*> nodes;
      for (const auto& machine : machines_) {
        Node& node = machine->node();
        if (group->has_replica(node.id()) ||
            scenario_.member_change_ns_mean != 0) {
          nodes.push_back(&node);
        }
      }
      group->Populate(std::move(nodes), defect.link);
    }
  }

  RunResult Run() {
    for (const auto& machine : machines_) machine->Start();
    faults_.Start();
    reshape_.Start();
    RunFor(scenario_.faulty_ns);
    Converge();
    return Result();
  }

 private:
  // --- Construction ---------------------------------------------------------

  // Replicas 1, 2, ... on some of the nodes.
  raft::Configuration DrawPlacement() {
    std::vector<uint32_t> nodes;
    for (uint32_t i = 1; i <= scenario_.nodes; ++i) nodes.push_back(i);
    const bool all = nodes.size() <= 3 || random_.OneIn(2);
    while (!all && nodes.size() > 3) {
      nodes.erase(nodes.begin() +
                  static_cast<int64_t>(random_.Below(nodes.size())));
    }
    raft::Configuration configuration;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const raft::ReplicaId replica{i + 1};
      configuration.voters.push_back(replica);
      configuration.members.push_back(
          Reshape::MemberOn(base::NodeId{nodes[i]}));
      configuration.members.back().replica = replica;
    }
    return configuration;
  }

  NodeOptions DrawNode(base::NodeId id, const Defect& defect) {
    NodeOptions options{.id = id,
                        .partition = scenario_.partition,
                        .disk = scenario_.disk,
                        .executors = scenario_.executors,
                        .task_delay_ns_max = scenario_.task_delay_ns_max};
    options.clock_rate_ppm =
        random_.Between(Scenario::kRatePpmMin, Scenario::kRatePpmMax);
    if (defect.clock_rate_ppm != 0) {
      options.clock_rate_ppm = defect.clock_rate_ppm;
    }
    options.disk.forgets_tombstones = defect.forgets_tombstones;
    // Some disks are slow all the time.
    if (random_.OneIn(6)) options.disk.sync_ns_max *= 10;
    for (const auto& [partition, group] : groups_) {
      if (group->has_replica(id)) {
        options.partitions[partition] = group->configuration();
      }
    }
    if (defect.wrap_store) {
      options.wrap_store = [wrap = defect.wrap_store, seed = random_.Next()](
                               storage::LogStore& store) mutable {
        return wrap(store, ++seed);
      };
    }
    if (defect.wrap_transport) {
      options.wrap_transport =
          [wrap = defect.wrap_transport,
           seed = random_.Next()](partition::Transport& transport) {
            return wrap(transport, seed);
          };
    }
    return options;
  }

  // --- Time -----------------------------------------------------------------

  void RunFor(uint64_t time_ns) {
    loop_.RunUntil(loop_.now_ns() + time_ns,
                   [this] { return judge_.failed(); });
  }
  // False: it did not come true in time.
  template <class Condition>
  bool RunUntilTrue(uint64_t time_ns, Condition condition) {
    loop_.RunUntil(loop_.now_ns() + time_ns, [this, &condition] {
      return judge_.failed() || condition();
    });
    return condition();
  }

  // --- Judgement ------------------------------------------------------------

  void Converge() {
    if (judge_.failed()) return;
    faults_.Calm();
    reshape_.Calm();
    for (const auto& machine : machines_) machine->Calm();
    network_.Calm();
    for (auto& [id, group] : groups_) group->Calm();
    loop_.Trace("calm", 0);
    // What is on its way arrives, and a node that is down or stands still comes
    // back.
    RunFor(scenario_.link.late_ns_max + scenario_.pause_ns_max +
           scenario_.down_ns_max + scenario_.disk.stall_ns + 1 * kSeconds);

    if (!RunUntilTrue(30 * kSeconds, [this] { return reshape_.is_done(); })) {
      return Fail("members cannot be added when the faults have ended");
    }
    if (!RunUntilTrue(20 * kSeconds, [this] { return !HasPending(); })) {
      return Fail("requests are not answered when the faults have ended");
    }
    const uint64_t lost = SessionsLost();
    for (auto& [id, group] : groups_) {
      group->workload().ExpectPunctuality();
      group->AddSleeper();
    }
    // Awake for up to a timeout, then asleep for one, by a slow clock; at most
    // one more for those of before a restart (P50).
    RunFor(2 * scenario_.workload.ttl_ns_max +
           scenario_.session_timeout_ns * 7 / 2 + 1 * kSeconds);
    if (Sleeping() > 0) {
      Fail("sessions that nobody keeps alive have not expired (P50)");
    }
    if (SessionsLost() != lost) {
      Fail("sessions that are kept alive have expired without faults (P50)");
    }
    ReadEverything();
    if (judge_.failed()) return;
    for (auto& [id, group] : groups_) group->Check();
    Level();
    HandOver();
    LoseALeader();
    RestartInOrder();
  }

  // All replicas of a partition come to have the same.
  void Level() {
    const auto level = [this] {
      for (auto& [id, group] : groups_) {
        if (!group->is_level()) return false;
      }
      return true;
    };
    if (!RunUntilTrue(5 * kSeconds, level)) {
      for (auto& [id, group] : groups_) {
        if (group->is_level()) continue;
        judge_.Fail(absl::StrCat("a replica does not get what is committed: ",
                                 group->consensus().ToString(), " (P51)"));
      }
      return;
    }
    for (const auto& machine : machines_) machine->Audit();
    // No row of theirs was damaged, so none takes its state for wrong.
    for (const auto& machine : machines_) {
      for (const auto& [id, group] : groups_) {
        const auto partition = machine->node().Find(id);
        if (partition != nullptr && partition->paused()) {
          Fail("a replica believes that its state is wrong (U7)");
        }
      }
    }
  }

  void Fail(const std::string& what) {
    if (!judge_.failed()) judge_.Fail(what);
  }

  void ReadEverything() {
    for (auto& [id, group] : groups_) group->ReadAll();
    const auto done = [this] {
      for (auto& [id, group] : groups_) {
        if (!group->has_read()) return false;
      }
      return true;
    };
    if (!RunUntilTrue(10 * kSeconds, done)) {
      Fail("a fresh client cannot work when the faults have ended");
    }
  }

  // A planned transfer, with nobody in its way, is done at once (P15); where an
  // election timeout is only a few messages long, at the third attempt.
  void HandOver() {
    for (int attempt = 1; attempt < 3; ++attempt) {
      if (TransferEach().ok()) return;
    }
    if (absl::Status status = TransferEach(); !status.ok()) {
      Fail(absl::StrCat("a transfer: ", status.ToString()));
    }
  }

  // The first error.
  absl::Status TransferEach() {
    if (judge_.failed()) return absl::OkStatus();
    struct Ends {
      size_t waiting = 0;
      absl::Status result;
    };
    const auto ends = std::make_shared<Ends>();
    for (const auto& [id, group] : groups_) {
      if (group->consensus().configuration().voters.size() == 1) continue;
      for (const auto& machine : machines_) {
        const auto partition = machine->node().Find(id);
        if (partition == nullptr || !partition->serving()) continue;
        ++ends->waiting;
        partition->TransferLeadership({}, [ends](absl::Status status) {
          --ends->waiting;
          ends->result.Update(status);
        });
        break;
      }
    }
    if (!RunUntilTrue(5 * kSeconds, [&] { return ends->waiting == 0; })) {
      Fail("a transfer of leadership has no end");
    }
    return ends->result;
  }

  // A leader dies without a word, and two election timeouts later another one
  // serves.
  void LoseALeader() {
    if (judge_.failed() || machines_.size() == 1) return;
    for (const auto& machine : machines_) {
      if (!Serves(*machine, base::PartitionId{1})) continue;
      machine->Crash();
      break;
    }
    const auto served = [this] {
      for (const auto& [id, group] : groups_) {
        if (!IsServed(id)) return false;
      }
      return true;
    };
    const raft::Config& raft = scenario_.partition.raft;
    // Of a slow clock, and what messages and syncs take.
    const uint64_t time_ns =
        2 * 2 * raft.election_ticks * raft.tick_ns * 10 / 9 +
        10 * (scenario_.network.delay_ns_max + 10 * scenario_.disk.sync_ns_max);
    if (!RunUntilTrue(time_ns, served)) {
      Fail("two election timeouts after its leader died, nobody serves");
    }
    RunFor(scenario_.down_ns_max + 1 * kSeconds);
  }

  static bool Serves(const Machine& machine, base::PartitionId id) {
    const auto partition = machine.node().Find(id);
    return partition != nullptr && partition->serving();
  }
  bool IsServed(base::PartitionId id) const {
    return std::any_of(
        machines_.begin(), machines_.end(),
        [id](const auto& machine) { return Serves(*machine, id); });
  }

  // An orderly stop, of all at once, loses nothing either.
  void RestartInOrder() {
    if (judge_.failed()) return;
    for (const auto& machine : machines_) machine->node().Stop(1 * kSeconds);
    RunFor(2 * kSeconds);
    if (judge_.failed()) return;
    for (const auto& machine : machines_) {
      CHECK(!machine->node().is_up());
      machine->Start();
    }
    ReadEverything();
    Level();
  }

  bool HasPending() const {
    for (auto& [id, group] : groups_) {
      if (group->has_pending()) return true;
    }
    return false;
  }
  uint64_t SessionsLost() const {
    uint64_t lost = 0;
    for (auto& [id, group] : groups_) lost += group->sessions_lost();
    return lost;
  }
  uint64_t Sleeping() const {
    uint64_t count = 0;
    for (auto& [id, group] : groups_) {
      count += group->workload().sleeping_count();
    }
    return count;
  }

  RunResult Result() const {
    RunResult result{.failures = judge_.failures(),
                     .trace_hash = loop_.trace_hash(),
                     .events = loop_.event_count(),
                     .sessions_lost = SessionsLost(),
                     .reshaped = reshape_.done_count()};
    for (const auto& machine : machines_) {
      result.crashes += machine->crash_count();
    }
    for (auto& [id, group] : groups_) {
      result.calls += group->workload().call_count();
      result.changes += group->workload().change_count();
      result.entries += group->consensus().chosen().value();
      result.terms += group->consensus().term_count();
      result.images += group->replay().image_count();
      result.trims += group->consensus().trim_count();
      result.installs += group->consensus().install_count();
      result.created += group->created_count();
      result.dropped += group->drop_count();
      result.audits += group->replay().audit_count();
    }
    return result;
  }

  const Scenario scenario_;
  EventLoop loop_;
  base::Random random_;
  Judge judge_;
  Network network_;
  Groups groups_;
  // Destroyed before what their callers are.
  std::vector<std::unique_ptr<Machine>> machines_;
  Faults faults_;
  Reshape reshape_;
};

}  // namespace

RunResult RunSeed(uint64_t seed, const Defect& defect, bool verbose) {
  return World(seed, defect, verbose).Run();
}

}  // namespace sim
