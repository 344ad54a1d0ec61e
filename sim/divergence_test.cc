// A row of one replica changes, as by a bit that flips in memory, and the
// others know nothing of it: on a follower, on the leader, and with two voters
// (U7, P37, P51). Each time to the end: states equal again, and every
// acknowledged increment there once.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "atomix/multiraft/counter/v1/fsm.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/partition.h"
#include "primitive/registry.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "sim/passing_primitive.h"
#include "sim/small_cluster.h"

namespace sim {
namespace {

using ::testing::HasSubstr;

// The next command at a faulty replica finds another value than there was.
bool flip = false;

class Flipped : public PassingPrimitive {
 public:
  using PassingPrimitive::PassingPrimitive;

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view bytes) override {
    if (std::exchange(flip, false)) {
      ::atomix::multiraft::counter::v1::IncrementInput input;
      input.set_delta(int64_t{1} << 40);
      Unanswered nobody(context);
      inner_->Command(nobody, operation, input.SerializeAsString());
    }
    inner_->Command(context, operation, bytes);
  }
};

std::unique_ptr<session::Primitive> CreateFlipped(session::TableSet& tables,
                                                  session::PrimitiveId id) {
  return std::make_unique<Flipped>(
      primitive::BuiltinRegistry().FindByName("counter")->create(tables, id));
}

const session::Registry& FaultyRegistry() {
  static const auto& registry = *new session::Registry([] {
    std::vector<session::PrimitiveType> types =
        primitive::BuiltinRegistry().types();
    for (session::PrimitiveType& type : types) {
      if (type.name == "counter") type.create = &CreateFlipped;
    }
    return types;
  }());
  return registry;
}

class DivergenceSimTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void Start(SmallClusterOptions options, uint32_t faulty) {
    flip = false;
    options.registries[faulty] = &FaultyRegistry();
    cluster_.emplace(options, GetParam());
    cluster_->Work();
    ASSERT_TRUE(cluster_->RunUntil([&] {
      for (uint32_t i = 1; i <= options.nodes; ++i) {
        if (cluster_->StatusOf(i).verified_index.value() == 0) return false;
      }
      return true;
    })) << "no checkpoint was verified";
  }

  // Makes `id` lead, or not.
  void Lead(uint32_t id, bool leads) {
    ASSERT_TRUE(cluster_->RunUntil([&] {
      const uint32_t leader = cluster_->Leader();
      if (leader != 0 && (leader == id) == leads) return true;
      if (leader == 0) return false;
      const raft::ReplicaId target{leads ? id : id % 3 + 1};
      cluster_->node(leader)
          .Find(base::PartitionId{1})
          ->TransferLeadership(target, [](absl::Status) {});
      cluster_->RunFor(300 * kMillis);
      return false;
    }));
  }

  std::string ProblemOf(uint32_t id) { return cluster_->StatusOf(id).problem; }
  bool RunUntilPaused(uint32_t id) {
    return cluster_->RunUntil([&] { return !ProblemOf(id).empty(); });
  }

  // `nodes` replicas have the same state, as they say at a checkpoint to come,
  // and everything acknowledged is in it once.
  void ExpectAllRight(uint32_t nodes) {
    for (uint32_t id = 1; id <= nodes; ++id) {
      EXPECT_TRUE(cluster_->RunUntil([&] { return ProblemOf(id).empty(); }))
          << ProblemOf(id);
    }
    uint64_t applied = 0;
    for (uint32_t id = 1; id <= nodes; ++id) {
      applied = std::max(applied, cluster_->StatusOf(id).applied_index.value());
    }
    for (uint32_t id = 1; id <= nodes; ++id) {
      EXPECT_TRUE(cluster_->RunUntil([&] {
        return cluster_->StatusOf(id).verified_index.value() > applied;
      })) << "node "
          << id;
    }
    cluster_->Finish();
    cluster_->RunFor(1 * kSeconds);
    for (uint32_t id = 1; id <= nodes; ++id) {
      EXPECT_EQ(cluster_->Read(id),
                static_cast<int64_t>(cluster_->acknowledged()));
      EXPECT_EQ(cluster_->StatusOf(id).alarm, "");
    }
  }

  std::optional<SmallCluster> cluster_;
};

TEST_P(DivergenceSimTest, AFollowerIsReseeded) {
  Start({}, 2);
  Lead(2, false);
  flip = true;
  ASSERT_TRUE(RunUntilPaused(2));
  EXPECT_THAT(ProblemOf(2), HasSubstr("it differs in records, counter"));
  EXPECT_FALSE(cluster_->node(2).Find(base::PartitionId{1})->available());
  const uint32_t leader = cluster_->Leader();
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return !cluster_->StatusOf(leader).alarm.empty(); }, kSeconds));
  EXPECT_THAT(cluster_->StatusOf(leader).alarm, HasSubstr("replica 2"));
  EXPECT_EQ(ProblemOf(leader), "");
  ExpectAllRight(3);
}

TEST_P(DivergenceSimTest, ALeaderStepsDownAndIsReseeded) {
  Start({}, 2);
  Lead(2, true);
  flip = true;
  ASSERT_TRUE(RunUntilPaused(2));
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return cluster_->Leader() != 0 && cluster_->Leader() != 2; },
      2 * kSeconds));
  ExpectAllRight(3);
}

// It votes and keeps entries all the time: with it the others are a majority.
TEST_P(DivergenceSimTest, ItStillCountsWhileItIsPaused) {
  Start({}, 2);
  Lead(2, false);
  flip = true;
  ASSERT_TRUE(RunUntilPaused(2));
  const uint32_t leader = cluster_->Leader();
  const uint32_t third = 6 - 2 - leader;
  cluster_->Isolate(third);
  const uint64_t before = cluster_->acknowledged();
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return cluster_->acknowledged() > before + 50; }));
  EXPECT_NE(cluster_->Leader(), 2u);
  cluster_->Join(third);
  ExpectAllRight(3);
}

TEST_P(DivergenceSimTest, ARestartDoesNotMakeItRight) {
  Start({}, 2);
  Lead(2, false);
  flip = true;
  ASSERT_TRUE(RunUntilPaused(2));
  cluster_->Isolate(2);
  cluster_->RunFor(1 * kSeconds);
  EXPECT_THAT(ProblemOf(2), HasSubstr("majority"));
  cluster_->Restart(2, Disk::Loss::kUnsynced);
  EXPECT_THAT(ProblemOf(2), HasSubstr("majority"));
  cluster_->RunFor(2 * kSeconds);
  EXPECT_THAT(ProblemOf(2), HasSubstr("majority"));
  cluster_->Join(2);
  ExpectAllRight(3);
}

// Wherever in its re-seeding the power fails.
TEST_P(DivergenceSimTest, ACrashWhileItIsReseeded) {
  Start({}, 2);
  Lead(2, false);
  flip = true;
  ASSERT_TRUE(RunUntilPaused(2));
  for (uint64_t i = 0; i < 5; ++i) {
    cluster_->RunFor((GetParam() * 7 + i * 3) % 40 * kMillis);
    cluster_->Restart(2, Disk::Loss::kSome);
  }
  ExpectAllRight(3);
}

TEST_P(DivergenceSimTest, TwoVotersRaiseAnAlarmAndNobodyIsReseeded) {
  Start({.nodes = 2}, 2);
  flip = true;
  EXPECT_TRUE(cluster_->RunUntil([&] {
    return !cluster_->StatusOf(1).alarm.empty() &&
           !cluster_->StatusOf(2).alarm.empty();
  }));
  cluster_->RunFor(5 * kSeconds);
  for (uint32_t id : {1, 2}) {
    EXPECT_EQ(ProblemOf(id), "");
    EXPECT_THAT(cluster_->StatusOf(id).alarm, HasSubstr("no majority"));
  }
  EXPECT_NE(cluster_->Leader(), 0u);
}

TEST_P(DivergenceSimTest, AFollowerIsReseededThoughMessagesAreLost) {
  Start({.nodes = 5, .lose_one_in = 20}, 4);
  flip = true;
  ASSERT_TRUE(RunUntilPaused(4));
  ExpectAllRight(5);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DivergenceSimTest,
                         ::testing::Range<uint64_t>(1, 11));

}  // namespace
}  // namespace sim
