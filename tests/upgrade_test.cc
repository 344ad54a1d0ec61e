// Three nodes under load are replaced, one after the other, by a binary that
// knows the next machine version: every partition goes over to it on all its
// replicas at one entry, with their states compared all the time (U39).

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "session/versions.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;
using session::kMachineVersionMax;
using session::kMachineVersionNext;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kNodes = 3;
constexpr uint32_t kPartitions = 4;
constexpr char kNextBinary[] = "server/server_next";
constexpr int64_t kWaitNs = 60'000'000'000;

class UpgradeTest : public ::testing::Test {
 protected:
  UpgradeTest() {
    for (int i = 1; i <= kNodes; ++i) {
      std::filesystem::create_directories(
          absl::StrCat(directory_.path(), "/", i));
    }
    cluster_ = std::make_unique<Cluster>(
        ClusterOptions{.nodes = kNodes,
                       .partitions = kPartitions,
                       .directory = directory_.path(),
                       .arguments = {"--checkpoint_interval=2s"}});
  }

  // What the partitions of a node say of themselves; empty: it is down.
  std::vector<admin::PartitionStatus> Ask(int node) {
    client::Connection connection(client::ConnectionOptions{
        .server = cluster_->addresses()[static_cast<size_t>(node) - 1]});
    const auto status = client::NodeStatus(connection);
    if (!status.ok()) return {};
    return {status->partitions().begin(), status->partitions().end()};
  }

  // Whether it holds for every replica there is, soon.
  bool AllCome(const std::function<bool(const admin::PartitionStatus&)>& to) {
    client::Timer& timer = client::SystemTimer();
    const int64_t end = timer.NowNanos() + kWaitNs;
    while (timer.NowNanos() < end) {
      size_t count = 0;
      for (int node = 1; node <= kNodes; ++node) {
        for (const auto& status : Ask(node)) count += to(status) ? 1 : 0;
      }
      if (count == kNodes * kPartitions) return true;
    }
    return false;
  }

  void Replace(int node, const std::string& binary) {
    cluster_->Stop(node);
    cluster_->set_binary(node, binary);
    ASSERT_TRUE(cluster_->Restart(node)) << cluster_->errors(node);
  }

  TempDir directory_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(UpgradeTest, VersionsRollForwardUnderLoadAndNotBack) {
  ASSERT_TRUE(cluster_->Start());
  Load load({.addresses = cluster_->addresses(), .partitions = kPartitions});
  load.Start();
  for (int node = 1; node <= kNodes; ++node) {
    // At the old one until the last is there.
    EXPECT_TRUE(AllCome([](const admin::PartitionStatus& status) {
      return status.machine_version() == kMachineVersionMax &&
             status.verified_index() > 0;
    }));
    Replace(node, kNextBinary);
    if (HasFatalFailure()) return;
  }
  EXPECT_TRUE(AllCome([](const admin::PartitionStatus& status) {
    return status.machine_version() == kMachineVersionNext &&
           status.machine_version_max() == kMachineVersionNext;
  }));
  std::map<uint32_t, uint64_t> since;
  for (const auto& status : Ask(1)) {
    since[status.partition_id()] = status.machine_version_since();
    EXPECT_GT(status.machine_version_since(), 0u);
  }
  EXPECT_EQ(since.size(), kPartitions);
  // And the states that say so are the same.
  EXPECT_TRUE(AllCome([&](const admin::PartitionStatus& status) {
    return status.machine_version_since() == since[status.partition_id()] &&
           status.verified_index() > since[status.partition_id()] &&
           status.alarm().empty() && status.healthy();
  }));
  load.Stop();
  EXPECT_THAT(load.Check(), IsEmpty());
  EXPECT_GT(load.acknowledged(), 0u);

  // Who goes back stops, and says what is missing.
  cluster_->Stop(3);
  cluster_->set_binary(3, kServerBinary);
  const std::string needs =
      absl::StrCat("needs machine version ", kMachineVersionNext);
  if (!cluster_->Restart(3)) {
    EXPECT_THAT(cluster_->errors(3), HasSubstr(needs));
  } else {
    const auto statuses = Ask(3);
    EXPECT_EQ(statuses.size(), kPartitions);
    for (const auto& status : statuses) {
      EXPECT_THAT(status.problem(), HasSubstr(needs));
    }
    cluster_->Stop(3);
  }
  cluster_->set_binary(3, kNextBinary);
  ASSERT_TRUE(cluster_->Restart(3));
  EXPECT_TRUE(AllCome([](const admin::PartitionStatus& status) {
    return status.healthy() && status.leader_node() != 0;
  }));
}

}  // namespace
}  // namespace tests
