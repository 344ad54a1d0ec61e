// A leader whose disk hangs while its followers acknowledge goes on, and all of
// that is in its memory only: up to a bound (D1).

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "partition/caller.h"
#include "partition/partition.h"
#include "primitive/registry.h"
#include "raft/configuration.h"
#include "sim/commands.h"
#include "sim/disk.h"
#include "sim/event_loop.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/passing_store.h"

namespace sim {
namespace {

using partition::PartitionStatus;

constexpr uint64_t kPartitionBytes = 64 << 10;
constexpr uint64_t kNodeBytes = 96 << 10;
// What a leader may have proposed before it looks at the bound again.
constexpr uint64_t kSlackBytes = 16 << 10;
constexpr uint64_t kProposalBytes = 1 << 10;

// Its syncs take until it is let go.
class HangingStore : public PassingStore {
 public:
  explicit HangingStore(storage::LogStore& store) : PassingStore(store, 1) {}

  void Write(storage::LogWrite write) override {
    if (hangs_) return held_.push_back(std::move(write));
    PassingStore::Write(std::move(write));
  }

  void Hang() { hangs_ = true; }
  void LetGo() {
    hangs_ = false;
    for (storage::LogWrite& write : std::exchange(held_, {})) {
      PassingStore::Write(std::move(write));
    }
  }

 private:
  bool hangs_ = false;
  std::vector<storage::LogWrite> held_;
};

class NobodyWatches : public DiskObserver {
 public:
  void OnQueued(const DiskWrite&) override {}
  void OnDurable(const DiskWrite&) override {}
  void OnCreated(base::PartitionId, raft::ReplicaId) override {}
  void OnDropped(base::PartitionId, raft::ReplicaId) override {}
  bool FailsHere(DiskMoment) override { return false; }
};

class SlowDiskTest : public testing::Test {
 protected:
  // Three nodes with all partitions; those of nodes 2 and 3 have `priority`.
  void Start(uint32_t partitions, uint32_t priority) {
    raft::Configuration configuration;
    for (uint32_t i = 1; i <= 3; ++i) {
      configuration.voters.push_back(raft::ReplicaId{i});
      configuration.members.push_back({.replica = raft::ReplicaId{i},
                                       .node = base::NodeId{i},
                                       .priority = i == 1 ? 1 : priority});
    }
    for (uint32_t i = 1; i <= 3; ++i) {
      NodeOptions options{.id = base::NodeId{i}};
      options.partition.undurable_bytes_max = kPartitionBytes;
      options.partition.undurable_node_bytes_max = kNodeBytes;
      options.partition.raft.seed = i;
      for (uint32_t id = 1; id <= partitions; ++id) {
        options.partitions[base::PartitionId{id}] = configuration;
      }
      options.wrap_store = [this, i](storage::LogStore& store) {
        auto wrapped = std::make_unique<HangingStore>(store);
        stores_[i] = wrapped.get();
        return wrapped;
      };
      nodes_.push_back(std::make_unique<Node>(loop_, network_,
                                              primitive::BuiltinRegistry(),
                                              options, i, observer_));
      ASSERT_TRUE(nodes_.back()->Start().ok());
    }
    for (uint32_t id = 1; id <= partitions; ++id) {
      ASSERT_TRUE(Becomes([&] { return At(1, id).serving(); }));
    }
  }

  partition::Partition& At(uint32_t node, uint32_t id) {
    return *nodes_[node - 1]->Find(base::PartitionId{id});
  }

  template <class Condition>
  bool Becomes(Condition condition) {
    loop_.RunUntil(loop_.now_ns() + 10 * kSeconds, condition);
    return condition();
  }
  void RunFor(uint64_t time_ns) { loop_.RunUntil(loop_.now_ns() + time_ns); }

  PartitionStatus StatusOf(uint32_t node, uint32_t id) {
    std::unique_ptr<PartitionStatus> status;
    At(node, id).GetStatus([&](PartitionStatus now) {
      status = std::make_unique<PartitionStatus>(std::move(now));
    });
    EXPECT_TRUE(Becomes([&] { return status != nullptr; }));
    return *status;
  }

  // What became of a proposal to `node`; nothing yet: pending.
  struct Answer {
    bool pending = true;
    partition::Refusal refusal;
  };
  std::shared_ptr<Answer> Propose(uint32_t node, uint32_t id) {
    auto answer = std::make_shared<Answer>();
    // Any command will do; its session does not exist.
    partition::CommandRequest request = CreatePrimitiveRequest(
        {.session = session::SessionId{7}, .sequence = session::SequenceNum{1}},
        "map", std::string(kProposalBytes, 'n'));
    At(node, id).Propose(
        std::move(request),
        partition::Completion<session::Applied>(
            [answer](partition::Reply<session::Applied> reply) {
              answer->pending = false;
              answer->refusal = std::move(reply.refusal);
            }));
    return answer;
  }
  // Proposes again and again, each when the one before was answered, until one
  // is not taken; returns how many were, and why that one was not.
  std::pair<int, partition::Refusal> ProposeUntilRefused(uint32_t id) {
    for (int taken = 0; taken < 1000; ++taken) {
      const auto answer = Propose(1, id);
      if (!Becomes([&] { return !answer->pending; })) break;
      if (absl::IsUnavailable(answer->refusal.status)) {
        return {taken, answer->refusal};
      }
    }
    ADD_FAILURE() << "none was refused";
    return {};
  }

  EventLoop loop_;
  NobodyWatches observer_;
  Network network_{loop_, NetworkOptions{}, 1};
  std::map<uint32_t, HangingStore*> stores_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

TEST_F(SlowDiskTest, TheLeaderIsBoundedAndAnotherTakesOver) {
  Start(1, 1);
  stores_[1]->Hang();
  const auto [taken, refusal] = ProposeUntilRefused(1);
  EXPECT_GT(taken, 20);
  EXPECT_EQ(refusal.outcome, partition::Outcome::kNotProposed);
  EXPECT_LE(StatusOf(1, 1).undurable_bytes, kPartitionBytes + kSlackBytes);

  ASSERT_TRUE(
      Becomes([&] { return At(2, 1).serving() || At(3, 1).serving(); }));
  const uint32_t next = At(2, 1).serving() ? 2 : 3;
  const auto answer = Propose(next, 1);
  ASSERT_TRUE(Becomes([&] { return !answer->pending; }));
  EXPECT_FALSE(absl::IsUnavailable(answer->refusal.status))
      << answer->refusal.status;

  // Nobody elects it while it hangs, whatever happens to the others.
  nodes_[next - 1]->Crash(Disk::Loss::kNothing);
  RunFor(20 * kSeconds);
  EXPECT_FALSE(At(1, 1).serving());

  stores_[1]->LetGo();
  ASSERT_TRUE(Becomes([&] {
    return At(1, 1).serving() || At(next == 2 ? 3 : 2, 1).serving();
  }));
  ASSERT_TRUE(Becomes([&] { return StatusOf(1, 1).undurable_bytes == 0; }));
}

// Nobody else may lead: it waits, loses nothing, and goes on at half.
TEST_F(SlowDiskTest, WhereNobodyTakesOverItGoesOnByItself) {
  Start(1, 0);
  stores_[1]->Hang();
  ProposeUntilRefused(1);
  RunFor(5 * kSeconds);
  EXPECT_TRUE(StatusOf(1, 1).soft_state.role == raft::Role::kLeader);
  EXPECT_LE(StatusOf(1, 1).undurable_bytes, kPartitionBytes + kSlackBytes);
  const uint64_t log_time = StatusOf(1, 1).log_time_ns;

  stores_[1]->LetGo();
  std::shared_ptr<Answer> answer;
  ASSERT_TRUE(Becomes([&] {
    if (answer == nullptr || !answer->pending) {
      if (answer != nullptr && !absl::IsUnavailable(answer->refusal.status)) {
        return true;
      }
      answer = Propose(1, 1);
    }
    return false;
  }));
  EXPECT_EQ(StatusOf(1, 1).undurable_bytes, 0u);
  // Nobody could be kept alive meanwhile, so nobody grew older.
  EXPECT_LT(StatusOf(1, 1).log_time_ns, log_time + 2 * kSeconds);
}

TEST_F(SlowDiskTest, ThePartitionsOfANodeShareABound) {
  Start(2, 1);
  stores_[1]->Hang();
  for (uint64_t sent = 0; sent < kNodeBytes / 2; sent += kProposalBytes) {
    const auto answer = Propose(1, 1);
    ASSERT_TRUE(Becomes([&] { return !answer->pending; }));
    ASSERT_FALSE(absl::IsUnavailable(answer->refusal.status));
  }
  const auto [taken, refusal] = ProposeUntilRefused(2);
  EXPECT_GT(taken, 10);
  EXPECT_LE(StatusOf(1, 1).undurable_bytes + StatusOf(1, 2).undurable_bytes,
            kNodeBytes + kSlackBytes);
  for (uint32_t id : {1, 2}) {
    ASSERT_TRUE(
        Becomes([&] { return At(2, id).serving() || At(3, id).serving(); }));
  }
  stores_[1]->LetGo();
  for (uint32_t id : {1, 2}) {
    EXPECT_TRUE(Becomes([&] { return StatusOf(1, id).undurable_bytes == 0; }));
  }
}

}  // namespace
}  // namespace sim
