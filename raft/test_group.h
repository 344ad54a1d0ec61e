// TestGroup runs the replicas of one partition in one place, for tests: it does
// what partition/ does for one core, with a FakeDisk, a list for a network, and
// every effect in the test's hands. Invariants are checked at every step.
//
// A step that a test does not ask for does not happen: writes stay queued until
// CompleteWrite, messages on the network until Deliver.

#ifndef RAFT_TEST_GROUP_H_
#define RAFT_TEST_GROUP_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "raft/configuration.h"
#include "raft/fake_disk.h"
#include "raft/invariants.h"
#include "raft/message.h"
#include "raft/raft.h"
#include "raft/ready.h"
#include "raft/types.h"

namespace raft {

// Voters and learners without addresses, members filled in.
Configuration TestConfiguration(std::vector<uint64_t> voters,
                                std::vector<uint64_t> learners = {});

Proposal TestCommand(absl::string_view text);

class TestGroup {
 public:
  // One write of a replica to its disk, and what leaves once it is durable.
  struct Write {
    std::optional<PersistToken> token;
    HardState hard_state;
    std::vector<Entry> entries;
    std::optional<SnapshotInstall> install;
    std::vector<Message> messages;
  };

  // One image on its way.
  struct Transfer {
    ReplicaId leader;
    SnapshotSend send;
  };

  struct Node {
    Config config;
    std::unique_ptr<Raft> raft;  // Null while it is down.
    uint64_t lives = 0;
    std::deque<Write> writes;
    std::deque<Entry> to_apply;
    std::vector<FetchRequest> fetches;
    std::optional<SnapshotInstall> install;  // The image it is to receive.
    std::vector<ReadState> reads;            // Answers, for the test to take.
    bool removed = false;                    // It said so, in any life.
    Index applied;                           // By the state machine.
    uint64_t clock_ns = 0;                   // Survives a crash.
    std::vector<std::string> log;            // Of commands applied, in order.
  };

  // Replicas start with `config`, but their own self and seed.
  explicit TestGroup(const Config& config)
      : config_(config), invariants_(disks_) {}

  // A replica with an empty disk.
  void Add(ReplicaId self, const Configuration& configuration,
           std::optional<Config> config = std::nullopt);
  // Ids of all replicas, and of those that are up.
  std::vector<ReplicaId> replicas() const;
  bool is_up(ReplicaId self) const { return nodes_.at(self).raft != nullptr; }

  Node& node(ReplicaId self) { return nodes_.at(self); }
  // REQUIRES: is_up(self).
  Raft& raft(ReplicaId self) { return *nodes_.at(self).raft; }
  const FakeDisk& disk(ReplicaId self) const { return disks_.at(self); }
  std::deque<Message>& network() { return network_; }
  std::vector<Transfer>& transfers() { return transfers_; }
  const Invariants& invariants() const { return invariants_; }
  // Each step that changes something is told as a line.
  void set_trace(std::function<void(const std::string&)> trace) {
    trace_ = std::move(trace);
  }

  // What the clocks of replicas show, for lease reads. Without it each shows
  // how often it was ticked and let sleep.
  void set_clock(std::function<uint64_t(ReplicaId)> clock) {
    clock_ = std::move(clock);
  }

  // --- Single steps; false: there is nothing to do. --------------------------

  bool TakeReady(ReplicaId self);
  // TakeReady in two steps, between which the replica stands still and others
  // do not: it looks at its clock, and gets no input before EndTurn. One
  // replica at a time.
  void BeginTurn(ReplicaId self);
  bool EndTurn(ReplicaId self);
  bool CompleteWrite(ReplicaId self);
  bool Apply(ReplicaId self);  // Everything handed out so far.
  bool Fetch(ReplicaId self);  // The oldest request.
  // Receives, or refuses, the image a replica waits for. It takes a transfer
  // by that leader; queues the installation as a write.
  bool ReceiveImage(ReplicaId self, bool accept);
  // Delivers, and forgets, message `i` of the network.
  void Deliver(size_t i);
  void Step(const Message& message);  // As if it came from the network.

  void Tick(ReplicaId self, int ticks = 1);
  // Time passes for it and it does nothing, not even tick.
  void Sleep(ReplicaId self, int ticks);
  // It looks at its clock, as it does before each of its steps.
  void ShowClock(ReplicaId self);
  void Campaign(ReplicaId self);
  absl::StatusOr<Index> Propose(ReplicaId self, absl::string_view text);
  absl::StatusOr<Index> ProposeConfChange(ReplicaId self,
                                          const Configuration& target);
  void ReadIndex(ReplicaId self, uint64_t context);
  absl::Status TransferLeadership(ReplicaId self, ReplicaId target);
  // An image of what is applied; the log stays from `first_index` on.
  bool Compact(ReplicaId self, Index first_index);

  // Loses everything that is not on disk.
  void Crash(ReplicaId self);
  void Restart(ReplicaId self);

  // --- For tests that do not care about the order ---------------------------

  // Everything that is due at one replica, except the network.
  void Work(ReplicaId self);
  // Work and delivery everywhere, in order, until nothing is left. Messages of
  // pairs that are cut are lost. If `only` is not empty the others stand still.
  void Settle(const std::vector<ReplicaId>& only = {});
  // Ticks, campaigns and settles until `self` leads. REQUIRES: it can.
  void Elect(ReplicaId self);
  // No message passes between `a` and `b`, either way.
  void Cut(ReplicaId a, ReplicaId b);
  void Isolate(ReplicaId self);
  void Heal() { cuts_.clear(); }

  // Where a replica stands, in a line, and how it sees its followers, a line
  // each.
  std::string Describe(ReplicaId self) const;

  // The replica that leads in the highest term, or 0.
  ReplicaId leader() const;

 private:
  void Trace(const std::string& line) {
    if (trace_) trace_(line);
  }
  void AfterStep(ReplicaId self);
  void Post(Message message);
  bool IsCut(const Message& message) const;

  const Config config_;
  std::map<ReplicaId, FakeDisk> disks_;
  std::map<ReplicaId, Node> nodes_;
  std::deque<Message> network_;
  std::vector<Transfer> transfers_;
  std::vector<std::pair<ReplicaId, ReplicaId>> cuts_;
  Invariants invariants_;
  std::function<void(const std::string&)> trace_;
  std::function<uint64_t(ReplicaId)> clock_;
  ReplicaId mid_turn_;  // Stands still behind BeginTurn.
};

}  // namespace raft

#endif  // RAFT_TEST_GROUP_H_
