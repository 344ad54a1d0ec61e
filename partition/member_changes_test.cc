#include "partition/member_changes.h"

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/ready.h"

namespace partition {
namespace {

using base::NodeId;
using raft::Index;
using raft::ReplicaId;
using raft::Term;

// Replica 1 of three, which the test makes leader; the others acknowledge
// everything unless they are silent.
class MemberChangesTest : public testing::Test {
 protected:
  MemberChangesTest() {
    raft::Configuration configuration;
    for (uint32_t i = 1; i <= 3; ++i) {
      configuration.voters.push_back(ReplicaId{i});
      configuration.members.push_back({.replica = ReplicaId{i},
                                       .node = NodeId{i},
                                       .incarnation = 7,
                                       .peer_address = "peer:1",
                                       .api_address = "api:1"});
    }
    core_ = *raft::Raft::Create({.partition = base::PartitionId{1},
                                 .self = ReplicaId{1},
                                 .check_quorum = false},
                                {.configuration = configuration});
    core_->Campaign();
    Handle();
    Reply(2, raft::PreVoteReply{.granted = true});
    Reply(2, raft::RequestVoteReply{.granted = true});
  }

  void Reply(uint64_t from, decltype(raft::Message::body) body) {
    core_->Step({ReplicaId{from}, ReplicaId{1}, Term{1}, std::move(body)});
    Handle();
  }
  // Carries out what the core wants; the disk is at once done.
  void Handle() {
    while (core_->HasReady()) {
      raft::Ready ready = core_->TakeReady();
      if (ready.persist.has_value()) core_->Persisted(*ready.persist);
      if (!ready.committed.empty()) {
        core_->Applied(ready.committed.back().index);
        changes_.Look(*core_);
      }
      if (ready.soft_state.has_value() &&
          ready.soft_state->role != raft::Role::kLeader) {
        changes_.LeadershipEnded(*core_);
      }
      for (const raft::Message& message : ready.messages) {
        if (!silent_.contains(message.to.value())) Answer(message);
      }
      for (raft::Message& reply : std::exchange(answers_, {})) {
        core_->Step(std::move(reply));
      }
    }
  }
  void Answer(const raft::Message& message) {
    decltype(raft::Message::body) body;
    if (const auto* append = std::get_if<raft::AppendEntries>(&message.body)) {
      const Index last = append->entries.empty() ? append->prev_index
                                                 : append->entries.back().index;
      body = raft::AppendEntriesReply{.accepted = true, .index = last};
    } else if (std::holds_alternative<raft::Heartbeat>(message.body)) {
      body = raft::HeartbeatReply{};
    } else {
      return;
    }
    answers_.push_back(
        {message.to, ReplicaId{1}, core_->term(), std::move(body)});
  }
  void GrowLog() {
    while (core_->last_index().value() <= kInitialReplicasMax) {
      ASSERT_TRUE(
          core_->Propose({{.payload = std::make_shared<std::string>("x")}})
              .ok());
      Handle();
    }
  }
  void Begin(MemberChange change) {
    changes_.Begin(*core_, std::move(change),
                   [this](absl::StatusOr<raft::Configuration> result) {
                     result_ = std::move(result);
                   });
    Handle();
  }
  void Tick() {
    core_->Tick(0);
    Handle();
    changes_.Tick(*core_);
    Handle();
  }
  static MemberChange AddFour() {
    return {.kind = MemberChange::Kind::kAdd,
            .member = {.node = NodeId{4},
                       .incarnation = 7,
                       .peer_address = "peer:4",
                       .api_address = "api:4"}};
  }

  std::unique_ptr<raft::Raft> core_;
  MemberChanges changes_{
      ReplicaId{1},
      {.reachable_ticks = 10, .round_ticks = 10, .silent_ticks = 20}};
  std::set<uint64_t> silent_;
  std::vector<raft::Message> answers_;
  std::optional<absl::StatusOr<raft::Configuration>> result_;
};

TEST_F(MemberChangesTest, AddsALearnerAndPromotesItWhenItHasCaughtUp) {
  GrowLog();
  const Index before = core_->last_index();
  Begin(AddFour());
  EXPECT_EQ(core_->configuration().learners,
            std::vector<ReplicaId>{ReplicaId{before.value() + 1}});
  EXPECT_FALSE(result_.has_value());
  for (int i = 0; i < 3; ++i) Tick();
  ASSERT_TRUE(result_.has_value());
  ASSERT_TRUE(result_->ok()) << result_->status();
  EXPECT_EQ((*result_)->voters.size(), 4u);
  EXPECT_EQ(**result_, core_->configuration());
}

TEST_F(MemberChangesTest, AsksForALongerLogBeforeItGivesOutAnId) {
  Begin(AddFour());
  EXPECT_TRUE(changes_.log_must_grow());
  EXPECT_TRUE(core_->configuration().learners.empty());
  GrowLog();
  Tick();
  EXPECT_FALSE(changes_.log_must_grow());
  EXPECT_EQ(core_->configuration().members.size(), 4u);
}

TEST_F(MemberChangesTest, DoesNotWaitForEverForOneThatIsSilent) {
  GrowLog();
  silent_ = {core_->last_index().value() + 1};
  Begin(AddFour());
  for (int i = 0; i < 20; ++i) Tick();
  EXPECT_FALSE(result_.has_value());
  Tick();
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded(result_->status()));
  // Asked again, it goes on where it was, and waits as long again.
  silent_ = {};
  result_.reset();
  Begin(AddFour());
  for (int i = 0; i < 3; ++i) Tick();
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(result_->ok()) << result_->status();
}

TEST_F(MemberChangesTest, OneChangeAtATime) {
  GrowLog();
  silent_ = {core_->last_index().value() + 1};
  Begin(AddFour());
  Begin({.kind = MemberChange::Kind::kRemove, .node = NodeId{3}});
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(result_->status()));
  EXPECT_TRUE(absl::StrContains(result_->status().message(), "add node 4"));
  // The same one again only waits for its end.
  result_.reset();
  Begin(AddFour());
  EXPECT_FALSE(result_.has_value());
}

// A learner that answers and never catches up is waited for without an end.
TEST_F(MemberChangesTest, WhatOnlyWaitsForANodeIsUndoneByAChangeOfThatNode) {
  GrowLog();
  silent_ = {core_->last_index().value() + 1};
  Begin(AddFour());
  Begin({.kind = MemberChange::Kind::kRemove, .node = NodeId{3}});
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(absl::StrContains(result_->status().message(),
                                "removing that node ends it"));
  std::optional<absl::StatusOr<raft::Configuration>> removed;
  result_.reset();
  changes_.Begin(*core_,
                 {.kind = MemberChange::Kind::kRemove, .node = NodeId{4}},
                 [&](absl::StatusOr<raft::Configuration> result) {
                   removed = std::move(result);
                 });
  Handle();
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(absl::IsAborted(result_->status())) << result_->status();
  EXPECT_TRUE(absl::StrContains(result_->status().message(), "remove node 4"));
  ASSERT_TRUE(removed.has_value());
  ASSERT_TRUE(removed->ok()) << removed->status();
  EXPECT_TRUE((*removed)->learners.empty());
}

// Two voters are down: with a fourth one there is no majority.
TEST_F(MemberChangesTest, AskedForAgainByForceItIsForced) {
  GrowLog();
  const uint64_t learner = core_->last_index().value() + 1;
  silent_ = {learner};
  Begin(AddFour());
  silent_ = {2, 3, learner};
  for (int i = 0; i < 11; ++i) Tick();
  MemberChange again = AddFour();
  again.force = true;
  Begin(again);
  EXPECT_FALSE(result_.has_value());
  silent_ = {2, 3};
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_FALSE(result_.has_value());
  EXPECT_EQ(core_->configuration().voters.size(), 4u);
}

TEST_F(MemberChangesTest, AnUpdateOfTheNodeThatIsWaitedForWaits) {
  GrowLog();
  silent_ = {core_->last_index().value() + 1};
  Begin(AddFour());
  Begin({.kind = MemberChange::Kind::kUpdate,
         .node = NodeId{4},
         .member = AddFour().member});
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(result_->status()));
}

// Who gave up asking is not known.
TEST_F(MemberChangesTest, ThoseThatWaitAreBounded) {
  GrowLog();
  silent_ = {core_->last_index().value() + 1};
  size_t ended = 0;
  for (int i = 0; i < 1000; ++i) {
    changes_.Begin(*core_, AddFour(),
                   [&](const absl::StatusOr<raft::Configuration>& result) {
                     EXPECT_TRUE(absl::IsUnavailable(result.status()));
                     ++ended;
                   });
    Handle();
  }
  EXPECT_GE(ended, 900u);
  EXPECT_LT(ended, 1000u);
  changes_.EndAll(absl::UnavailableError("the end"));
  EXPECT_EQ(ended, 1000u);
}

// P13.
TEST_F(MemberChangesTest, ALeaderThatRemovesItselfSaysThatItIsDone) {
  Begin({.kind = MemberChange::Kind::kRemove, .node = NodeId{1}});
  ASSERT_TRUE(result_.has_value());
  ASSERT_TRUE(result_->ok()) << result_->status();
  EXPECT_EQ((*result_)->voters.size(), 2u);
  EXPECT_NE(core_->role(), raft::Role::kLeader);
}

TEST_F(MemberChangesTest, WhoLosesLeadershipSendsToTheNext) {
  GrowLog();
  silent_ = {core_->last_index().value() + 1};
  Begin(AddFour());
  core_->Step({ReplicaId{2}, ReplicaId{1}, Term{9}, raft::Heartbeat{}});
  Handle();
  ASSERT_TRUE(result_.has_value());
  EXPECT_TRUE(absl::IsUnavailable(result_->status()));
  Begin(AddFour());
  EXPECT_TRUE(absl::IsUnavailable(result_->status()));
}

}  // namespace
}  // namespace partition
