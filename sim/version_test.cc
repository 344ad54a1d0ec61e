// Nodes are replaced by such that know the next machine version, one after the
// other and under load: the partition goes over to it when all have been, at
// the same entry everywhere (U39).

#include <cstdint>
#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/partition.h"
#include "session/state_machine.h"
#include "sim/small_cluster.h"

namespace sim {
namespace {

using session::kMachineVersionMax;
using session::kMachineVersionNext;
using ::testing::HasSubstr;

class VersionSimTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void Start(const SmallClusterOptions& options) {
    cluster_.emplace(options, GetParam());
    cluster_->Work();
    cluster_->RunFor(1 * kSeconds);
  }
  void Upgrade(uint32_t id, uint32_t version) {
    cluster_->node(id).partition_options().limits.machine_version_max = version;
    cluster_->Restart(id, Disk::Loss::kSome);
    cluster_->RunFor(2 * kSeconds);
  }
  uint32_t VersionOf(uint32_t id) {
    return cluster_->StatusOf(id).machine_version;
  }

  std::optional<SmallCluster> cluster_;
};

TEST_P(VersionSimTest, TheLastUpgradeRaisesItOnAllAtOneEntry) {
  Start({});
  for (uint32_t id : {1, 2, 3}) {
    for (uint32_t other : {1, 2, 3}) {
      EXPECT_EQ(VersionOf(other), kMachineVersionMax);
    }
    Upgrade(id, kMachineVersionNext);
  }
  ASSERT_TRUE(cluster_->RunUntil([&] {
    return VersionOf(1) == kMachineVersionNext &&
           VersionOf(2) == kMachineVersionNext &&
           VersionOf(3) == kMachineVersionNext;
  }));
  const uint64_t since = cluster_->StatusOf(1).machine_version_since;
  EXPECT_GT(since, 0u);
  for (uint32_t id : {2, 3}) {
    EXPECT_EQ(cluster_->StatusOf(id).machine_version_since, since);
  }
  // And their states, which have that in them, are the same.
  for (uint32_t id : {1, 2, 3}) {
    EXPECT_TRUE(cluster_->RunUntil(
        [&] { return cluster_->StatusOf(id).verified_index.value() > since; }));
    EXPECT_EQ(cluster_->StatusOf(id).alarm, "");
  }
  cluster_->Finish();
  for (uint32_t id : {1, 2, 3}) {
    EXPECT_EQ(cluster_->Read(id),
              static_cast<int64_t>(cluster_->acknowledged()));
  }
}

TEST_P(VersionSimTest, NotWhileOneIsDown) {
  Start({});
  cluster_->node(3).Crash(Disk::Loss::kNothing);
  for (uint32_t id : {1, 2}) Upgrade(id, kMachineVersionNext);
  cluster_->RunFor(5 * kSeconds);
  EXPECT_EQ(VersionOf(1), kMachineVersionMax);
  EXPECT_EQ(VersionOf(2), kMachineVersionMax);
}

// Behind the change an older binary stops, and says what it lacks; what it has
// is good, and a newer one goes on with it.
TEST_P(VersionSimTest, WhoGoesBackStopsAndNamesTheVersion) {
  Start({.machine_version_max = {{1, kMachineVersionNext},
                                 {2, kMachineVersionNext},
                                 {3, kMachineVersionNext}}});
  ASSERT_TRUE(
      cluster_->RunUntil([&] { return VersionOf(3) == kMachineVersionNext; }));
  cluster_->RunFor(2 * kSeconds);
  cluster_->node(3).Crash(Disk::Loss::kNothing);
  cluster_->node(3).partition_options().limits.machine_version_max =
      kMachineVersionMax;
  absl::Status status = cluster_->node(3).Start();
  if (status.ok()) {  // Its image is older: the log says it.
    EXPECT_TRUE(cluster_->RunUntil([&] { return !cluster_->node(3).is_up(); }));
    status = cluster_->exit_of(3);
  } else {
    cluster_->node(3).Crash(Disk::Loss::kNothing);
  }
  EXPECT_THAT(status.message(), HasSubstr("needs machine version 2"));
  Upgrade(3, kMachineVersionNext);
  EXPECT_EQ(VersionOf(3), kMachineVersionNext);
  cluster_->Finish();
  EXPECT_EQ(cluster_->Read(3), static_cast<int64_t>(cluster_->acknowledged()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, VersionSimTest,
                         ::testing::Range<uint64_t>(1, 6));

}  // namespace
}  // namespace sim
