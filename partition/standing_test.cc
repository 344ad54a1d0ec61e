#include "partition/standing.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "partition/disk_gate.h"
#include "partition/undurable.h"
#include "raft/types.h"

namespace partition {
namespace {

class StandingTest : public testing::Test {
 protected:
  // The answers, as the table in the header has them: lead, propose, apply,
  // read.
  std::string Answers() const {
    const auto word = [](bool may) { return may ? "yes " : "no "; };
    return std::string(word(standing_.may_lead())) +
           word(standing_.may_propose()) + word(standing_.may_apply()) +
           word(standing_.may_read());
  }

  void SetDiskLow(bool low) {
    disk_.Set(low, /*free_bytes=*/10, /*reserve_bytes=*/20);
    standing_.LookAtDisk();
  }

  void Commit(uint64_t index) {
    raft::Entry entry;
    entry.index = raft::Index{index};
    entry.payload = std::make_shared<const std::string>(4096, 'x');
    undurable_.Committed({entry}, raft::Index{0});
  }

  DiskGate disk_;
  Undurable undurable_{4096, nullptr};
  Standing standing_{base::PartitionId{7}, &disk_, undurable_};
};

TEST_F(StandingTest, NothingStandsAgainstANewOne) {
  EXPECT_EQ(Answers(), "yes yes yes yes ");
  EXPECT_EQ(standing_.problem(), "");
  EXPECT_FALSE(standing_.has_ended());
}

TEST_F(StandingTest, ALowDiskHoldsItBackUntilThereIsSpace) {
  SetDiskLow(true);
  EXPECT_EQ(Answers(), "no no yes yes ");
  EXPECT_TRUE(absl::StrContains(standing_.WhyHeldBack().status.message(),
                                "--disk_reserve"));
  SetDiskLow(false);
  EXPECT_EQ(Answers(), "yes yes yes yes ");
}

TEST_F(StandingTest, DuringATurnTheDiskIsAsItWasWhenItBegan) {
  disk_.Set(/*low=*/true, 10, 20);
  EXPECT_EQ(Answers(), "yes yes yes yes ");
  standing_.LookAtDisk();
  EXPECT_EQ(Answers(), "no no yes yes ");
}

TEST_F(StandingTest, WithoutAGateThereIsAlwaysSpace) {
  Standing standing(base::PartitionId{7}, nullptr, undurable_);
  standing.LookAtDisk();
  EXPECT_TRUE(standing.may_propose());
}

TEST_F(StandingTest, WhatItsDiskDoesNotHaveYetHoldsItBack) {
  Commit(1);
  EXPECT_EQ(Answers(), "no no yes yes ");
  EXPECT_TRUE(absl::StrContains(standing_.WhyHeldBack().status.message(),
                                "--undurable_bytes_max"));
  undurable_.Durable(raft::Index{1});
  EXPECT_EQ(Answers(), "yes yes yes yes ");
}

TEST_F(StandingTest, ARetiredOneOnlyDoesNotLead) {
  standing_.Retire();
  EXPECT_EQ(Answers(), "no yes yes yes ");
}

TEST_F(StandingTest, APausedOneDoesNothingUntilItResumes) {
  standing_.Pause(PauseReason::kDiverged, "its sums differ");
  EXPECT_EQ(Answers(), "no no no no ");
  EXPECT_EQ(standing_.problem(), "its sums differ");
  EXPECT_EQ(standing_.pause_reason(), PauseReason::kDiverged);
  const Refusal refusal = standing_.WhyNotReading(Outcome::kUnknown);
  EXPECT_TRUE(absl::StrContains(refusal.status.message(), "its sums differ"));
  EXPECT_EQ(refusal.outcome, Outcome::kUnknown);
  EXPECT_FALSE(standing_.has_ended());

  standing_.Resume();
  EXPECT_EQ(Answers(), "yes yes yes yes ");
  EXPECT_EQ(standing_.problem(), "");
  EXPECT_EQ(standing_.pause_reason(), PauseReason::kNone);
}

TEST_F(StandingTest, AStoppedOneAppliesWhatItHasAndAnswersNobody) {
  standing_.Stop();
  EXPECT_EQ(Answers(), "no no yes no ");
  EXPECT_TRUE(standing_.has_ended());
  EXPECT_FALSE(standing_.has_failed());
  EXPECT_TRUE(absl::StrContains(
      standing_.WhyNotReading(Outcome::kNotProposed).status.message(),
      "shutting down"));
}

TEST_F(StandingTest, ARemovedOneIsNotHere) {
  standing_.Remove();
  EXPECT_EQ(Answers(), "yes yes yes yes ");
  standing_.Stop();
  EXPECT_TRUE(absl::StrContains(
      standing_.WhyNotReading(Outcome::kNotProposed).status.message(),
      "not on this node"));
}

TEST_F(StandingTest, AFailureIsForGoodAndSaidFirst) {
  standing_.Pause(PauseReason::kQuarantined, "an entry ended the process");
  standing_.Fail("the disk is gone");
  EXPECT_EQ(Answers(), "no no no no ");
  standing_.Resume();
  standing_.Stop();
  EXPECT_EQ(Answers(), "no no no no ");
  EXPECT_EQ(standing_.problem(), "the disk is gone");
  EXPECT_TRUE(absl::StrContains(
      standing_.WhyNotReading(Outcome::kUnknown).status.message(),
      "the disk is gone"));
}

// One fact that passes does not undo another one.
TEST_F(StandingTest, EachFactStandsByItself) {
  SetDiskLow(true);
  Commit(1);
  standing_.Retire();
  SetDiskLow(false);
  EXPECT_EQ(Answers(), "no no yes yes ");
  undurable_.Durable(raft::Index{1});
  EXPECT_EQ(Answers(), "no yes yes yes ");
  standing_.Pause(PauseReason::kDiverged, "why");
  standing_.Resume();
  EXPECT_EQ(Answers(), "no yes yes yes ");
}

}  // namespace
}  // namespace partition
