#include "server/cluster/newcomer.h"

#include "gtest/gtest.h"

namespace server::cluster {
namespace {

constexpr base::PartitionId kPartition{3};
constexpr raft::ReplicaId kLeader{70};

// Node 4 speaks to replica 80, as replica 70.
transport::UnknownReplica FromLeader() {
  return {.partition = kPartition,
          .to = raft::ReplicaId{80},
          .from = kLeader,
          .sender = {.node = base::NodeId{4}, .incarnation = 400},
          .from_leader = true};
}

class NewcomerTest : public ::testing::Test {
 protected:
  NewcomerTest() { routes_.SetPartitions(3); }

  void LearnThatItLeads(base::NodeId node) {
    routes_.Learn({.partition = kPartition,
                   .term = raft::Term{2},
                   .leader = kLeader,
                   .node = node,
                   .peer_address = "a:1"});
  }

  transport::Routes routes_;
};

TEST_F(NewcomerTest, ItIsMadeWhereThereIsNone) {
  EXPECT_EQ(JudgeNewcomer(FromLeader(), false, routes_), Newcomer::kMade);
}

TEST_F(NewcomerTest, OnlyALeaderMakesIt) {
  transport::UnknownReplica replica = FromLeader();
  replica.from_leader = false;
  EXPECT_EQ(JudgeNewcomer(replica, false, routes_), Newcomer::kIgnored);
}

TEST_F(NewcomerTest, APartitionThatTheClusterDoesNotHaveIsNotMade) {
  transport::UnknownReplica replica = FromLeader();
  replica.partition = base::PartitionId{4};
  EXPECT_EQ(JudgeNewcomer(replica, false, routes_), Newcomer::kIgnored);
  replica.partition = base::PartitionId{0};
  EXPECT_EQ(JudgeNewcomer(replica, false, routes_), Newcomer::kIgnored);
}

TEST_F(NewcomerTest, AMemberOfWhatIsHereIsBelieved) {
  transport::UnknownReplica replica = FromLeader();
  replica.from_member = true;
  EXPECT_EQ(JudgeNewcomer(replica, true, routes_), Newcomer::kMade);
}

// A healthy replica does not go because a stranger says so.
TEST_F(NewcomerTest, AStrangerIsAskedIfItIsKnownToLead) {
  EXPECT_EQ(JudgeNewcomer(FromLeader(), true, routes_), Newcomer::kIgnored);
  LearnThatItLeads(base::NodeId{5});
  EXPECT_EQ(JudgeNewcomer(FromLeader(), true, routes_), Newcomer::kIgnored);
  LearnThatItLeads(base::NodeId{4});
  EXPECT_EQ(JudgeNewcomer(FromLeader(), true, routes_), Newcomer::kAsked);
}

}  // namespace
}  // namespace server::cluster
