#include "server/transport/members.h"

#include "gtest/gtest.h"

namespace server::transport {
namespace {

using base::NodeId;
using base::PartitionId;
using raft::ReplicaId;
using Verdict = Members::Verdict;

constexpr PartitionId kPartition{3};

raft::Member MemberOn(uint64_t replica, uint32_t node, uint64_t incarnation) {
  return {.replica = ReplicaId{replica},
          .node = NodeId{node},
          .incarnation = incarnation,
          .peer_address = "host:1"};
}

Remote RemoteOf(uint32_t node, uint64_t incarnation) {
  return {
      .node = NodeId{node}, .incarnation = incarnation, .address = "host:1"};
}

// Replica 1 is here; 2 and 3 live on nodes 2 and 3.
class MembersTest : public testing::Test {
 protected:
  MembersTest() {
    members_.Set(
        kPartition, ReplicaId{1},
        {MemberOn(1, 1, 100), MemberOn(2, 2, 200), MemberOn(3, 3, 300)});
  }

  Verdict Judge(uint64_t from, uint64_t to, const Remote& sender) {
    return members_.Judge(kPartition, ReplicaId{from}, ReplicaId{to}, sender);
  }

  bool CanWait(std::vector<decltype(raft::Message::body)> bodies) {
    std::vector<raft::Message> messages;
    for (auto& body : bodies) {
      messages.push_back(
          {.from = ReplicaId{1}, .to = ReplicaId{2}, .body = std::move(body)});
    }
    return members_.CanWait(kPartition, messages);
  }

  Members members_;
};

TEST_F(MembersTest, MembersAreFoundWhereTheyLive) {
  ASSERT_NE(members_.Find(kPartition, ReplicaId{2}), nullptr);
  EXPECT_EQ(*members_.Find(kPartition, ReplicaId{2}), RemoteOf(2, 200));
  EXPECT_EQ(members_.Find(kPartition, ReplicaId{4}), nullptr);
  EXPECT_EQ(members_.Find(PartitionId{4}, ReplicaId{2}), nullptr);
}

// P45: an id is believed only from the node and data directory it belongs to.
TEST_F(MembersTest, MessagesAreTakenFromMembersWhereTheyLive) {
  EXPECT_EQ(Judge(2, 1, RemoteOf(2, 200)), Verdict::kTake);
  EXPECT_EQ(Judge(2, 1, RemoteOf(2, 201)), Verdict::kWrongSender);
  EXPECT_EQ(Judge(2, 1, RemoteOf(3, 300)), Verdict::kWrongSender);
}

TEST_F(MembersTest, MessagesForAnotherReplicaAreNotTaken) {
  EXPECT_EQ(Judge(2, 4, RemoteOf(2, 200)), Verdict::kUnknownReplica);
  EXPECT_EQ(members_.Judge(PartitionId{4}, ReplicaId{2}, ReplicaId{1},
                           RemoteOf(2, 200)),
            Verdict::kUnknownReplica);
}

// A replica that is behind does not know who leads; it must answer all the
// same.
TEST_F(MembersTest, AStrangerIsTakenAndCanBeAnswered) {
  EXPECT_EQ(Judge(7, 1, RemoteOf(4, 400)), Verdict::kTake);
  ASSERT_NE(members_.Find(kPartition, ReplicaId{7}), nullptr);
  EXPECT_EQ(*members_.Find(kPartition, ReplicaId{7}), RemoteOf(4, 400));
  EXPECT_EQ(members_.Remotes().count(RemoteOf(4, 400)), 1u);
}

TEST_F(MembersTest, AStrangerThatBecomesAMemberIsWhereTheLogSays) {
  Judge(7, 1, RemoteOf(4, 400));
  members_.Set(kPartition, ReplicaId{1},
               {MemberOn(1, 1, 100), MemberOn(7, 5, 500)});
  EXPECT_EQ(*members_.Find(kPartition, ReplicaId{7}), RemoteOf(5, 500));
  EXPECT_EQ(Judge(7, 1, RemoteOf(4, 400)), Verdict::kWrongSender);
}

TEST_F(MembersTest, StrangersAreBounded) {
  for (uint64_t i = 10; i < 1000; ++i) Judge(i, 1, RemoteOf(4, i));
  EXPECT_LE(members_.Remotes().size(), 3u + 16u);
}

TEST_F(MembersTest, AReplicaThatIsGoneHasNoMembers) {
  members_.Set(kPartition, ReplicaId{}, {});
  EXPECT_EQ(members_.Find(kPartition, ReplicaId{2}), nullptr);
  EXPECT_EQ(Judge(2, 1, RemoteOf(2, 200)), Verdict::kUnknownReplica);
  EXPECT_TRUE(members_.Remotes().empty());
}

// It knows nobody; whoever made it a member can talk to it, and is answered.
TEST_F(MembersTest, AReplicaThatWasJustMadeAnswersWhoeverSpeaksToIt) {
  members_.Set(kPartition, ReplicaId{9}, {});
  EXPECT_EQ(members_.Find(kPartition, ReplicaId{2}), nullptr);
  EXPECT_EQ(Judge(2, 1, RemoteOf(2, 200)), Verdict::kUnknownReplica);
  EXPECT_EQ(Judge(2, 9, RemoteOf(2, 200)), Verdict::kTake);
  ASSERT_NE(members_.Find(kPartition, ReplicaId{2}), nullptr);
  EXPECT_EQ(*members_.Find(kPartition, ReplicaId{2}), RemoteOf(2, 200));
}

// All that a replica knew may be gone, and itself removed: it must be able to
// ask the one that leads now.
TEST_F(MembersTest, ALeaderThatIsNoMemberCanBeAsked) {
  EXPECT_TRUE(members_.Meet(kPartition, ReplicaId{7}, RemoteOf(4, 400)));
  ASSERT_NE(members_.Find(kPartition, ReplicaId{7}), nullptr);
  EXPECT_EQ(*members_.Find(kPartition, ReplicaId{7}), RemoteOf(4, 400));
  // Members are where the log says, and this one is itself.
  EXPECT_FALSE(members_.Meet(kPartition, ReplicaId{2}, RemoteOf(4, 400)));
  EXPECT_EQ(*members_.Find(kPartition, ReplicaId{2}), RemoteOf(2, 200));
  EXPECT_FALSE(members_.Meet(kPartition, ReplicaId{1}, RemoteOf(4, 400)));
  EXPECT_FALSE(members_.Meet(PartitionId{4}, ReplicaId{7}, RemoteOf(4, 400)));
}

TEST_F(MembersTest, AMemberIsKnownByItsReplicaAndItsDirectory) {
  const auto is_from_member = [&](uint64_t from, const Remote& sender) {
    return members_.IsFromMember(kPartition, ReplicaId{from}, sender);
  };
  EXPECT_TRUE(is_from_member(2, RemoteOf(2, 200)));
  EXPECT_FALSE(is_from_member(2, RemoteOf(2, 201)));
  EXPECT_FALSE(is_from_member(7, RemoteOf(2, 200)));
  // Nor is one that spoke to it.
  Judge(7, 1, RemoteOf(4, 400));
  EXPECT_FALSE(is_from_member(7, RemoteOf(4, 400)));
  EXPECT_FALSE(
      members_.IsFromMember(PartitionId{4}, ReplicaId{2}, RemoteOf(2, 200)));
  // One that was just made has nothing to lose.
  members_.Set(kPartition, ReplicaId{9}, {});
  EXPECT_TRUE(is_from_member(7, RemoteOf(4, 400)));
}

TEST_F(MembersTest, OnlyWhatRepeatsARoundCanWait) {
  const raft::Heartbeat first{.read_round = 1};
  const raft::Heartbeat second{.read_round = 2};
  EXPECT_FALSE(CanWait({first, first}));
  EXPECT_TRUE(CanWait({first, first}));
  // Reads wait for both replies.
  EXPECT_FALSE(CanWait({second, second}));
  EXPECT_TRUE(CanWait({second}));
  // Tells what was committed.
  EXPECT_FALSE(CanWait({raft::Heartbeat{}}));
  EXPECT_TRUE(CanWait({second}));
  EXPECT_FALSE(CanWait({second, raft::AppendEntriesReply{}}));

  EXPECT_FALSE(CanWait({raft::HeartbeatReply{.read_round = 1}}));
  EXPECT_TRUE(CanWait({raft::HeartbeatReply{.read_round = 1}}));
}

}  // namespace
}  // namespace server::transport
