#include "sim/world.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "primitive/registry.h"
#include "sim/client.h"
#include "sim/replay.h"
#include "sim/sim_clock.h"
#include "sim/workload.h"

namespace sim {
namespace {

constexpr base::NodeId kNode{1};
constexpr raft::ReplicaId kReplica{1};

// Everything about one partition: its oracle, its clients and what they share.
class Group : public AnswerObserver {
 public:
  Group(base::PartitionId id, EventLoop& loop, const Scenario& scenario,
        const session::Registry& registry, uint64_t seed, Judge& judge)
      : id_(id),
        loop_(loop),
        scenario_(scenario),
        random_(seed),
        judge_(judge),
        replay_(id, registry, scenario.partition.limits, judge),
        workload_(loop, registry, scenario.workload, random_.Next(), judge) {}

  // --- AnswerObserver -------------------------------------------------------

  void OnAnswer(session::CommandKey command,
                const session::Result& result) override {
    replay_.OnAnswer(command, result);
  }
  uint64_t seen_index() const override { return seen_index_; }
  void OnIndex(uint64_t index, uint64_t before) override {
    if (index < before) {
      judge_.Fail(absl::StrCat("partition ", id_.value(),
                               ": the client-visible index went back from ",
                               before, " to ", index));
    }
    seen_index_ = std::max(seen_index_, index);
  }

  // --- Clients --------------------------------------------------------------

  void Populate(Node& node, const LinkFaults& faults) {
    node_ = &node;
    faults_ = faults;
    workload_.AddCounter(Name("tally"), true);
    workload_.AddCounter(Name("counter"), false);
    for (uint64_t i = 0; i < scenario_.maps; ++i) {
      workload_.AddMap(Name(absl::StrCat("map", i)), i > 0);
    }
    for (uint64_t i = 0; i < scenario_.maps; ++i) {
      workload_.AddChronicler(NewClient(absl::StrCat("chronicler", i)),
                              Name(absl::StrCat("map", i)));
    }
    for (uint64_t i = 0; i < scenario_.workers; ++i) {
      workload_.AddWorker(NewClient(absl::StrCat("worker", i)));
    }
    for (uint64_t i = 0; i < scenario_.sleepers; ++i) AddSleeper();
  }

  void AddSleeper() {
    workload_.AddSleeper(NewClient(absl::StrCat("sleeper", clients_.size())),
                         random_.Below(scenario_.session_timeout_ns));
  }

  void ReadAll() {
    final_state_.reset();
    workload_.ReadAll(NewClient("reader"), [this](FinalState state) {
      final_state_ = std::move(state);
    });
  }

  void Calm() {
    calm_ = true;
    workload_.Finish();
    for (auto& link : links_) link->Calm();
  }

  bool has_pending() const {
    for (const auto& client : clients_) {
      if (client->pending_count() > 0) return true;
    }
    return false;
  }
  uint64_t sessions_lost() const {
    uint64_t lost = 0;
    for (const auto& client : clients_) lost += client->sessions_lost();
    return lost;
  }
  bool has_read() const { return final_state_.has_value(); }
  void Check() { workload_.Check(*final_state_); }

  base::PartitionId id() const { return id_; }
  Replay& replay() { return replay_; }
  Workload& workload() { return workload_; }

 private:
  std::string Name(absl::string_view what) const {
    return absl::StrCat("p", id_.value(), "-", what);
  }

  Client& NewClient(absl::string_view name) {
    links_.push_back(std::make_unique<Link>(loop_, *node_, id_, scenario_.link,
                                            faults_, random_.Next(), *this));
    if (calm_) links_.back()->Calm();
    const ClientOptions options{
        .session_timeout_ns = scenario_.session_timeout_ns,
        .give_up_one_in = scenario_.give_up_one_in,
        .early_factor =
            static_cast<double>(SimClock::kTrueRatePpm) / Scenario::kRatePpmMax,
        .early_slack_ns = 2 * scenario_.partition.raft.tick_ns};
    clients_.push_back(std::make_unique<Client>(
        loop_, *links_.back(), options, Name(name), random_.Next(), judge_));
    return *clients_.back();
  }

  const base::PartitionId id_;
  EventLoop& loop_;
  const Scenario& scenario_;
  base::Random random_;
  Judge& judge_;
  Replay replay_;
  Workload workload_;
  Node* node_ = nullptr;
  LinkFaults faults_;
  bool calm_ = false;
  uint64_t seen_index_ = 0;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::optional<FinalState> final_state_;
};

class World : public DiskObserver {
 public:
  World(uint64_t seed, const Defect& defect, bool verbose)
      : scenario_(Scenario::Draw(seed)),
        random_(~seed),
        judge_(loop_),
        network_(loop_, scenario_.network, random_.Next()) {
    loop_.set_verbose(verbose);
    const session::Registry& registry = defect.registry != nullptr
                                            ? *defect.registry
                                            : primitive::BuiltinRegistry();
    NodeOptions options{.id = kNode,
                        .configuration = Alone(),
                        .partition = scenario_.partition,
                        .disk = scenario_.disk,
                        .executors = scenario_.executors,
                        .task_delay_ns_max = scenario_.task_delay_ns_max,
                        .clock_rate_ppm = defect.clock_rate_ppm != 0
                                              ? defect.clock_rate_ppm
                                              : scenario_.clock_rate_ppm};
    if (defect.wrap_store) {
      options.wrap_store = [wrap = defect.wrap_store, seed = random_.Next()](
                               storage::LogStore& store) mutable {
        return wrap(store, ++seed);
      };
    }
    for (uint32_t i = 1; i <= scenario_.partitions; ++i) {
      const base::PartitionId id{i};
      options.partitions.push_back(id);
      groups_[id] = std::make_unique<Group>(id, loop_, scenario_, registry,
                                            random_.Next(), judge_);
    }
    node_ = std::make_unique<Node>(loop_, network_, registry, options,
                                   random_.Next(), *this);
    node_->set_on_open([this](storage::LogStore& store) {
      for (auto& [id, group] : groups_) group->replay().AuditRestart(store);
    });
    node_->set_on_exit([this](absl::Status status) {
      loop_.Trace("exit", 0);
      if (!std::exchange(failing_sync_, false)) {
        judge_.Fail(
            absl::StrCat("the process ended itself: ", status.ToString()));
      }
      OnDown();
    });
    for (auto& [id, group] : groups_) group->Populate(*node_, defect.link);
  }

  RunResult Run() {
    StartNode();
    if (scenario_.fault_ns_mean != 0) FaultLater();
    RunFor(scenario_.faulty_ns);
    Converge();
    return Result();
  }

  // --- DiskObserver ---------------------------------------------------------

  void OnQueued(const DiskWrite& write) override {
    groups_.at(write.partition)->replay().OnQueued(write);
  }
  void OnDurable(const DiskWrite& write) override {
    // One sync covers all partitions.
    for (auto& [id, group] : groups_) group->replay().OnSync();
    groups_.at(write.partition)->replay().OnDurable(write);
    loop_.Trace("durable", write.entries.size());
  }
  bool FailsHere(DiskMoment moment) override {
    if (!crash_at_.has_value() || *crash_at_ != moment) return false;
    if (crash_countdown_ > 0) {
      --crash_countdown_;
      return false;
    }
    crash_at_.reset();
    Crash();
    return true;
  }

 private:
  static raft::Configuration Alone() {
    raft::Configuration configuration;
    configuration.voters = {kReplica};
    configuration.members = {{.replica = kReplica, .node = kNode}};
    return configuration;
  }

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

  // --- Faults ---------------------------------------------------------------

  void StartNode() {
    loop_.Trace("start", node_->incarnation());
    if (absl::Status status = node_->Start(); !status.ok()) {
      judge_.Fail(absl::StrCat("the node does not start: ", status.ToString()));
      node_->Crash(Disk::Loss::kNothing);
    }
  }

  // The process is down: it comes back by and by.
  void OnDown() {
    ++crashes_;
    if (coming_back_) return;
    coming_back_ = true;
    loop_.After(random_.Between(1, scenario_.down_ns_max), [this] {
      coming_back_ = false;
      if (!node_->is_up() && !judge_.failed()) StartNode();
    });
  }

  void Crash() {
    static constexpr Disk::Loss kLosses[] = {
        Disk::Loss::kNothing, Disk::Loss::kSome, Disk::Loss::kUnsynced};
    const Disk::Loss loss = kLosses[random_.Below(3)];
    loop_.Trace("crash", static_cast<uint64_t>(loss));
    // A disk that was about to fail is another one after a power cut.
    if (loss != Disk::Loss::kNothing) failing_sync_ = false;
    node_->Crash(loss);
    OnDown();
  }

  void FaultLater() {
    loop_.After(random_.Below(2 * scenario_.fault_ns_mean), [this] {
      if (calm_) return;
      FaultLater();
      if (node_->is_up()) Fault();
    });
  }

  void Fault() {
    const uint64_t dice = random_.Below(12);
    loop_.Trace("fault", dice);
    if (dice < 5) {
      // At a moment of the disk, this one or one of the next few.
      crash_at_ = static_cast<DiskMoment>(random_.Below(5));
      crash_countdown_ = random_.Below(10);
    } else if (dice < 6) {
      Crash();
    } else if (dice < 7) {
      const uint64_t grace_ns = random_.Below(100 * kMillis);
      node_->Stop(grace_ns);
      loop_.After(grace_ns + 1, [this] {
        if (!node_->is_up()) OnDown();
      });
    } else if (dice < 9) {
      node_->Pause(random_.Below(scenario_.pause_ns_max), random_.OneIn(2));
    } else if (dice < 10) {
      node_->clock().JumpWall(static_cast<int64_t>(random_.Below(1'000'000)) *
                                  static_cast<int64_t>(kSeconds) -
                              500'000 * static_cast<int64_t>(kSeconds));
    } else if (dice < 11 && scenario_.disk_errors) {
      failing_sync_ = true;
      node_->disk().FailNextSync();
    } else {
      AuditLive();
    }
  }

  void AuditLive() {
    if (!node_->is_up() || failing_sync_) return;
    for (auto& [id, group] : groups_) group->replay().AuditLive(node_->store());
  }

  // --- Judgement ------------------------------------------------------------

  void Converge() {
    if (judge_.failed()) return;
    calm_ = true;
    crash_at_.reset();
    node_->disk().Calm();
    network_.Calm();
    for (auto& [id, group] : groups_) group->Calm();
    loop_.Trace("calm", 0);
    // What is on its way arrives, and a node that is down or stands still comes
    // back.
    RunFor(scenario_.link.late_ns_max + scenario_.pause_ns_max +
           scenario_.down_ns_max + 1 * kSeconds);

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
    AuditLive();
    RestartInOrder();
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

  // An orderly stop loses nothing either.
  void RestartInOrder() {
    if (judge_.failed()) return;
    node_->Stop(1 * kSeconds);
    RunFor(2 * kSeconds);
    if (judge_.failed()) return;
    CHECK(!node_->is_up());
    StartNode();
    ReadEverything();
    AuditLive();
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
                     .crashes = crashes_,
                     .sessions_lost = SessionsLost()};
    for (auto& [id, group] : groups_) {
      result.calls += group->workload().call_count();
      result.changes += group->workload().change_count();
      result.entries += group->replay().entry_count();
      result.images += group->replay().image_count();
      result.trims += group->replay().trim_count();
      result.audits += group->replay().audit_count();
    }
    return result;
  }

  const Scenario scenario_;
  EventLoop loop_;
  base::Random random_;
  Judge judge_;
  Network network_;
  std::map<base::PartitionId, std::unique_ptr<Group>> groups_;
  // Destroyed before what its callers are.
  std::unique_ptr<Node> node_;

  bool calm_ = false;
  bool coming_back_ = false;
  bool failing_sync_ = false;
  std::optional<DiskMoment> crash_at_;
  uint64_t crash_countdown_ = 0;
  uint64_t crashes_ = 0;
};

}  // namespace

RunResult RunSeed(uint64_t seed, const Defect& defect, bool verbose) {
  return World(seed, defect, verbose).Run();
}

}  // namespace sim
