#include "server/cluster/moved_members.h"

#include "gtest/gtest.h"

namespace server::cluster {
namespace {

raft::Configuration Of(raft::Member member) {
  return {.voters = {member.replica}, .members = {member}};
}

const raft::Member kMember = {.replica = raft::ReplicaId(2),
                              .node = base::NodeId(3),
                              .incarnation = 33,
                              .peer_address = "a:1",
                              .api_address = "a:2",
                              .priority = 0};

NodeBook::Heard Heard(uint64_t incarnation, const char* peer, const char* api) {
  return {.node = {.node = base::NodeId(3),
                   .incarnation = incarnation,
                   .peer_address = peer,
                   .api_address = api}};
}

TEST(MovedMembersTest, OneThatIsElsewhereIsUpdatedAndKeepsTheRest) {
  const auto change = MovedMember(Of(kMember), {Heard(33, "b:1", "a:2")});
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->kind, partition::MemberChange::Kind::kUpdate);
  EXPECT_EQ(change->node, base::NodeId(3));
  raft::Member moved = kMember;
  moved.peer_address = "b:1";
  EXPECT_EQ(change->member, moved);
}

TEST(MovedMembersTest, OneThatIsWhereItWasIsNot) {
  EXPECT_FALSE(MovedMember(Of(kMember), {Heard(33, "a:1", "a:2")}));
  EXPECT_FALSE(MovedMember(Of(kMember), {}));
}

// Another data directory is somebody else, whatever its number.
TEST(MovedMembersTest, AnotherIncarnationMovesNobody) {
  EXPECT_FALSE(MovedMember(Of(kMember), {Heard(34, "b:1", "b:2")}));
}

}  // namespace
}  // namespace server::cluster
