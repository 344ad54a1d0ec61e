#include "server/transport/routes.h"

#include "gtest/gtest.h"

namespace server::transport {
namespace {

constexpr base::PartitionId kPartition{3};

Route RouteTo(uint32_t node, uint64_t term) {
  return {.partition = kPartition,
          .term = raft::Term{term},
          .leader = raft::ReplicaId{node},
          .node = base::NodeId{node},
          .peer_address = "peer:1",
          .api_address = "api:1"};
}

uint32_t NodeOf(const Routes& routes) {
  const std::optional<Route> route = routes.Find(kPartition);
  return route.has_value() ? route->node.value() : 0;
}

TEST(RoutesTest, TheNewestTermCounts) {
  Routes routes;
  EXPECT_EQ(NodeOf(routes), 0u);
  routes.Learn(RouteTo(1, 5));
  routes.Learn(RouteTo(2, 4));
  EXPECT_EQ(NodeOf(routes), 1u);
  routes.Learn(RouteTo(3, 6));
  EXPECT_EQ(NodeOf(routes), 3u);
}

TEST(RoutesTest, ALeaderThatIsLostIsForgottenUnlessANewerOneIsKnown) {
  Routes routes;
  routes.Learn(RouteTo(1, 5));
  routes.Forget(kPartition, raft::Term{4});
  EXPECT_EQ(NodeOf(routes), 1u);
  routes.Forget(kPartition, raft::Term{5});
  EXPECT_EQ(NodeOf(routes), 0u);
}

TEST(RoutesTest, AClusterHasSoManyPartitionsAndNoOthers) {
  Routes routes;
  EXPECT_FALSE(routes.MayHave(base::PartitionId{1}));
  routes.SetPartitions(3);
  EXPECT_FALSE(routes.MayHave(base::PartitionId{0}));
  EXPECT_TRUE(routes.MayHave(base::PartitionId{3}));
  EXPECT_FALSE(routes.MayHave(base::PartitionId{4}));
  // Or any, but no more than so many.
  Routes unnumbered;
  unnumbered.SetUnnumbered(1);
  EXPECT_TRUE(unnumbered.MayHave(base::PartitionId{77}));
  unnumbered.Learn(RouteTo(1, 5));
  EXPECT_FALSE(unnumbered.MayHave(base::PartitionId{77}));
  EXPECT_TRUE(unnumbered.MayHave(kPartition));
}

TEST(RoutesTest, WhatANodeLeadsReachesAnother) {
  Routes one;
  one.Learn(RouteTo(1, 5));
  EXPECT_TRUE(one.FrameOf(base::NodeId{2}).empty());
  multiraft::peer::v1::Frame frame;
  ASSERT_TRUE(frame.ParseFromString(one.FrameOf(base::NodeId{1})));
  Routes other;
  other.SetPartitions(3);
  other.Learn(frame, base::NodeId{1});
  const std::optional<Route> route = other.Find(kPartition);
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(route->leader, raft::ReplicaId{1});
  EXPECT_EQ(route->peer_address, "peer:1");
  EXPECT_EQ(route->api_address, "api:1");
}

multiraft::peer::v1::Frame FrameWith(const Route& route) {
  multiraft::peer::v1::Frame frame;
  EXPECT_TRUE(frame.ParseFromString(Routes::FrameOf(route)));
  return frame;
}

TEST(RoutesTest, ANodeSpeaksForItselfOnly) {
  Routes routes;
  routes.SetPartitions(3);
  routes.Learn(FrameWith(RouteTo(1, 5)), base::NodeId{2});
  EXPECT_EQ(NodeOf(routes), 0u);
  routes.Learn(FrameWith(RouteTo(1, 5)), base::NodeId{1});
  EXPECT_EQ(NodeOf(routes), 1u);
}

TEST(RoutesTest, WhatIsNoPartitionOfTheClusterIsNotKept) {
  Routes routes;
  routes.Learn(FrameWith(RouteTo(1, 5)), base::NodeId{1});
  EXPECT_EQ(NodeOf(routes), 0u) << "their number is not known yet";
  routes.SetPartitions(2);
  routes.Learn(FrameWith(RouteTo(1, 5)), base::NodeId{1});
  EXPECT_EQ(NodeOf(routes), 0u);
  routes.SetPartitions(3);
  routes.Learn(FrameWith(RouteTo(1, 5)), base::NodeId{1});
  EXPECT_EQ(NodeOf(routes), 1u);
}

// A term that nobody will reach would otherwise stick until a restart.
TEST(RoutesTest, ARouteWhoseNodeDoesNotLeadIsDropped) {
  Routes routes;
  const Route wrong = RouteTo(1, uint64_t{1} << 60);
  routes.Learn(wrong);
  routes.Learn(RouteTo(2, 6));
  ASSERT_EQ(NodeOf(routes), 1u);
  routes.Drop(RouteTo(1, 5));  // It was asked long ago.
  EXPECT_EQ(NodeOf(routes), 1u);
  routes.Drop(wrong);
  EXPECT_EQ(NodeOf(routes), 0u);
  routes.Learn(RouteTo(2, 6));
  EXPECT_EQ(NodeOf(routes), 2u);
}

// Of a cluster that a controller extends as it likes.
TEST(RoutesTest, AnyPartitionIsPossibleUntilThereAreTooMany) {
  Routes routes;
  routes.SetUnnumbered(2);
  const auto tell = [&](uint32_t partition) {
    multiraft::peer::v1::Frame frame;
    multiraft::peer::v1::Route& route = *frame.add_routes();
    route.set_partition(partition);
    route.set_term(1);
    route.set_leader(1);
    route.set_node(1);
    route.set_peer_address("p:1");
    routes.Learn(frame, base::NodeId{1});
    return routes.Find(base::PartitionId{partition}).has_value();
  };
  EXPECT_FALSE(tell(0));
  EXPECT_EQ(routes.Highest(), base::PartitionId{0});
  EXPECT_TRUE(tell(70'000));
  EXPECT_TRUE(tell(5));
  EXPECT_TRUE(tell(5));
  EXPECT_FALSE(tell(6));
  EXPECT_EQ(routes.Highest(), base::PartitionId{70'000});
}

}  // namespace
}  // namespace server::transport
