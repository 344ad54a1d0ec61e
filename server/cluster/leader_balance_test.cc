#include "server/cluster/leader_balance.h"

#include "gtest/gtest.h"

namespace server::cluster {
namespace {

constexpr raft::ReplicaId kNobody{0};
constexpr raft::ReplicaId kFirst{1};

// Partition 1 as replica 2, which leads it, sees it: 1 is well and should lead.
partition::PartitionStatus LedByTheSecond() {
  partition::PartitionStatus status;
  status.id = base::PartitionId(1);
  status.replica = raft::ReplicaId(2);
  status.soft_state = {.role = raft::Role::kLeader,
                       .leader = raft::ReplicaId(2)};
  status.last_index = raft::Index(9);
  status.applied_index = raft::Index(8);
  for (uint64_t i = 1; i <= 3; ++i) {
    const raft::ReplicaId replica(i);
    status.configuration.voters.push_back(replica);
    status.configuration.members.push_back({.replica = replica});
  }
  status.followers.push_back({.replica = kFirst,
                              .state = raft::ProgressState::kReplicate,
                              .match_index = raft::Index(8)});
  return status;
}

TEST(LeaderBalanceTest, TheFirstVoterLeadsAgainOnceItWasWellForLongEnough) {
  LeaderBalance balance(3);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kNobody);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kNobody);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kFirst);
  // It did not come to that: not at once again.
  EXPECT_EQ(balance.Look(LedByTheSecond()), kNobody);
}

TEST(LeaderBalanceTest, WhereAnOperatorPutsItItStaysUntilItIsLedElsewhere) {
  LeaderBalance balance(1);
  balance.Keep(base::PartitionId(1));
  EXPECT_EQ(balance.Look(LedByTheSecond()), kNobody);
  balance.Forget(base::PartitionId(1));
  EXPECT_EQ(balance.Look(LedByTheSecond()), kFirst);
}

// Otherwise one that came in the place of another would lead nothing.
TEST(LeaderBalanceTest, NewcomersLeadTheirShare) {
  raft::Configuration configuration;
  for (const uint64_t replica : {1u, 3u, 40u}) {
    configuration.voters.push_back(raft::ReplicaId(replica));
    configuration.members.push_back(
        {.replica = raft::ReplicaId(replica),
         .node = base::NodeId(static_cast<uint32_t>(replica))});
  }
  int newcomer = 0;
  for (uint32_t i = 1; i <= 300; ++i) {
    newcomer += LeaderBalance::Preferred(base::PartitionId(i), configuration) ==
                raft::ReplicaId(40);
  }
  EXPECT_GT(newcomer, 70);
  EXPECT_LT(newcomer, 130);
  // Those that were there from the beginning go on as they began.
  configuration.voters.pop_back();
  configuration.members.pop_back();
  EXPECT_EQ(LeaderBalance::Preferred(base::PartitionId(7), configuration),
            raft::ReplicaId(1));
}

TEST(LeaderBalanceTest, ADrainedNodeKeepsNothing) {
  LeaderBalance balance(1);
  partition::PartitionStatus status = LedByTheSecond();
  status.configuration.members[1].priority = 0;
  balance.Keep(status.id);
  EXPECT_EQ(balance.Look(status), kFirst);
}

// It may be well and yet refuse: its disk is almost full, say (D6).
TEST(LeaderBalanceTest, WhoDidNotTakeItIsAskedEverMoreSeldom) {
  LeaderBalance balance(1);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kFirst);
  int looks = 1;
  while (balance.Look(LedByTheSecond()) == kNobody) ++looks;
  EXPECT_EQ(looks, 2);
  for (looks = 1; balance.Look(LedByTheSecond()) == kNobody;) ++looks;
  EXPECT_EQ(looks, 4);
  // Led elsewhere in between: it begins anew.
  balance.Forget(base::PartitionId(1));
  EXPECT_EQ(balance.Look(LedByTheSecond()), kFirst);
}

// Looks twice, then at `between`, then again: the count began anew.
void ExpectInterruptedBy(const partition::PartitionStatus& between) {
  LeaderBalance balance(3);
  balance.Look(LedByTheSecond());
  balance.Look(LedByTheSecond());
  EXPECT_EQ(balance.Look(between), kNobody);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kNobody);
}

// Under load another follower often makes the quorum, and what this one has not
// acknowledged is on its way: it would never be well ten times in a row.
TEST(LeaderBalanceTest, WhatIsOnItsWayIsNotBehind) {
  LeaderBalance balance(1);
  partition::PartitionStatus busy = LedByTheSecond();
  busy.applied_index = raft::Index(5000);
  busy.last_index = raft::Index(5100);
  busy.followers[0].match_index = raft::Index(4500);
  EXPECT_EQ(balance.Look(busy), kFirst);
}

TEST(LeaderBalanceTest, WhoIsBehindSilentOrProbedIsNotWell) {
  partition::PartitionStatus behind = LedByTheSecond();
  behind.applied_index = raft::Index(5000);
  behind.followers[0].match_index = raft::Index(3000);
  ExpectInterruptedBy(behind);
  partition::PartitionStatus silent = LedByTheSecond();
  silent.followers[0].silent_ticks = 4;
  ExpectInterruptedBy(silent);
  partition::PartitionStatus probed = LedByTheSecond();
  probed.followers[0].state = raft::ProgressState::kProbe;
  ExpectInterruptedBy(probed);
}

TEST(LeaderBalanceTest, OnlyTheLeaderDecides) {
  partition::PartitionStatus follower = LedByTheSecond();
  follower.soft_state.role = raft::Role::kFollower;
  ExpectInterruptedBy(follower);
}

TEST(LeaderBalanceTest, NothingMovesWhileMembersChange) {
  partition::PartitionStatus joint = LedByTheSecond();
  joint.configuration.voters_outgoing = {raft::ReplicaId(2)};
  ExpectInterruptedBy(joint);
}

TEST(LeaderBalanceTest, WhoNeverLeadsIsPassedOver) {
  raft::Configuration configuration = LedByTheSecond().configuration;
  configuration.members[0].priority = 0;
  EXPECT_EQ(LeaderBalance::Preferred(base::PartitionId(1), configuration),
            raft::ReplicaId(2));
}

TEST(LeaderBalanceTest, PartitionsAreCountedByThemselves) {
  LeaderBalance balance(2);
  partition::PartitionStatus other = LedByTheSecond();
  other.id = base::PartitionId(2);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kNobody);
  EXPECT_EQ(balance.Look(other), kNobody);
  EXPECT_EQ(balance.Look(LedByTheSecond()), kFirst);
  EXPECT_EQ(balance.Look(other), kFirst);
}

}  // namespace
}  // namespace server::cluster
