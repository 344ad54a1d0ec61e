// What an operator does with three nodes that run as processes.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "tests/chaos/cluster.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr int kNodes = 3;

class OperateTest : public ::testing::Test {
 protected:
  void StartWith(uint32_t partitions, std::vector<std::string> arguments = {}) {
    for (int i = 1; i <= kNodes; ++i) {
      std::filesystem::create_directories(
          absl::StrCat(directory_.path(), "/", i));
    }
    cluster_ = std::make_unique<Cluster>(
        ClusterOptions{.nodes = kNodes,
                       .partitions = partitions,
                       .directory = directory_.path(),
                       .arguments = std::move(arguments)});
    ASSERT_TRUE(cluster_->Start());
  }

  client::Connection& to(uint32_t node) {
    auto& connection = connections_[node - 1];
    if (connection == nullptr) {
      connection = std::make_unique<client::Connection>(
          client::ConnectionOptions{.server = cluster_->addresses()[node - 1]});
    }
    return *connection;
  }

  admin::PartitionStatus Ask(uint32_t node, int position = 0) {
    const auto status = client::NodeStatus(to(node));
    EXPECT_TRUE(status.ok()) << status.status().ToString();
    if (!status.ok() || status->partitions_size() <= position) return {};
    return status->partitions(position);
  }

  // Asks until the node says that it knows who leads.
  uint32_t AwaitLeader(uint32_t node) {
    while (true) {
      const admin::PartitionStatus status = Ask(node);
      if (HasFailure() || status.leader_node() != 0) {
        return status.leader_node();
      }
    }
  }

  TempDir directory_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<client::Connection> connections_[kNodes];
};

TEST_F(OperateTest, LeadershipIsHandedOverFasterThanAnElectionTakes) {
  StartWith(1);
  uint32_t leader = AwaitLeader(1);
  int64_t slowest_ns = 0;
  client::Timer& timer = client::SystemTimer();
  for (int i = 0; i < 6; ++i) {
    const uint32_t target = leader % kNodes + 1;
    const int64_t start_ns = timer.NowNanos();
    const auto leads = client::TransferLeader(to(leader), 1, target);
    slowest_ns = std::max(slowest_ns, timer.NowNanos() - start_ns);
    ASSERT_TRUE(leads.ok()) << leads.status().ToString();
    EXPECT_EQ(*leads, target);
    leader = *leads;
  }
  std::cout << "slowest transfer: " << slowest_ns / 1000 << " us\n";
  // Nobody campaigns by itself before a second has passed.
  EXPECT_LT(slowest_ns, 900'000'000);
}

TEST_F(OperateTest, EveryNodeTellsWhoLeadsAndWhoTakesPart) {
  StartWith(1);
  const uint32_t leader = AwaitLeader(1);
  for (uint32_t node = 1; node <= kNodes; ++node) {
    EXPECT_EQ(AwaitLeader(node), leader);
    const admin::PartitionStatus status = Ask(node);
    ASSERT_EQ(status.members_size(), kNodes);
    for (uint32_t i = 1; i <= kNodes; ++i) {
      const admin::Member& member = status.members(static_cast<int>(i) - 1);
      EXPECT_EQ(member.node().node_id(), i);
      EXPECT_EQ(member.node().api_address(), cluster_->addresses()[i - 1]);
      EXPECT_EQ(member.vote(), admin::VOTE_FULL);
    }
  }
  // Who does not lead says who does.
  const auto refused =
      client::TransferLeader(to(leader % kNodes + 1), 1, leader);
  EXPECT_TRUE(absl::IsUnavailable(refused.status()))
      << refused.status().ToString();
  // A node without a replica cannot lead.
  const auto stranger = client::TransferLeader(to(leader), 1, 9);
  EXPECT_TRUE(absl::IsFailedPrecondition(stranger.status()))
      << stranger.status().ToString();
}

// A leader that is told to stop hands over first: the others need no election
// timeout to notice, and go back to it when it was up for a while.
TEST_F(OperateTest, ALeaderThatStopsHandsOverAndLeadsAgainLater) {
  StartWith(1);
  // Whoever was elected first, the lowest voter leads when it was up for a
  // while.
  const uint32_t first = Ask(1).members(0).node().node_id();
  const uint32_t other = first % kNodes + 1;
  while (!HasFailure() && AwaitLeader(other) != first) {
  }
  const uint64_t term = Ask(other).term();
  cluster_->Stop(static_cast<int>(first));
  // The process may end before the last vote has arrived.
  EXPECT_NE(AwaitLeader(other), first);
  EXPECT_EQ(Ask(other).term(), term + 1);
  ASSERT_TRUE(cluster_->Restart(static_cast<int>(first)));
  connections_[first - 1] = nullptr;
  while (!HasFailure() && AwaitLeader(other) != first) {
  }
  EXPECT_EQ(Ask(other).term(), term + 2);
}

// Without a majority it would be ready only when it has waited long enough.
TEST_F(OperateTest, ANodeThatWaitsForTheOthersEndsWhenAsked) {
  StartWith(1);
  for (int i = 1; i <= kNodes; ++i) cluster_->Kill(i);
  std::atomic<bool> has_ended = false;
  std::thread asks([&] {
    while (!has_ended && !client::NodeStatus(to(1)).ok()) {
    }
    cluster_->BeginStop(1);
  });
  // It said nothing of being ready.
  EXPECT_FALSE(cluster_->Restart(1));
  has_ended = true;
  asks.join();
}

// While its calls end, nobody makes it lead again.
TEST_F(OperateTest, ANodeThatStopsTakesNoLeadership) {
  StartWith(1, {"--drain_timeout=60s", "--query_wait=60s",
                "--balance_leaders=false"});
  const uint32_t leader = AwaitLeader(1);
  const uint32_t stopping = leader % kNodes + 1;
  AwaitLeader(stopping);
  RawSession session(grpc::CreateChannel(cluster_->addresses()[stopping - 1],
                                         grpc::InsecureChannelCredentials()));
  const uint64_t counter = session.Create(kCounterType, "visits");
  ASSERT_NE(counter, 0u);
  // A call that does not end by itself, and is there when one that was sent
  // behind it is answered.
  counter::GetRequest request;
  *request.mutable_headers() = session.QueryHeaders(counter);
  request.mutable_headers()->set_max_received_index(uint64_t{1} << 40);
  request.mutable_input();
  counter::GetResponse response;
  Call call;
  std::promise<void> ended;
  session.counters().async()->Get(
      &call, &request, &response,
      [&ended](const grpc::Status&) { ended.set_value(); });
  EXPECT_EQ(session.Read(counter), 0);
  cluster_->BeginStop(static_cast<int>(stopping));
  while (client::NodeStatus(to(stopping)).ok()) {
  }
  const auto moved = client::TransferLeader(to(leader), 1, stopping);
  EXPECT_FALSE(moved.ok()) << *moved;
  EXPECT_EQ(AwaitLeader(leader), leader);
  cluster_->Kill(static_cast<int>(stopping));
  ended.get_future().wait();
}

}  // namespace
}  // namespace tests
