#include "server/cluster/bootstrap.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server::cluster {
namespace {

using base::testing::StatusIs;
using testing::HasSubstr;

// One node that is about to begin: its directory, its service, its port.
class Node {
 public:
  Node(uint32_t number, const std::string& directory)
      : number_(number), directory_(directory) {}
  ~Node() { Stop(); }

  // Opens the directory and listens; the port stays the same from then on.
  void Start(ClusterSpec spec) {
    auto store =
        storage::Store::Open({.directory = directory_,
                              .identity = {.cluster = spec.name,
                                           .node = base::NodeId(number_),
                                           .mode = "static",
                                           .partitions = spec.partitions}});
    ASSERT_OK(store.status());
    store_ = *std::move(store);
    bootstrap_ =
        std::make_unique<Bootstrap>(spec, base::NodeId(number_), *store_);
    Listen(*bootstrap_);
  }
  // A port that answers nothing, to know it before all nodes are there.
  void ReservePort() { Listen(nobody_); }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown();
    server_ = nullptr;
    bootstrap_ = nullptr;
    store_ = nullptr;
  }

  Bootstrap& bootstrap() { return *bootstrap_; }
  storage::Store& store() { return *store_; }
  int port() const { return port_; }

 private:
  void Listen(grpc::Service& service) {
    if (server_ != nullptr) server_->Shutdown();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_),
                             grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  const uint32_t number_;
  const std::string directory_;
  multiraft::peer::v1::Bootstrap::CallbackService nobody_;
  int port_ = 0;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Bootstrap> bootstrap_;
  std::unique_ptr<grpc::Server> server_;
};

class BootstrapTest : public testing::Test {
 protected:
  BootstrapTest()
      : directory_(absl::StrCat(
            std::getenv("TEST_TMPDIR"), "/",
            testing::UnitTest::GetInstance()->current_test_info()->name())) {
    spec_ = {.name = "m", .partitions = 2, .replication = 3};
    for (uint32_t i = 1; i <= 3; ++i) {
      nodes_.push_back(std::make_unique<Node>(i, DirectoryOf(i)));
      nodes_.back()->ReservePort();
      spec_.nodes.push_back(
          {.node = base::NodeId(i),
           .peer_address = absl::StrCat("127.0.0.1:", nodes_.back()->port()),
           .api_address = absl::StrCat("127.0.0.1:", i)});
    }
  }
  ~BootstrapTest() override { std::filesystem::remove_all(directory_); }

  std::string DirectoryOf(uint32_t node) const {
    return absl::StrCat(directory_, "/", node);
  }
  Node& node(uint32_t number) { return *nodes_[number - 1]; }

  // Runs the nodes at the same time, until all have come to an end.
  std::vector<absl::StatusOr<storage::InitialCluster>> RunAll(
      const std::vector<uint32_t>& numbers) {
    std::vector<absl::StatusOr<storage::InitialCluster>> results(
        numbers.size(), absl::UnknownError("did not run"));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < numbers.size(); ++i) {
      threads.emplace_back([this, i, &numbers, &results] {
        results[i] = node(numbers[i])
                         .bootstrap()
                         .Run([] { return false; }, [](const std::string&) {});
      });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }
  // Runs one until it has waited; returns what for.
  std::string WaitsFor(uint32_t number) {
    std::atomic<bool> stop = false;
    std::string what;
    const auto result =
        node(number).bootstrap().Run([&] { return stop.load(); },
                                     [&](const std::string& why) {
                                       what = why;
                                       stop = true;
                                     });
    EXPECT_THAT(result.status(), StatusIs(absl::StatusCode::kCancelled));
    return what;
  }
  void StartAll() {
    for (uint32_t i = 1; i <= 3; ++i) node(i).Start(spec_);
  }

  const std::string directory_;
  ClusterSpec spec_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

TEST_F(BootstrapTest, AllComeToTheSameBeginning) {
  StartAll();
  const auto results = RunAll({1, 2, 3});
  for (const auto& result : results) {
    ASSERT_OK(result.status());
    EXPECT_EQ(*result, *results[0]);
  }
  EXPECT_EQ(results[0]->id, ClusterId(spec_));
  ASSERT_EQ(results[0]->members.size(), 3u);
  for (uint32_t i = 1; i <= 3; ++i) {
    const storage::InitialMember& member = results[0]->members[i - 1];
    EXPECT_EQ(member.node, base::NodeId(i));
    EXPECT_EQ(member.incarnation, node(i).store().identity().incarnation);
    EXPECT_EQ(member.peer_address, spec_.nodes[i - 1].peer_address);
    EXPECT_EQ(node(i).store().initial_cluster(), *results[0]);
  }
}

TEST_F(BootstrapTest, NobodyDecidesAsLongAsOneIsMissing) {
  node(1).Start(spec_);
  node(2).Start(spec_);
  EXPECT_THAT(WaitsFor(1), HasSubstr("node 3 at 127.0.0.1"));
  EXPECT_THAT(WaitsFor(2), HasSubstr("node 3 at 127.0.0.1"));
  EXPECT_FALSE(node(1).store().initial_cluster().has_value());
}

TEST_F(BootstrapTest, OthersWaitForTheLowestToDecide) {
  StartAll();
  EXPECT_THAT(WaitsFor(3), HasSubstr("the decision of node 1"));
  EXPECT_FALSE(node(3).store().initial_cluster().has_value());
}

TEST_F(BootstrapTest, TheBeginningIsRememberedAndAsksNobody) {
  StartAll();
  const auto results = RunAll({1, 2, 3});
  for (uint32_t i = 1; i <= 3; ++i) node(i).Stop();
  node(2).Start(spec_);
  const auto again = RunAll({2});
  ASSERT_OK(again[0].status());
  EXPECT_EQ(*again[0], *results[1]);
}

TEST_F(BootstrapTest, OneThatCameLateTakesItOver) {
  StartAll();
  RunAll({1});
  node(1).Stop();
  node(2).Stop();
  node(2).Start(spec_);
  // Node 1 is down, and node 3 does not know yet.
  EXPECT_THAT(WaitsFor(2), HasSubstr("node 1 at 127.0.0.1"));
  node(1).Start(spec_);
  for (const auto& result : RunAll({2, 3})) ASSERT_OK(result.status());
}

// U8: a wiped voter would vote again.
TEST_F(BootstrapTest, AWipedDirectoryIsRefused) {
  StartAll();
  RunAll({1, 2, 3});
  for (const uint32_t wiped : {1u, 2u}) {
    node(wiped).Stop();
    std::filesystem::remove_all(DirectoryOf(wiped));
    node(wiped).Start(spec_);
    const auto again = RunAll({wiped});
    EXPECT_THAT(again[0].status(),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("replace the member")));
    // Whoever comes next still learns the truth from the third.
    EXPECT_FALSE(node(wiped).store().initial_cluster().has_value());
  }
}

TEST_F(BootstrapTest, NodesWithOtherSettingsRefuseEachOther) {
  node(1).Start(spec_);
  node(3).Start(spec_);
  ClusterSpec other = spec_;
  other.partitions = 9;
  node(2).Start(other);
  EXPECT_THAT(RunAll({1})[0].status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("must be the same on all nodes")));
}

}  // namespace
}  // namespace server::cluster
