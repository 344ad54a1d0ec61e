// A row that nobody writes any more changes in the memory of one replica: on a
// follower, on the leader, with two voters, and alone (U7, P37). No command and
// no checkpoint ever looks at it again, so only the scrub can find it.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/partition.h"
#include "primitive/registry.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "sim/passing_primitive.h"
#include "sim/small_cluster.h"

namespace sim {
namespace {

using ::testing::HasSubstr;

struct NumberRow {
  void Encode(std::string& out) const { out += number; }
  static bool Decode(absl::string_view bytes, NumberRow& row) {
    if (bytes.size() != 1) return false;
    row.number = bytes.front();
    return true;
  }
  size_t size_bytes() const { return 1; }

  char number = 'a';
};

// A counter with a row beside it that the first command adds and no other
// touches.
class WithRow : public PassingPrimitive {
 public:
  using Rows = session::Table<uint64_t, NumberRow>;
  // Of the newest state of each node.
  static inline std::array<Rows*, 8> rows_of{};

  WithRow(std::unique_ptr<session::Primitive> inner, session::TableSet& tables,
          session::PrimitiveId id, uint32_t node)
      : PassingPrimitive(std::move(inner)),
        node_(node),
        rows_(tables, session::TableId::kValue, id.value()) {
    rows_of[node_] = &rows_;
  }
  ~WithRow() override {
    if (rows_of[node_] == &rows_) rows_of[node_] = nullptr;
  }

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view bytes) override {
    if (rows_.empty()) rows_.Insert(1, {});
    PassingPrimitive::Command(context, operation, bytes);
  }

 private:
  const uint32_t node_;
  Rows rows_;
};

template <uint32_t kNode>
std::unique_ptr<session::Primitive> CreateWithRow(session::TableSet& tables,
                                                  session::PrimitiveId id) {
  return std::make_unique<WithRow>(
      primitive::BuiltinRegistry().FindByName("counter")->create(tables, id),
      tables, id, kNode);
}

template <uint32_t kNode>
const session::Registry* RegistryOf() {
  static const auto& registry = *new session::Registry([] {
    std::vector<session::PrimitiveType> types =
        primitive::BuiltinRegistry().types();
    for (session::PrimitiveType& type : types) {
      if (type.name == "counter") type.create = &CreateWithRow<kNode>;
    }
    return types;
  }());
  return &registry;
}

class ScrubSimTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void Start(uint32_t nodes) {
    cluster_.emplace(SmallClusterOptions{.nodes = nodes,
                                         .registries = {{1, RegistryOf<1>()},
                                                        {2, RegistryOf<2>()},
                                                        {3, RegistryOf<3>()}}},
                     GetParam());
    nodes_ = nodes;
    cluster_->Work();
    ASSERT_TRUE(cluster_->RunUntil([&] { return AreVerifiedFrom(1); }));
  }

  // All replicas have reported a checkpoint at or behind `index`, and a
  // majority the same.
  bool AreVerifiedFrom(uint64_t index) {
    for (uint32_t id = 1; id <= nodes_; ++id) {
      if (cluster_->StatusOf(id).verified_index.value() < index) return false;
    }
    return true;
  }

  // Nothing moves the log any more, and its last change is in an image.
  void BecomeIdle() {
    cluster_->Finish();
    ASSERT_TRUE(cluster_->RunUntil(
        [&] { return AreVerifiedFrom(last_ = LastIndex()); }));
  }
  uint64_t LastIndex() {
    uint64_t last = 0;
    for (uint32_t id = 1; id <= nodes_; ++id) {
      last = std::max(last, cluster_->StatusOf(id).last_index.value());
    }
    return last;
  }

  static void Flip(uint32_t id) {
    const_cast<NumberRow*>(WithRow::rows_of[id]->Find(1))->number ^= 4;
  }
  static char NumberOf(uint32_t id) {
    return WithRow::rows_of[id]->Find(1)->number;
  }

  void Lead(uint32_t id, bool leads) {
    ASSERT_TRUE(cluster_->RunUntil([&] {
      const uint32_t leader = cluster_->Leader();
      if (leader != 0 && (leader == id) == leads) return true;
      if (leader == 0) return false;
      const raft::ReplicaId target{leads ? id : id % nodes_ + 1};
      cluster_->node(leader)
          .Find(base::PartitionId{1})
          ->TransferLeadership(target, [](absl::Status) {});
      cluster_->RunFor(300 * kMillis);
      return false;
    }));
  }

  partition::PartitionStatus StatusOf(uint32_t id) {
    return cluster_->StatusOf(id);
  }
  bool RunUntilPaused(uint32_t id) {
    return cluster_->RunUntil([&] { return !StatusOf(id).problem.empty(); },
                              10 * kSeconds);
  }

  // The state is replaced, and whole.
  void ExpectReseeded(uint32_t id) {
    EXPECT_TRUE(cluster_->RunUntil([&] {
      return StatusOf(id).problem.empty();
    })) << StatusOf(id).problem;
    EXPECT_EQ(NumberOf(id), 'a');
    cluster_->Work();
    cluster_->RunFor(3 * kSeconds);
    cluster_->Finish();
    cluster_->RunFor(1 * kSeconds);
    for (uint32_t node = 1; node <= nodes_; ++node) {
      EXPECT_EQ(cluster_->Read(node),
                static_cast<int64_t>(cluster_->acknowledged()));
      EXPECT_EQ(StatusOf(node).problem, "");
      EXPECT_EQ(StatusOf(node).alarm, "");
    }
  }

  std::optional<SmallCluster> cluster_;
  uint32_t nodes_ = 0;
  uint64_t last_ = 0;
};

TEST_P(ScrubSimTest, AFollowerIsReseeded) {
  Start(3);
  Lead(2, false);
  Flip(2);
  ASSERT_TRUE(RunUntilPaused(2));
  EXPECT_THAT(StatusOf(2).problem, HasSubstr("it differs in value"));
  EXPECT_THAT(StatusOf(2).alarm, HasSubstr("of value"));
  ExpectReseeded(2);
}

TEST_P(ScrubSimTest, ALeaderStepsDownAndIsReseeded) {
  Start(3);
  Lead(2, true);
  Flip(2);
  ASSERT_TRUE(RunUntilPaused(2));
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return cluster_->Leader() != 0 && cluster_->Leader() != 2; },
      2 * kSeconds));
  ExpectReseeded(2);
}

// No checkpoint will come, and none is needed: what was agreed on at the last
// one is what this replica has lost.
TEST_P(ScrubSimTest, AnIdlePartitionIsReseededToo) {
  for (const bool leads : {false, true}) {
    Start(3);
    Lead(2, leads);
    BecomeIdle();
    Flip(2);
    ASSERT_TRUE(RunUntilPaused(2)) << leads;
    ExpectReseeded(2);
  }
}

// A checkpoint of other rows does not hide it.
TEST_P(ScrubSimTest, ItIsFoundWhileOtherRowsAreWritten) {
  Start(3);
  Lead(2, false);
  cluster_->RunFor(GetParam() * 37 * kMillis);
  Flip(2);
  ASSERT_TRUE(RunUntilPaused(2));
  ExpectReseeded(2);
}

TEST_P(ScrubSimTest, TwoVotersRaiseAnAlarmAndNobodyIsReseeded) {
  for (const bool leads : {false, true}) {
    Start(2);
    Lead(2, leads);
    BecomeIdle();
    Flip(2);
    EXPECT_TRUE(cluster_->RunUntil([&] {
      return !StatusOf(1).alarm.empty() && !StatusOf(2).alarm.empty();
    }));
    EXPECT_THAT(StatusOf(1).alarm, HasSubstr("no majority"));
    EXPECT_THAT(StatusOf(2).alarm, HasSubstr("no majority"));
    // It knows by itself which one is wrong.
    EXPECT_THAT(StatusOf(1).alarm, Not(HasSubstr("of value")));
    EXPECT_THAT(StatusOf(2).alarm, HasSubstr("of value"));
    cluster_->Work();
    cluster_->RunFor(5 * kSeconds);
    cluster_->Finish();
    for (uint32_t id : {1, 2}) {
      EXPECT_EQ(StatusOf(id).problem, "");
      EXPECT_THAT(StatusOf(id).alarm, HasSubstr("no majority"));
    }
    // Its disk has the row as it was.
    cluster_->Restart(2, Disk::Loss::kUnsynced);
    cluster_->Work();
    EXPECT_TRUE(cluster_->RunUntil([&] {
      return StatusOf(1).alarm.empty() && StatusOf(2).alarm.empty();
    }));
    EXPECT_EQ(NumberOf(2), 'a');
  }
}

TEST_P(ScrubSimTest, AloneItRaisesAnAlarmUntilItIsRestarted) {
  Start(1);
  BecomeIdle();
  Flip(1);
  EXPECT_TRUE(cluster_->RunUntil([&] { return !StatusOf(1).alarm.empty(); }));
  EXPECT_THAT(StatusOf(1).alarm, HasSubstr("of value"));
  EXPECT_EQ(StatusOf(1).problem, "");
  cluster_->Restart(1, Disk::Loss::kUnsynced);
  EXPECT_EQ(NumberOf(1), 'a');
  cluster_->Work();
  cluster_->RunFor(5 * kSeconds);
  EXPECT_EQ(StatusOf(1).alarm, "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, ScrubSimTest,
                         ::testing::Range<uint64_t>(1, 11));

}  // namespace
}  // namespace sim
