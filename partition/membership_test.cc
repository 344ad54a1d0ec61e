#include "partition/membership.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "raft/conf_change.h"

namespace partition {
namespace {

using base::NodeId;
using raft::Index;
using raft::ReplicaId;
using Kind = MemberChange::Kind;

constexpr uint64_t kLastIndex = 40;

raft::Member OnNode(uint32_t node, uint64_t incarnation = 7) {
  return {.node = NodeId(node),
          .incarnation = incarnation,
          .peer_address = "peer:1",
          .api_address = "api:1"};
}

// Voters on nodes 1 to `voters`, learners on the next ones; each replica has
// its node's number.
MembersView View(uint32_t voters, uint32_t learners = 0) {
  MembersView view{.self = ReplicaId{1},
                   .is_committed = true,
                   .last_index = Index{kLastIndex},
                   .reachable_ticks = 10};
  for (uint32_t i = 1; i <= voters + learners; ++i) {
    raft::Member member = OnNode(i);
    member.replica = ReplicaId{i};
    view.configuration.members.push_back(member);
    (i <= voters ? view.configuration.voters : view.configuration.learners)
        .push_back(member.replica);
    if (i > 1) {
      view.followers.push_back({.replica = member.replica, .was_heard = true});
    }
  }
  return view;
}

MembersView Silent(MembersView view, uint64_t replica) {
  for (raft::FollowerStatus& follower : view.followers) {
    if (follower.replica == ReplicaId{replica}) follower.silent_ticks = 11;
  }
  return view;
}

// The leader is as old as `ticks`, and has heard from nobody since.
MembersView New(MembersView view, uint32_t ticks) {
  for (raft::FollowerStatus& follower : view.followers) {
    follower.was_heard = false;
    follower.silent_ticks = ticks;
  }
  return view;
}
MembersView Heard(MembersView view, uint64_t replica) {
  for (raft::FollowerStatus& follower : view.followers) {
    if (follower.replica != ReplicaId{replica}) continue;
    follower.was_heard = true;
    follower.silent_ticks = 0;
  }
  return view;
}
MembersView WithPriority(MembersView view, uint64_t replica,
                         uint32_t priority) {
  view.configuration.members[replica - 1].priority = priority;
  return view;
}

MemberChange AddNode(uint32_t node) {
  return {.kind = Kind::kAdd, .member = OnNode(node)};
}
MemberChange RemoveNode(uint32_t node) {
  return {.kind = Kind::kRemove, .node = NodeId(node)};
}
MemberChange DrainNode(uint32_t node) {
  MemberChange change{
      .kind = Kind::kUpdate, .node = NodeId(node), .member = OnNode(node)};
  change.member.priority = 0;
  return change;
}
MemberChange ReplaceNode(uint32_t node, raft::Member member) {
  return {.kind = Kind::kReplace,
          .node = NodeId(node),
          .member = std::move(member)};
}

// The step, in short: "reached", "wait: ...", "voters=1,2 learners=3", or the
// error's code and text.
std::string Step(const MembersView& view, const MemberChange& change,
                 uint64_t caught_up = 0) {
  absl::StatusOr<MembersStep> step =
      NextStep(view, change, ReplicaId{caught_up});
  if (!step.ok()) return step.status().ToString();
  if (std::holds_alternative<MembersReached>(*step)) return "reached";
  if (const auto* wait = std::get_if<MembersWait>(&*step)) {
    return "wait: " + wait->what;
  }
  const raft::Configuration& target = std::get<MembersPropose>(*step).target;
  EXPECT_TRUE(raft::ValidateConfiguration(target).ok());
  std::string text = "voters=";
  for (ReplicaId replica : target.voters) {
    text += std::to_string(replica.value()) + ",";
  }
  text += " learners=";
  for (ReplicaId replica : target.learners) {
    text += std::to_string(replica.value()) + ",";
  }
  return text;
}

TEST(MembershipTest, ANewMemberBeginsAsLearnerWithTheIndexAsItsId) {
  EXPECT_EQ(Step(View(3), AddNode(9)), "voters=1,2,3, learners=41,");
}

TEST(MembershipTest, ALearnerVotesOnlyWhenItHasCaughtUp) {
  EXPECT_EQ(Step(View(3, 1), AddNode(4)),
            "wait: replica 4 on node 4 has the log up to index 0 of 40");
  EXPECT_EQ(Step(View(3, 1), AddNode(4), 4), "voters=1,2,3,4, learners=");
  // Another one that has caught up does not help.
  EXPECT_TRUE(absl::StartsWith(Step(View(3, 2), AddNode(4), 5), "wait"));
}

TEST(MembershipTest, WhatIsSoAlreadyIsReached) {
  EXPECT_EQ(Step(View(3), AddNode(3)), "reached");
  EXPECT_EQ(Step(View(3), RemoveNode(4)), "reached");
  EXPECT_EQ(Step(View(3, 1), {.kind = Kind::kAddLearner, .member = OnNode(4)}),
            "reached");
  EXPECT_EQ(Step(View(3), ReplaceNode(9, OnNode(2))), "reached");
}

TEST(MembershipTest, NothingIsProposedWhileAChangeIsUnderWay) {
  MembersView view = View(3);
  view.is_committed = false;
  EXPECT_EQ(Step(view, AddNode(9)),
            "wait: a change of members is being committed");
  // Not even "reached": it may still be rolled back.
  EXPECT_EQ(Step(view, AddNode(3)),
            "wait: a change of members is being committed");
}

// P45.
TEST(MembershipTest, AShortLogMustGrowBeforeItGivesOutAnId) {
  MembersView view = View(3);
  view.last_index = Index{kInitialReplicasMax - 1};
  absl::StatusOr<MembersStep> step = NextStep(view, AddNode(9), ReplicaId{0});
  ASSERT_TRUE(step.ok());
  EXPECT_TRUE(std::get<MembersWait>(*step).log_must_grow);
  view.last_index = Index{kInitialReplicasMax};
  EXPECT_EQ(Step(view, AddNode(9)), "voters=1,2,3, learners=17,");
}

// U8.
TEST(MembershipTest, AWipedNodeDoesNotComeBackAsTheOldMember) {
  const std::string answer =
      Step(View(3), {.kind = Kind::kAdd, .member = OnNode(3, 8)});
  EXPECT_TRUE(absl::StrContains(answer, "another data directory")) << answer;
}

TEST(MembershipTest, AWipedNodeIsReplacedByItself) {
  const MemberChange change = ReplaceNode(3, OnNode(3, 8));
  EXPECT_EQ(Step(Silent(View(3), 3), change), "voters=1,2,3, learners=41,");
  MembersView view = Silent(View(3), 3);
  raft::Member fresh = OnNode(3, 8);
  fresh.replica = ReplicaId{41};
  view.configuration.members.push_back(fresh);
  view.configuration.learners = {fresh.replica};
  view.followers.push_back({.replica = fresh.replica, .was_heard = true});
  EXPECT_TRUE(absl::StartsWith(Step(view, change), "wait"));
  EXPECT_EQ(Step(view, change, 41), "voters=1,2,41, learners=");
}

TEST(MembershipTest, ReplacingSwapsBothInOneStep) {
  EXPECT_EQ(Step(View(3, 1), ReplaceNode(1, OnNode(4)), 4),
            "voters=2,3,4, learners=");
  EXPECT_TRUE(absl::StrContains(Step(View(3), ReplaceNode(8, OnNode(9))),
                                "node 8 has no replica"));
}

TEST(MembershipTest, ALossOfQuorumIsRefusedUnlessForced) {
  const MembersView view = Silent(View(3), 3);
  const std::string answer = Step(view, RemoveNode(2));
  EXPECT_TRUE(absl::StartsWith(answer, "FAILED_PRECONDITION")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "2 voters, of whom 1")) << answer;
  MemberChange forced = RemoveNode(2);
  forced.force = true;
  EXPECT_EQ(Step(view, forced), "voters=1,3, learners=");
  // The dead one may go.
  EXPECT_EQ(Step(view, RemoveNode(3)), "voters=1,2, learners=");
}

// Otherwise the dead would count as reachable for an election timeout of every
// term: node 3 leads, hands over (a drain), and is removed at once.
TEST(MembershipTest, ANewLeaderWaitsUntilItKnowsWhoIsThere) {
  const std::string waits =
      "wait: the leader is new and waits who is reachable";
  EXPECT_EQ(Step(New(View(3), 0), RemoveNode(3)), waits);
  EXPECT_EQ(Step(New(View(3), 10), RemoveNode(3)), waits);
  EXPECT_EQ(Step(Heard(New(View(3), 3), 3), RemoveNode(3)), waits);
  EXPECT_EQ(Step(Heard(New(View(3), 3), 2), RemoveNode(3)),
            "voters=1,2, learners=");
  EXPECT_TRUE(absl::StrContains(Step(New(View(3), 11), RemoveNode(3)),
                                "2 voters, of whom 1"));
  MemberChange forced = RemoveNode(3);
  forced.force = true;
  EXPECT_EQ(Step(New(View(3), 0), forced), "voters=1,2, learners=");
}

TEST(MembershipTest, PromotingCountsThoseWhoAreGone) {
  // Two of three are there; with a fourth voter three must be.
  EXPECT_EQ(Step(Silent(View(3, 1), 3), AddNode(4), 4),
            "voters=1,2,3,4, learners=");
  EXPECT_TRUE(
      absl::StrContains(Step(Silent(Silent(View(3, 1), 3), 2), AddNode(4), 4),
                        "4 voters, of whom 2"));
}

TEST(MembershipTest, TheLastVoterStaysEvenIfForced) {
  MemberChange change = RemoveNode(1);
  change.force = true;
  EXPECT_TRUE(absl::StrContains(Step(View(1, 2), change), "last voter"));
}

TEST(MembershipTest, SomebodyMustBeAbleToLead) {
  const MembersView view = WithPriority(View(2), 1, 0);
  EXPECT_TRUE(absl::StrContains(Step(view, RemoveNode(2)), "nobody could"));
  EXPECT_TRUE(absl::StrContains(Step(view, DrainNode(2)), "nobody could"));
}

// Node 3 is down; 1 is drained, and then 2: a restart of 2 would leave a
// majority that is up and never elects.
TEST(MembershipTest, WhoMayLeadMustBeThere) {
  const MembersView view = WithPriority(WithPriority(View(4), 2, 0), 4, 0);
  for (const MemberChange& change : {DrainNode(1), RemoveNode(1)}) {
    EXPECT_EQ(Step(view, change).substr(0, 6), "voters");
    MemberChange forced = change;
    forced.force = true;
    EXPECT_TRUE(absl::StrContains(Step(Silent(view, 3), change),
                                  "may lead is reachable"));
    EXPECT_EQ(Step(New(view, 3), forced).substr(0, 6), "voters");
  }
  EXPECT_TRUE(absl::StartsWith(Step(New(view, 3), DrainNode(1)), "wait"));
  // What makes it no worse is done all the same.
  const MembersView drained = WithPriority(Silent(view, 3), 1, 0);
  MemberChange undrain = DrainNode(1);
  undrain.member.priority = 1;
  EXPECT_EQ(Step(drained, undrain).substr(0, 6), "voters");
  MemberChange moves = DrainNode(2);
  moves.member.peer_address = "elsewhere:2";
  EXPECT_EQ(Step(drained, moves).substr(0, 6), "voters");
}

TEST(MembershipTest, AnUpdateChangesAddressesAndPriorityOnly) {
  MemberChange change{
      .kind = Kind::kUpdate, .node = NodeId(2), .member = OnNode(99, 98)};
  change.member.peer_address = "elsewhere:2";
  change.member.priority = 0;
  absl::StatusOr<MembersStep> step = NextStep(View(3), change, ReplicaId{0});
  ASSERT_TRUE(step.ok());
  const raft::Configuration& target = std::get<MembersPropose>(*step).target;
  raft::Member wanted = OnNode(2);
  wanted.replica = ReplicaId{2};
  wanted.peer_address = "elsewhere:2";
  wanted.priority = 0;
  EXPECT_EQ(target.members[1], wanted);
  EXPECT_EQ(target.voters, View(3).configuration.voters);
}

TEST(MembershipTest, SaysWhatIsMissing) {
  EXPECT_TRUE(absl::StrContains(Step(View(3), AddNode(0)), "no node"));
  EXPECT_TRUE(absl::StrContains(
      Step(View(3), {.kind = Kind::kAdd, .member = OnNode(9, 0)}),
      "no incarnation"));
  raft::Member nowhere = OnNode(9);
  nowhere.peer_address.clear();
  EXPECT_TRUE(absl::StrContains(
      Step(View(3), {.kind = Kind::kAdd, .member = nowhere}), "no address"));
  EXPECT_TRUE(absl::StrContains(Step(View(3), RemoveNode(0)), "no node"));
  EXPECT_TRUE(absl::StrContains(
      Step(View(3), {.kind = Kind::kPromote, .node = NodeId(9)}),
      "node 9 has no replica"));
}

// Any sequence of changes, each taken to its end: ids are never given out
// twice, what was asked for is so, and the steps are few.
TEST(MembershipTest, ChangesReachTheirGoalWhateverCameBefore) {
  base::Random random(1);
  for (int run = 0; run < 300; ++run) {
    MembersView view = View(3);
    std::set<ReplicaId> given(view.configuration.voters.begin(),
                              view.configuration.voters.end());
    for (int i = 0; i < 20; ++i) {
      MemberChange change{
          .kind = static_cast<Kind>(random.Below(5)),
          .node = NodeId(static_cast<uint32_t>(1 + random.Below(5))),
          .member = OnNode(static_cast<uint32_t>(1 + random.Below(5)),
                           7 + random.Below(2))};
      bool reached = false;
      ReplicaId caught_up;
      for (int steps = 0; steps < 6 && !reached; ++steps) {
        absl::StatusOr<MembersStep> step = NextStep(view, change, caught_up);
        if (!step.ok()) break;
        if (std::holds_alternative<MembersReached>(*step)) {
          reached = true;
        } else if (auto* wait = std::get_if<MembersWait>(&*step)) {
          ASSERT_NE(wait->catching_up, ReplicaId{0});
          caught_up = wait->catching_up;
        } else {
          raft::Configuration target = std::get<MembersPropose>(*step).target;
          ASSERT_TRUE(raft::ValidateConfiguration(target).ok());
          ++view.last_index;
          for (const raft::Member& member : target.members) {
            if (view.configuration.FindMember(member.replica) == nullptr) {
              ASSERT_TRUE(given.insert(member.replica).second);
              ASSERT_EQ(member.replica.value(), view.last_index.value());
            }
          }
          view.configuration = std::move(target);
          view.self = view.configuration.voters.front();
          view.followers.clear();
          for (const raft::Member& member : view.configuration.members) {
            view.followers.push_back(
                {.replica = member.replica, .was_heard = true});
          }
        }
        ASSERT_LT(steps, 5);
      }
      if (!reached) continue;
      const auto is_there = [&](const raft::Member& wanted) {
        return std::any_of(view.configuration.members.begin(),
                           view.configuration.members.end(),
                           [&](const raft::Member& member) {
                             return member.node == wanted.node &&
                                    member.incarnation == wanted.incarnation;
                           });
      };
      if (change.kind != Kind::kRemove && change.kind != Kind::kPromote) {
        ASSERT_TRUE(is_there(change.member));
      }
    }
  }
}

TEST(CatchUpTest, IsReachedByARoundThatWasQuick) {
  CatchUp catch_up(2);
  const ReplicaId replica{4};
  EXPECT_FALSE(catch_up.Look(replica, Index{0}, Index{100}));
  EXPECT_FALSE(catch_up.Look(replica, Index{40}, Index{150}));
  EXPECT_FALSE(catch_up.Look(replica, Index{80}, Index{200}));
  // The round is over, but it took too long: the next one is up to 250.
  EXPECT_FALSE(catch_up.Look(replica, Index{120}, Index{250}));
  EXPECT_FALSE(catch_up.Look(replica, Index{249}, Index{300}));
  EXPECT_TRUE(catch_up.Look(replica, Index{250}, Index{350}));
}

TEST(CatchUpTest, BeginsAgainForAnotherReplica) {
  CatchUp catch_up(2);
  EXPECT_FALSE(catch_up.Look(ReplicaId{4}, Index{0}, Index{100}));
  EXPECT_FALSE(catch_up.Look(ReplicaId{5}, Index{0}, Index{200}));
  EXPECT_FALSE(catch_up.Look(ReplicaId{5}, Index{100}, Index{200}));
  EXPECT_TRUE(catch_up.Look(ReplicaId{5}, Index{200}, Index{200}));
}

}  // namespace
}  // namespace partition
