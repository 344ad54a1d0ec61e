// A node starts with a partition in quarantine: its replica counts for votes
// and entries, applies nothing, and goes on where it stood when it is told to.

#include <cstdint>
#include <optional>

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/partition.h"
#include "sim/small_cluster.h"

namespace sim {
namespace {

using base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr base::PartitionId kPartition{1};

class QuarantineSimTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void Start(const SmallClusterOptions& options) {
    cluster_.emplace(options, GetParam());
    cluster_->Work();
    cluster_->RunFor(1 * kSeconds);
  }
  // The next process of the node does not apply the entry at `index`.
  void Hold(uint32_t id, uint64_t index) {
    partition::Options& options = cluster_->node(id).partition_options();
    options.quarantined = {{kPartition, raft::Index{index}}};
    options.on_resumed = [this](base::PartitionId) { ++resumed_; };
    cluster_->Restart(id, Disk::Loss::kSome);
  }
  absl::Status Resume(uint32_t id) {
    std::optional<absl::Status> result;
    cluster_->node(id)
        .Find(kPartition)
        ->ResumeApplying(
            [&](absl::Status status) { result = std::move(status); });
    EXPECT_TRUE(cluster_->RunUntil([&] { return result.has_value(); }));
    return *result;
  }
  uint64_t Applied(uint32_t id) {
    return cluster_->StatusOf(id).applied_index.value();
  }
  bool RunUntilApplied(uint32_t id, uint64_t index) {
    return cluster_->RunUntil([&] { return Applied(id) >= index; });
  }

  std::optional<SmallCluster> cluster_;
  int resumed_ = 0;
};

TEST_P(QuarantineSimTest, ItVotesAndAppendsAndAppliesNothing) {
  Start({});
  Hold(2, Applied(2) + 1'000'000);
  EXPECT_THAT(cluster_->StatusOf(2).problem, HasSubstr("quarantined"));
  const uint64_t stood = Applied(2);
  // The others need it for a majority.
  ASSERT_TRUE(cluster_->RunUntil([&] {
    const uint32_t leader = cluster_->Leader();
    return leader == 1 || leader == 3;
  }));
  const uint32_t leader = cluster_->Leader();
  cluster_->Isolate(4 - leader);
  const uint64_t before = cluster_->acknowledged();
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return cluster_->acknowledged() > before + 100; }));
  EXPECT_EQ(Applied(2), stood);
  EXPECT_FALSE(cluster_->node(2).Find(kPartition)->available());
  cluster_->Join(4 - leader);
  // Nobody tries to make it lead, which would stop proposals for a while.
  absl::Status moved;
  cluster_->node(leader)
      .Find(kPartition)
      ->TransferLeadership(raft::ReplicaId{2},
                           [&](absl::Status status) { moved = status; });
  cluster_->RunFor(1 * kMillis);
  EXPECT_THAT(moved, StatusIs(absl::StatusCode::kFailedPrecondition));

  EXPECT_OK(Resume(2));
  EXPECT_EQ(resumed_, 1);
  EXPECT_THAT(Resume(2), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(RunUntilApplied(2, Applied(leader)));
  cluster_->Finish();
  EXPECT_EQ(cluster_->Read(2), static_cast<int64_t>(cluster_->acknowledged()));
  const uint64_t applied = Applied(leader);
  cluster_->Work();
  EXPECT_TRUE(cluster_->RunUntil(
      [&] { return cluster_->StatusOf(2).verified_index.value() > applied; }));
}

TEST_P(QuarantineSimTest, ALoneNodeServesNothingUntilItIsResumed) {
  Start({.nodes = 1});
  Hold(1, Applied(1) + 1'000'000);
  cluster_->RunFor(5 * kSeconds);
  EXPECT_EQ(cluster_->Leader(), 0u);
  EXPECT_THAT(cluster_->StatusOf(1).problem, HasSubstr("quarantined"));
  EXPECT_OK(Resume(1));
  EXPECT_TRUE(cluster_->RunUntil([&] { return cluster_->Leader() == 1; }));
  cluster_->Finish();
  EXPECT_EQ(cluster_->Read(1), static_cast<int64_t>(cluster_->acknowledged()));
}

TEST_P(QuarantineSimTest, AnImageThatHasTheEntryEndsIt) {
  Start({});
  ASSERT_TRUE(cluster_->RunUntil(
      [&] { return cluster_->StatusOf(2).image_index.value() > 0; }));
  Hold(2, 1);
  EXPECT_EQ(cluster_->StatusOf(2).problem, "");
  EXPECT_EQ(resumed_, 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, QuarantineSimTest,
                         ::testing::Range<uint64_t>(1, 6));

}  // namespace
}  // namespace sim
