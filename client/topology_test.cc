#include "client/topology.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "client/testing/fake_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

namespace admin = ::multiraft::admin::v1;

using ::base::testing::StatusIs;
using ::testing::ElementsAre;

constexpr int64_t kMillis = 1'000'000;

// Two nodes of a cluster, as far as their status goes.
class TopologyTest : public ::testing::Test {
 protected:
  TopologyTest() { Lead(1, /*term=*/3); }
  ~TopologyTest() override {
    if (topology_ != nullptr) topology_->Stop();
  }

  // Both nodes say that `node` leads partition 1.
  void Lead(uint32_t node, uint64_t term) {
    first_.SetStatus(StatusOf(1, node, term));
    second_.SetStatus(StatusOf(2, node, term));
  }

  admin::StatusResponse StatusOf(uint32_t node, uint32_t leader,
                                 uint64_t term) const {
    admin::StatusResponse status;
    status.set_node_id(node);
    status.set_mode("static");
    status.set_partition_count(2);
    for (const auto& [id, server] : {std::pair{1u, &first_}, {2u, &second_}}) {
      admin::Node& one = *status.add_nodes();
      one.set_node_id(id);
      one.set_api_address(server->address());
    }
    admin::PartitionStatus& partition = *status.add_partitions();
    partition.set_partition_id(1);
    partition.set_term(term);
    partition.set_leader_node(leader);
    return status;
  }

  // Knows of the first server.
  std::shared_ptr<Route> RouteToPartition1() {
    topology_ = Topology::Start({.servers = {first_.address()}});
    EXPECT_OK(
        topology_->Partitions(SystemTimer().NowNanos() + 60'000 * kMillis));
    return topology_->RouteTo(1);
  }

  bool AwaitPick(Route& route, const FakeServer& server) {
    return base::WaitUntil(
        [&] { return route.Pick()->address() == server.address(); });
  }

  FakeServer first_;
  FakeServer second_;
  std::shared_ptr<Topology> topology_;
};

TEST_F(TopologyTest, FindsThePartitionsAndTheLeaderOnAnotherNode) {
  Lead(2, 3);
  const auto route = RouteToPartition1();
  EXPECT_THAT(*topology_->Partitions(0), ElementsAre(1, 2));
  EXPECT_EQ(route->Pick()->address(), second_.address());
  EXPECT_EQ(topology_->LeaderOf(1), second_.address());
  EXPECT_EQ(topology_->LeaderOf(2), "");
  EXPECT_NE(topology_->RouteTo(2)->Pick(), nullptr) << "any node will do";
}

TEST_F(TopologyTest, FollowsTheLeaderWhenACallHasFailed) {
  const auto route = RouteToPartition1();
  EXPECT_EQ(route->Pick()->address(), first_.address());
  Lead(2, 4);
  route->Failed(*route->Pick(), {.answered = true});
  EXPECT_TRUE(AwaitPick(*route, second_));
}

TEST_F(TopologyTest, TakesAServersWordForWhoLeads) {
  const auto route = RouteToPartition1();
  route->Failed(*route->Pick(),
                {.answered = true, .leader = second_.address()});
  EXPECT_EQ(route->Pick()->address(), second_.address());
}

TEST_F(TopologyTest, LeavesAServerAloneUntilItAnswersAgain) {
  const auto route = RouteToPartition1();
  first_.Stop();
  route->Failed(*route->Pick(), {});
  EXPECT_EQ(route->Pick()->address(), second_.address())
      << "though it is said to lead";
  first_.Start();
  EXPECT_TRUE(AwaitPick(*route, first_));
}

TEST_F(TopologyTest, AnOlderTermTellsNothing) {
  Lead(2, 7);
  const auto route = RouteToPartition1();
  Lead(1, 6);
  // Who is asked once more has been heard.
  const size_t before = first_.attempts("Status").size();
  const auto other = topology_->RouteTo(2);
  for (size_t i = 1; i <= 2; ++i) {
    other->Failed(*other->Pick(), {.answered = true});
    first_.AwaitAttempts("Status", before + i);
  }
  EXPECT_EQ(route->Pick()->address(), second_.address());
}

TEST_F(TopologyTest, SaysWhyNobodyTells) {
  first_.Stop();
  topology_ = Topology::Start({.servers = {first_.address()}});
  EXPECT_THAT(topology_->Partitions(SystemTimer().NowNanos() + 1'000 * kMillis),
              StatusIs(absl::StatusCode::kUnavailable));
  first_.Start();
  EXPECT_OK(topology_->Partitions(SystemTimer().NowNanos() + 60'000 * kMillis));
}

}  // namespace
}  // namespace client
