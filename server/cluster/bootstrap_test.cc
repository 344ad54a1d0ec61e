#include "server/cluster/bootstrap.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
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
#include "base/clock.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/peer/v1/bootstrap.grpc.pb.h"
#include "server/cluster/introduce_codec.h"
#include "server/cluster/join.h"
#include "server/cluster/node_book.h"

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
    book_ = std::make_unique<NodeBook>(
        KnownNode{.node = base::NodeId(number_),
                  .incarnation = store_->identity().incarnation},
        base::SystemClock(), [] {});
    bootstrap_->Acquaint(*book_, [this](const KnownNode& node) {
      return node.incarnation == connected_.load();
    });
    Listen(*bootstrap_);
  }
  // There is a stream to this incarnation.
  void SetConnected(uint64_t incarnation) { connected_ = incarnation; }
  NodeBook& book() { return *book_; }

  // A port that answers nothing, to know it before all nodes are there.
  void ReservePort() { Listen(nobody_); }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown();
    server_ = nullptr;
    bootstrap_ = nullptr;
    book_ = nullptr;
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
  std::atomic<uint64_t> connected_ = 0;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<NodeBook> book_;
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
      const std::vector<uint32_t>& numbers,
      Bootstrap::RunOptions options = {}) {
    std::vector<absl::StatusOr<storage::InitialCluster>> results(
        numbers.size(), absl::UnknownError("did not run"));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < numbers.size(); ++i) {
      threads.emplace_back([this, i, options, &numbers, &results] {
        results[i] =
            node(numbers[i])
                .bootstrap()
                .Run(
                    options, [] { return false; }, [](const std::string&) {});
      });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }
  // Runs one until it has waited; returns what for.
  std::string WaitsFor(uint32_t number, Bootstrap::RunOptions options = {}) {
    std::atomic<bool> stop = false;
    std::string what;
    const auto result = node(number).bootstrap().Run(
        options, [&] { return stop.load(); },
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
  absl::StatusOr<storage::InitialCluster> Join(uint32_t number,
                                               const std::string& name,
                                               uint32_t asked) {
    return AskToJoin(
        {.addresses = {spec_.nodes[asked - 1].peer_address},
         .cluster_name = name,
         .node = base::NodeId(number)},
        [] { return false; }, [](const std::string&) {});
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

TEST_F(BootstrapTest, FlagsThatSayOtherwiseLaterAreRefusedWithBothSides) {
  StartAll();
  const auto results = RunAll({1, 2, 3});
  ASSERT_OK(results[0].status());
  const storage::InitialCluster& began = *results[0];
  EXPECT_OK(CheckSaysTheSame(spec_, began));
  ClusterSpec moved = spec_;
  moved.nodes[1].peer_address = "elsewhere:1";
  EXPECT_OK(CheckSaysTheSame(moved, began));

  ClusterSpec grown = spec_;
  grown.nodes.push_back({.node = base::NodeId(4)});
  EXPECT_THAT(
      CheckSaysTheSame(grown, began),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               testing::AllOf(
                   HasSubstr("began with nodes 1, 2, 3 and 3 replicas"),
                   HasSubstr("now --cluster names nodes 1, 2, 3, 4 and "
                             "--replication is 3"),
                   HasSubstr("change members with `multiraftctl member`"))));
  ClusterSpec thinner = spec_;
  thinner.replication = 1;
  EXPECT_THAT(CheckSaysTheSame(thinner, began),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("--replication is 1")));

  // What an operator had to do keeps its flags.
  storage::InitialCluster forced = began;
  forced.id += "-0123456789abcdef";
  forced.members.pop_back();
  EXPECT_OK(CheckSaysTheSame(spec_, forced));
  EXPECT_FALSE(CheckSaysTheSame(grown, forced).ok());
  storage::InitialCluster recovered = began;
  recovered.id += "+r0123456789abcdef";
  EXPECT_OK(CheckSaysTheSame(grown, recovered));
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

TEST_F(BootstrapTest, OneThatJoinsLearnsTheBeginning) {
  StartAll();
  const auto results = RunAll({1, 2, 3});
  ASSERT_OK_AND_ASSIGN(const storage::InitialCluster joined, Join(4, "m", 3));
  EXPECT_EQ(joined, *results[0]);
}

TEST_F(BootstrapTest, OneThatJoinsWaitsUntilTheClusterHasBegun) {
  node(1).Start(spec_);
  std::atomic<bool> stop = false;
  std::string what;
  const auto result = AskToJoin(
      {.addresses = {spec_.nodes[0].peer_address},
       .cluster_name = "m",
       .node = base::NodeId(4)},
      [&] { return stop.load(); },
      [&](const std::string& why) {
        what = why;
        stop = true;
      });
  EXPECT_THAT(result.status(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(what, HasSubstr("has not begun"));
}

TEST_F(BootstrapTest, AnotherClusterIsNotJoined) {
  StartAll();
  RunAll({1, 2, 3});
  EXPECT_THAT(
      Join(4, "n", 1).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("here is node 1 of cluster m, not cluster n")));
}

TEST_F(BootstrapTest, ANumberThatIsUpIsNotTaken) {
  StartAll();
  RunAll({1, 2, 3});
  const auto is_up = StatusIs(absl::StatusCode::kFailedPrecondition,
                              HasSubstr("with another data directory"));
  EXPECT_THAT(Join(2, "m", 2).status(), is_up);
  // Node 1 has heard of node 2, and of a fourth.
  node(1).book().Learn(
      {.node = base::NodeId(2), .incarnation = 22, .peer_address = "b"}, 0);
  node(1).book().Learn(
      {.node = base::NodeId(4), .incarnation = 44, .peer_address = "d"}, 0);
  node(1).SetConnected(44);
  EXPECT_THAT(Join(4, "m", 1).status(), is_up);
  // One that is gone leaves its number.
  EXPECT_OK(Join(2, "m", 1).status());
}

TEST_F(BootstrapTest, WhoIntroducesItselfSaysWhoItIs) {
  StartAll();
  RunAll({1, 2, 3});
  auto stub = ::multiraft::peer::v1::Bootstrap::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", node(1).port()),
                          grpc::InsecureChannelCredentials()));
  const auto introduce = [&](const KnownNode& from, uint32_t from_node) {
    ::multiraft::peer::v1::IntroduceRequest request;
    request.set_cluster_name("m");
    request.set_from_node(from_node);
    *request.mutable_from() = ToProto(from);
    ::multiraft::peer::v1::IntroduceResponse response;
    grpc::ClientContext context;
    return stub->Introduce(&context, request, &response).error_code();
  };
  const KnownNode good{
      .node = base::NodeId(4), .incarnation = 44, .peer_address = "d:1"};
  KnownNode bad = good;
  bad.node = base::NodeId(0);
  EXPECT_EQ(introduce(bad, 0), grpc::StatusCode::FAILED_PRECONDITION);
  bad = good;
  bad.incarnation = 0;
  EXPECT_EQ(introduce(bad, 4), grpc::StatusCode::FAILED_PRECONDITION);
  bad = good;
  bad.peer_address = "";
  EXPECT_EQ(introduce(bad, 4), grpc::StatusCode::FAILED_PRECONDITION);
  // For another one it does not speak.
  EXPECT_EQ(introduce(good, 5), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(node(1).book().All().size(), 1u);
  EXPECT_EQ(introduce(good, 4), grpc::StatusCode::OK);
  EXPECT_EQ(node(1).book().All().size(), 2u);
}

// Node 3 was lost before the first start: a decision is made without it.
TEST_F(BootstrapTest, AForcedBeginningLeavesOutWhoIsMissing) {
  node(1).Start(spec_);
  node(2).Start(spec_);
  std::thread second([this] { RunAll({2}); });
  const auto result = RunAll({1}, {.force = true})[0];
  second.join();
  ASSERT_OK(result.status());
  ASSERT_EQ(result->members.size(), 2u);
  EXPECT_EQ(result->replication, 2u);
  // Whatever began with the same flags elsewhere is another cluster.
  EXPECT_NE(result->id, ClusterId(spec_));
  EXPECT_EQ(node(2).store().initial_cluster(), *result);
  node(3).Start(spec_);
  EXPECT_THAT(RunAll({3})[0].status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("began without node 3")));
}

TEST_F(BootstrapTest, NothingIsForcedWithoutAMajority) {
  node(1).Start(spec_);
  EXPECT_THAT(WaitsFor(1, {.force = true}),
              HasSubstr("not without a majority"));
}

// U8: others have begun.
TEST_F(BootstrapTest, AWipedNodeForcesNothing) {
  StartAll();
  RunAll({1, 2, 3});
  node(1).Stop();
  node(3).Stop();
  std::filesystem::remove_all(DirectoryOf(1));
  node(1).Start(spec_);
  EXPECT_THAT(RunAll({1}, {.force = true})[0].status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("replace the member")));
}

}  // namespace
}  // namespace server::cluster
