#include "partition/versions.h"

#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "gtest/gtest.h"

namespace partition {
namespace {

using raft::ReplicaId;
using raft::Term;

constexpr uint32_t kAskTicks = 3;
constexpr uint32_t kSettleRounds = 2;

raft::Configuration Members(uint64_t voters, uint64_t learners) {
  raft::Configuration configuration;
  for (uint64_t i = 1; i <= voters + learners; ++i) {
    configuration.members.push_back({.replica = ReplicaId{i}});
    if (i <= voters) {
      configuration.voters.push_back(ReplicaId{i});
    } else {
      configuration.learners.push_back(ReplicaId{i});
    }
  }
  return configuration;
}

// Replica 1 leads; the others answer as they are told to.
class VersionsTest : public ::testing::Test {
 protected:
  // A round: who is asked answers with its version. What is proposed at its
  // end.
  std::optional<uint32_t> Round(Term term = Term{5}) {
    std::optional<uint32_t> proposed;
    for (uint32_t tick = 0; tick < kAskTicks; ++tick) {
      std::vector<Note> out;
      const auto now = versions_->Tick(term, configuration_, present_, out);
      if (now.has_value()) proposed = now;
      for (const Note& note : out) {
        ++asked_;
        const auto& asked = std::get<VersionAsked>(note.body);
        EXPECT_EQ(asked.term, term);
        const auto known = known_.find(note.to.value());
        if (known == known_.end()) continue;  // It is down.
        versions_->Handle(
            note.to, Versions(note.to, known->second, kAskTicks, kSettleRounds)
                         .Answer(asked));
      }
    }
    return proposed;
  }
  std::optional<uint32_t> Rounds(int count, Term term = Term{5}) {
    std::optional<uint32_t> proposed;
    for (int i = 0; i < count; ++i) {
      if (const auto now = Round(term); now.has_value()) proposed = now;
    }
    return proposed;
  }

  raft::Configuration configuration_ = Members(3, 1);
  std::map<uint64_t, uint32_t> known_ = {{2, 2}, {3, 2}, {4, 2}};
  uint32_t present_ = 1;
  int asked_ = 0;
  std::optional<Versions> versions_{std::in_place, ReplicaId{1}, 2, kAskTicks,
                                    kSettleRounds};
};

TEST_F(VersionsTest, IsProposedWhenAllKnowItAndHaveForAWhile) {  // U39
  EXPECT_EQ(Round(), std::nullopt);
  EXPECT_EQ(Round(), std::nullopt);
  EXPECT_EQ(Round(), 2u);
}

TEST_F(VersionsTest, OneThatIsOlderOrDownHoldsItBack) {
  known_[3] = 1;
  EXPECT_EQ(Rounds(10), std::nullopt);
  known_.erase(3);
  EXPECT_EQ(Rounds(10), std::nullopt);
  known_[3] = 2;
  EXPECT_EQ(Rounds(3), 2u);
}

TEST_F(VersionsTest, ALearnerCounts) {
  known_[4] = 1;
  EXPECT_EQ(Rounds(10), std::nullopt);
}

TEST_F(VersionsTest, WhoGoesBackToAnOlderVersionBeginsItAnew) {
  EXPECT_EQ(Round(), std::nullopt);
  known_[3] = 1;
  EXPECT_EQ(Rounds(10), std::nullopt);
  known_[3] = 2;
  EXPECT_EQ(Rounds(2), std::nullopt);
  EXPECT_EQ(Round(), 2u);
}

TEST_F(VersionsTest, OfTwoAnswersTheLowerOneCounts) {
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(Round(), std::nullopt);
    versions_->Handle(ReplicaId{2},
                      {.term = Term{5}, .machine_version_max = 1});
    versions_->Handle(ReplicaId{2},
                      {.term = Term{5}, .machine_version_max = 2});
  }
}

TEST_F(VersionsTest, WhatWasSaidInAnotherTermDoesNotCount) {
  EXPECT_EQ(Rounds(2), std::nullopt);
  known_.clear();
  // To the leader of term 5, which arrives late.
  EXPECT_EQ(Round(Term{6}), std::nullopt);
  for (uint64_t i = 2; i <= 4; ++i) {
    versions_->Handle(ReplicaId{i},
                      {.term = Term{5}, .machine_version_max = 2});
  }
  EXPECT_EQ(Rounds(5, Term{6}), std::nullopt);
  // Nor what was heard before leadership was lost and found.
  known_ = {{2, 2}, {3, 2}, {4, 2}};
  EXPECT_EQ(Rounds(2, Term{6}), std::nullopt);
  versions_->NotLeading();
  EXPECT_EQ(Rounds(2, Term{7}), std::nullopt);
  EXPECT_EQ(Round(Term{7}), 2u);
}

TEST_F(VersionsTest, TheHighestThatAllKnow) {
  versions_.emplace(ReplicaId{1}, 9, kAskTicks, kSettleRounds);
  known_ = {{2, 7}, {3, 8}, {4, 9}};
  EXPECT_EQ(Rounds(3), 7u);
}

TEST_F(VersionsTest, NobodyIsAskedAtTheVersionThatIsKnown) {
  present_ = 2;
  EXPECT_EQ(Rounds(10), std::nullopt);
  EXPECT_EQ(asked_, 0);
}

TEST_F(VersionsTest, WhoIsAloneNeedsNobody) {
  configuration_ = Members(1, 0);
  EXPECT_EQ(Rounds(3), 2u);
}

}  // namespace
}  // namespace partition
