#include "server/cluster/group_beginning.h"

#include <optional>
#include <string>
#include <vector>

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server::cluster {
namespace {

using base::NodeId;
using base::testing::StatusIs;
using raft::ReplicaId;
using storage::GroupRole;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Members 2, 4 and 5, as `self` knows them.
storage::Group GroupAt(uint32_t self) {
  return {.id = base::PartitionId{3},
          .self = NodeId{self},
          .members = {
              {NodeId{2}, "p2:1"}, {NodeId{4}, "p4:1"}, {NodeId{5}, "p5:1"}}};
}

FirstMember Member(uint32_t node, GroupRole role = GroupRole::kMember) {
  return {.node = NodeId{node},
          .incarnation = 100 * node,
          .api_address = "a" + std::to_string(node) + ":1",
          .role = role};
}

TEST(GroupBeginningTest, TheLowestDecidesWhenAllWereToldTheSame) {
  ASSERT_OK_AND_ASSIGN(const auto decided, BeginningOf(GroupAt(2), Member(2),
                                                       {Member(5), Member(4)}));
  const raft::Configuration expected{
      .voters = {ReplicaId{1}, ReplicaId{2}, ReplicaId{3}},
      .members = {{ReplicaId{1}, NodeId{2}, 200, "p2:1", "a2:1"},
                  {ReplicaId{2}, NodeId{4}, 400, "p4:1", "a4:1"},
                  {ReplicaId{3}, NodeId{5}, 500, "p5:1", "a5:1"}}};
  EXPECT_EQ(decided, expected);
}

// Or one that was lost might have voted (U8).
TEST(GroupBeginningTest, NobodyDecidesAsLongAsOneIsMissing) {
  ASSERT_OK_AND_ASSIGN(auto decided,
                       BeginningOf(GroupAt(2), Member(2), {Member(5)}));
  EXPECT_EQ(decided, std::nullopt);
  ASSERT_OK_AND_ASSIGN(
      decided, BeginningOf(GroupAt(4), Member(4), {Member(2), Member(5)}));
  EXPECT_EQ(decided, std::nullopt);
}

TEST(GroupBeginningTest, OneMemberDecidesForItself) {
  const storage::Group group{.id = base::PartitionId{3},
                             .self = NodeId{7},
                             .members = {{NodeId{7}, "p:1"}}};
  ASSERT_OK_AND_ASSIGN(const auto decided, BeginningOf(group, Member(7), {}));
  ASSERT_TRUE(decided.has_value());
  EXPECT_THAT(decided->voters, ElementsAre(ReplicaId{1}));
}

// Whoever has it, and whoever is missing.
TEST(GroupBeginningTest, ADecisionIsTakenOver) {
  ASSERT_OK_AND_ASSIGN(const auto decided, BeginningOf(GroupAt(2), Member(2),
                                                       {Member(4), Member(5)}));
  FirstMember knows = Member(4);
  knows.beginning = decided;
  ASSERT_OK_AND_ASSIGN(const auto taken,
                       BeginningOf(GroupAt(5), Member(5), {knows}));
  EXPECT_EQ(taken, decided);
}

TEST(GroupBeginningTest, AWipedMemberIsRefusedAlsoAsTheLowest) {  // U8
  ASSERT_OK_AND_ASSIGN(const auto decided, BeginningOf(GroupAt(2), Member(2),
                                                       {Member(4), Member(5)}));
  FirstMember knows = Member(4);
  knows.beginning = decided;
  FirstMember wiped = Member(2);
  wiped.incarnation = 201;
  EXPECT_THAT(
      BeginningOf(GroupAt(2), wiped, {knows, Member(5)}).status(),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("group 3 began with another data directory of member "
                         "2, and this one is empty")));
  EXPECT_THAT(
      BeginningOf(GroupAt(2), wiped, {knows}).status().message(),
      HasSubstr("`multiraftctl member replace 2 2 p2:1 --partition=3`"));
}

TEST(GroupBeginningTest, RolesAreTheReplicas) {
  ASSERT_OK_AND_ASSIGN(const auto decided,
                       BeginningOf(GroupAt(2), Member(2),
                                   {Member(4, GroupRole::kObserver),
                                    Member(5, GroupRole::kWitness)}));
  ASSERT_TRUE(decided.has_value());
  EXPECT_THAT(decided->voters, ElementsAre(ReplicaId{1}, ReplicaId{3}));
  EXPECT_THAT(decided->learners, ElementsAre(ReplicaId{2}));
  EXPECT_EQ(decided->members[0].priority, 1u);
  EXPECT_EQ(decided->members[2].priority, 0u);
}

TEST(GroupBeginningTest, SomebodyMustBeAbleToLead) {
  EXPECT_THAT(BeginningOf(GroupAt(2), Member(2, GroupRole::kWitness),
                          {Member(4, GroupRole::kObserver),
                           Member(5, GroupRole::kWitness)})
                  .status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no member whose role is MEMBER")));
}

TEST(GroupBeginningTest, MembersAreComparedByNode) {
  const raft::Configuration configuration{
      .members = {{.node = NodeId{5}, .peer_address = "p5:1"},
                  {.node = NodeId{2}, .peer_address = "p2:1"},
                  {.node = NodeId{4}, .peer_address = "p4:1"}}};
  EXPECT_EQ(MembersOf(configuration), GroupAt(2).members);
  EXPECT_EQ(Describe(MembersOf(configuration)), "2=p2:1, 4=p4:1, 5=p5:1");
}

}  // namespace
}  // namespace server::cluster
