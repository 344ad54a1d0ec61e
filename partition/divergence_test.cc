#include "partition/divergence.h"

#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace partition {
namespace {

using raft::Index;
using raft::ReplicaId;
using ::testing::HasSubstr;

constexpr uint32_t kRetryTicks = 4;

raft::Configuration Of(uint64_t voters, uint64_t learners = 0) {
  raft::Configuration configuration;
  for (uint64_t i = 1; i <= voters + learners; ++i) {
    configuration.members.push_back({.replica = ReplicaId{i}});
    (i <= voters ? configuration.voters : configuration.learners)
        .push_back(ReplicaId{i});
  }
  return configuration;
}

// Replicas that tell each other what a test says they have.
class DivergenceTest : public ::testing::Test {
 protected:
  void Start(raft::Configuration configuration) {
    configuration_ = std::move(configuration);
    for (const raft::Member& member : configuration_.members) {
      Restart(member.replica.value());
    }
  }
  void Restart(uint64_t replica) {
    replicas_[replica] =
        std::make_unique<Divergence>(ReplicaId{replica}, kRetryTicks);
  }

  // `value` is that of a counter; the rest of the state is the same.
  void Report(uint64_t replica, uint64_t index, uint64_t value) {
    std::vector<Note> out;
    replicas_.at(replica)->Add({.index = Index{index},
                                .machine_version = 1,
                                .digest = 100 + value,
                                .tables = {{.table = 2, .digest = 100},
                                           {.table = 16, .digest = value}}},
                               configuration_, out);
    Send(std::move(out));
  }
  void Send(std::vector<Note> notes) {
    for (Note& note : notes) {
      if (cut_) continue;
      std::vector<Note> out;
      replicas_.at(note.to.value())
          ->Handle(note.from, std::get<DigestReport>(note.body), configuration_,
                   out);
      ++sent_;
      Send(std::move(out));
    }
  }
  void Tick(int ticks) {
    for (; ticks > 0; --ticks) {
      for (auto& [id, replica] : replicas_) {
        std::vector<Note> out;
        replica->Tick(configuration_, out);
        Send(std::move(out));
      }
    }
  }

  // A row of the counter changes in memory.
  void Damage(uint64_t replica) {
    std::vector<Note> out;
    replicas_.at(replica)->Damaged({{.table = 16, .digest = 3}}, configuration_,
                                   out);
    Send(std::move(out));
  }

  bool IsJudged(uint64_t replica) {
    return replicas_.at(replica)->contradiction().has_value();
  }
  uint64_t Verified(uint64_t replica) {
    return replicas_.at(replica)->verified_index().value();
  }
  std::string Alarm(uint64_t replica) { return replicas_.at(replica)->Alarm(); }

  raft::Configuration configuration_;
  std::map<uint64_t, std::unique_ptr<Divergence>> replicas_;
  bool cut_ = false;
  int sent_ = 0;
};

TEST_F(DivergenceTest, WhatAMajorityHasIsVerifiedByAll) {
  Start(Of(3));
  Report(1, 10, 5);
  EXPECT_EQ(Verified(1), 0u);
  Report(2, 10, 5);
  EXPECT_EQ(Verified(1), 10u);
  EXPECT_EQ(Verified(2), 10u);
  EXPECT_EQ(Verified(3), 0u);
  Report(3, 10, 5);
  EXPECT_EQ(Verified(3), 10u);
  EXPECT_EQ(sent_, 6);
  Tick(10 * kRetryTicks);
  EXPECT_EQ(sent_, 6);
}

// What a majority had verified, too (U7, P37).
TEST_F(DivergenceTest, WhoseRowsAreDamagedLaterIsOutsideTheMajority) {
  Start(Of(3));
  for (uint64_t replica : {1, 2, 3}) Report(replica, 10, 5);
  Damage(2);
  EXPECT_TRUE(IsJudged(2));
  EXPECT_FALSE(replicas_.at(2)->IsVerified(Index{10}));
  EXPECT_THAT(replicas_.at(2)->contradiction()->what,
              HasSubstr("it differs in counter"));
  for (uint64_t replica : {1, 3}) {
    EXPECT_FALSE(IsJudged(replica));
    EXPECT_TRUE(replicas_.at(replica)->IsVerified(Index{10}));
    EXPECT_THAT(Alarm(replica), HasSubstr("replica 2"));
  }
}

TEST_F(DivergenceTest, WithTwoVotersDamagedRowsAreAnAlarm) {
  Start(Of(2));
  for (uint64_t replica : {1, 2}) Report(replica, 10, 5);
  Damage(2);
  for (uint64_t replica : {1, 2}) {
    EXPECT_FALSE(IsJudged(replica));
    EXPECT_THAT(Alarm(replica), HasSubstr("no majority"));
  }
}

TEST_F(DivergenceTest, WhoSawTheReportsOnlyAfterwardsStillHearsOfTheDamage) {
  Start(Of(3));
  for (uint64_t replica : {1, 2, 3}) Report(replica, 10, 5);
  Restart(2);
  Report(2, 10, 5);
  cut_ = true;
  Damage(2);
  cut_ = false;
  EXPECT_FALSE(IsJudged(2));
  Tick(2 * kRetryTicks);
  EXPECT_TRUE(IsJudged(2));
}

TEST_F(DivergenceTest, BeforeTheFirstReportNobodyIsToldOfDamage) {
  Start(Of(3));
  Damage(2);
  EXPECT_EQ(sent_, 0);
}

TEST_F(DivergenceTest, WhoIsOutsideTheMajorityKnowsItAndWhere) {  // U7
  for (uint64_t wrong : {1, 2, 3}) {
    Start(Of(3));
    for (uint64_t replica : {1, 2, 3}) {
      Report(replica, 10, replica == wrong ? 6 : 5);
    }
    for (uint64_t replica : {1, 2, 3}) {
      EXPECT_EQ(IsJudged(replica), replica == wrong);
      EXPECT_EQ(Verified(replica), replica == wrong ? 0u : 10u);
      EXPECT_FALSE(replicas_.at(replica)->IsVerified(Index{9}));
    }
    EXPECT_THAT(replicas_.at(wrong)->contradiction()->what,
                HasSubstr("it differs in counter"));
    EXPECT_EQ(replicas_.at(wrong)->contradiction()->index, Index{10});
    EXPECT_THAT(Alarm(wrong == 1 ? 2 : 1),
                HasSubstr("was outside of the majority"));
  }
}

TEST_F(DivergenceTest, TwoVotersThatDifferAreAnAlarmAndNobodyIsJudged) {
  Start(Of(2, 1));
  Report(1, 10, 5);
  Report(2, 10, 6);
  Report(3, 10, 6);  // A learner is no voter.
  for (uint64_t replica : {1, 2}) {
    EXPECT_FALSE(IsJudged(replica));
    EXPECT_EQ(Verified(replica), 0u);
    EXPECT_THAT(Alarm(replica), HasSubstr("no majority"));
  }
  EXPECT_FALSE(IsJudged(3));
  // It ends when they agree.
  Report(1, 20, 7);
  Report(2, 20, 7);
  EXPECT_EQ(Alarm(1), "");
  EXPECT_EQ(Alarm(2), "");
}

TEST_F(DivergenceTest, ALearnerIsJudgedByTheVoters) {
  Start(Of(2, 1));
  Report(3, 10, 6);
  Report(1, 10, 5);
  Report(2, 10, 5);
  EXPECT_TRUE(IsJudged(3));
  EXPECT_EQ(Verified(1), 10u);
}

TEST_F(DivergenceTest, WithoutTheThirdItIsAnAlarmAfterAWhile) {
  Start(Of(3));
  Report(1, 10, 5);
  Report(2, 10, 6);
  EXPECT_EQ(Alarm(1), "");
  Tick(kRetryTicks);
  EXPECT_THAT(Alarm(1), HasSubstr("no majority"));
  EXPECT_FALSE(IsJudged(1) || IsJudged(2));
  Report(3, 10, 6);
  EXPECT_TRUE(IsJudged(1));
  EXPECT_FALSE(IsJudged(2));
  EXPECT_THAT(Alarm(2), HasSubstr("replica 1 was outside"));
}

TEST_F(DivergenceTest, BothMajoritiesOfAJointConfigurationMustAgree) {
  raft::Configuration joint = Of(5);
  joint.voters = {ReplicaId{1}, ReplicaId{2}, ReplicaId{3}};
  joint.voters_outgoing = {ReplicaId{1}, ReplicaId{4}, ReplicaId{5}};
  Start(joint);
  Report(1, 10, 6);
  Report(2, 10, 5);
  Report(3, 10, 5);
  Report(4, 10, 6);
  EXPECT_FALSE(IsJudged(1));
  EXPECT_FALSE(IsJudged(2));
  Report(5, 10, 6);
  for (uint64_t replica = 1; replica <= 5; ++replica) {
    EXPECT_FALSE(IsJudged(replica)) << replica;
    EXPECT_EQ(Verified(replica), 0u) << replica;
  }
  EXPECT_THAT(Alarm(1), HasSubstr("no majority"));
}

TEST_F(DivergenceTest, LostReportsAreAskedForAgainLessAndLessOften) {
  Start(Of(3));
  cut_ = true;
  for (uint64_t replica : {1, 2, 3}) Report(replica, 10, replica == 3 ? 6 : 5);
  Tick(20 * kRetryTicks);
  EXPECT_FALSE(IsJudged(3));
  cut_ = false;
  Tick(64 * kRetryTicks);
  EXPECT_TRUE(IsJudged(3));
  EXPECT_EQ(Verified(1), 10u);
  EXPECT_EQ(Verified(2), 10u);
}

TEST_F(DivergenceTest, WhoIsRestartedIsJudgedByWhatItsDiskHas) {
  Start(Of(3));
  for (uint64_t replica : {1, 2, 3}) Report(replica, 10, replica == 3 ? 6 : 5);
  for (uint64_t replica : {1, 2}) Report(replica, 20, 7);
  Restart(3);
  Report(3, 10, 6);
  EXPECT_FALSE(IsJudged(3));
  Tick(kRetryTicks);
  EXPECT_TRUE(IsJudged(3));
}

TEST_F(DivergenceTest, OnlyTheSameCheckpointIsCompared) {
  Start(Of(3));
  Report(1, 10, 5);
  Report(2, 11, 6);
  Report(3, 12, 7);
  Tick(100);
  for (uint64_t replica : {1, 2, 3}) {
    EXPECT_FALSE(IsJudged(replica));
    EXPECT_EQ(Alarm(replica), "");
  }
}

TEST_F(DivergenceTest, WithANewStateItIsAsNew) {
  Start(Of(3));
  for (uint64_t replica : {1, 2, 3}) Report(replica, 10, replica == 3 ? 6 : 5);
  replicas_.at(3)->Forget();
  EXPECT_FALSE(IsJudged(3));
  Report(3, 10, 5);
  EXPECT_EQ(Verified(3), 10u);
  for (uint64_t replica : {1, 2, 3}) Report(replica, 20, 8);
  EXPECT_EQ(Verified(3), 20u);
  EXPECT_EQ(Alarm(1), "");
}

TEST_F(DivergenceTest, WhoIsAloneIsRight) {
  Start(Of(1));
  Report(1, 10, 5);
  EXPECT_EQ(Verified(1), 10u);
  EXPECT_EQ(sent_, 0);
}

TEST_F(DivergenceTest, WhoIsNoMemberIsNotHeard) {
  Start(Of(3));
  Report(1, 10, 5);
  Report(2, 10, 6);
  std::vector<Note> out;
  replicas_.at(1)->Handle(ReplicaId{9}, {.index = Index{10}, .digest = 106},
                          configuration_, out);
  EXPECT_FALSE(IsJudged(1));
}

}  // namespace
}  // namespace partition
