// Three nodes, as real processes, that lose one after the other in every way a
// process can be lost: clients go on, nothing acknowledged is lost or applied
// twice, and in the end all nodes are the same.

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"
#include "tests/chaos/same_state.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr int64_t kMillis = 1'000'000;
constexpr int64_t kPatienceNs = 60'000 * kMillis;
// Two election timeouts, of at most twice their base of a second each.
constexpr int64_t kElectionsNs = 4'000 * kMillis;

class FailoverTest : public ::testing::Test {
 protected:
  void Start(uint32_t partitions) {
    partitions_ = partitions;
    for (int i = 1; i <= 3; ++i) {
      std::filesystem::create_directory(DirectoryOf(i));
    }
    cluster_ = std::make_unique<Cluster>(
        ClusterOptions{.nodes = 3,
                       .partitions = partitions,
                       .directory = directory_.path(),
                       // Their states are compared at checkpoints.
                       .arguments = {"--checkpoint_interval=1s"}});
    ASSERT_TRUE(cluster_->Start());
    load_ = std::make_unique<Load>(LoadOptions{
        .addresses = cluster_->addresses(), .partitions = partitions});
    load_->Start();
    ExpectWritten(kPatienceNs);
  }

  std::string DirectoryOf(int node) const {
    return absl::StrCat(directory_.path(), "/", node);
  }

  // Every partition takes a write that begins now, and soon.
  void ExpectWritten(int64_t limit_ns) {
    for (int64_t took : load_->TimeToWrite(kPatienceNs)) {
      EXPECT_GE(took, 0) << "not at all";
      EXPECT_LE(took, limit_ns);
    }
  }

  // What a node says of itself; nothing while it does not answer.
  admin::StatusResponse StatusOf(int node) {
    auto stub = admin::Admin::NewStub(grpc::CreateChannel(
        cluster_->addresses()[static_cast<size_t>(node) - 1],
        grpc::InsecureChannelCredentials()));
    admin::StatusResponse response;
    Call call;
    if (!stub->Status(&call, {}, &response).ok()) return {};
    return response;
  }

  // The node that leads a partition; 0: none.
  int LeaderOf(uint32_t partition) {
    for (int node = 1; node <= 3; ++node) {
      if (!cluster_->is_up(node)) continue;
      const admin::StatusResponse status = StatusOf(node);
      for (const auto& one : status.partitions()) {
        if (one.partition_id() == partition &&
            one.role() == admin::ROLE_LEADER) {
          return node;
        }
      }
    }
    return 0;
  }

  // Ends the load and judges it.
  void Judge() {
    load_->Stop();
    EXPECT_EQ(load_->Check(), std::vector<std::string>());
    EXPECT_GT(load_->acknowledged(), 0u);
    EXPECT_EQ(AwaitSameState(cluster_->addresses(), partitions_, kPatienceNs),
              "");
  }

  TempDir directory_;
  uint32_t partitions_ = 0;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Load> load_;
};

TEST_F(FailoverTest, TheOthersGoOnWhenTheLeaderIsKilled) {
  ASSERT_NO_FATAL_FAILURE(Start(1));
  const int leader = LeaderOf(1);
  ASSERT_NE(leader, 0);
  cluster_->Kill(leader);
  ExpectWritten(kElectionsNs);
  ASSERT_TRUE(cluster_->Restart(leader)) << cluster_->errors(leader);
  Judge();
}

TEST_F(FailoverTest, EachNodeInTurnIsKilledUnderLoad) {
  ASSERT_NO_FATAL_FAILURE(Start(3));
  for (int node = 1; node <= 3; ++node) {
    cluster_->Kill(node);
    ExpectWritten(kElectionsNs);
    ASSERT_TRUE(cluster_->Restart(node)) << cluster_->errors(node);
    ExpectWritten(kElectionsNs);
  }
  Judge();
}

TEST_F(FailoverTest, TheOthersGoOnWhileTheLeaderIsPaused) {
  ASSERT_NO_FATAL_FAILURE(Start(1));
  const int leader = LeaderOf(1);
  ASSERT_NE(leader, 0);
  cluster_->Pause(leader);
  ExpectWritten(kElectionsNs);
  cluster_->Resume(leader);
  ExpectWritten(kElectionsNs);
  Judge();
}

// Its vote is gone with its directory: as the old member it could vote twice
// (U8). It is refused in one sentence, and the others do not need it.
TEST_F(FailoverTest, AWipedNodeIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Start(1));
  for (int node : {3, 1}) {  // 1 is the one that decided how it all began.
    cluster_->Kill(node);
    std::filesystem::rename(DirectoryOf(node),
                            absl::StrCat(DirectoryOf(node), ".away"));
    EXPECT_FALSE(cluster_->Restart(node));
    EXPECT_TRUE(absl::StrContains(cluster_->errors(node),
                                  "began with another data directory"))
        << cluster_->errors(node);
    ExpectWritten(kElectionsNs);
    // With what it had it is welcome.
    std::filesystem::remove_all(DirectoryOf(node));
    std::filesystem::rename(absl::StrCat(DirectoryOf(node), ".away"),
                            DirectoryOf(node));
    ASSERT_TRUE(cluster_->Restart(node)) << cluster_->errors(node);
  }
  Judge();
}

}  // namespace
}  // namespace tests
