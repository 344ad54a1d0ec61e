#include "server/quarantine.h"

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crash_note.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using base::PartitionId;
using raft::Index;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class QuarantineTest : public ::testing::Test {
 protected:
  QuarantineTest() {
    std::string name = absl::StrCat(::testing::TempDir(), "/held.XXXXXX");
    CHECK(mkdtemp(name.data()) != nullptr);
    directory_ = name;
  }
  ~QuarantineTest() override { std::filesystem::remove_all(directory_); }

  std::map<PartitionId, Index> Start(uint64_t binary = 1) {
    quarantine_ = Quarantine::Open(directory_, binary);
    return quarantine_->held();
  }
  // A process starts and dies of an entry.
  void Crash(uint32_t partition, uint64_t index, uint64_t binary = 1) {
    EXPECT_DEATH(
        {
          Start(binary);
          base::CrashScope scope(partition, index);
          std::abort();
        },
        "");
  }

  std::string directory_;
  std::unique_ptr<Quarantine> quarantine_;
};

TEST_F(QuarantineTest, TheSameEntryTwiceIsEnough) {
  EXPECT_THAT(Start(), IsEmpty());
  Crash(3, 17);
  EXPECT_THAT(Start(), IsEmpty());
  Crash(3, 17);
  EXPECT_THAT(Start(), ElementsAre(Pair(PartitionId{3}, Index{17})));
  // And stays so.
  EXPECT_THAT(Start(), ElementsAre(Pair(PartitionId{3}, Index{17})));
}

TEST_F(QuarantineTest, TwoInARowFromTheFirstStartOn) {
  Crash(3, 17);
  Crash(3, 17);
  EXPECT_THAT(Start(), ElementsAre(Pair(PartitionId{3}, Index{17})));
}

TEST_F(QuarantineTest, OtherEntriesAndPartitionsAreOtherCrashes) {
  Crash(3, 17);
  Crash(3, 18);
  Crash(4, 18);
  Crash(3, 17);
  EXPECT_THAT(Start(), IsEmpty());
  Crash(3, 17);
  EXPECT_THAT(Start(), ElementsAre(Pair(PartitionId{3}, Index{17})));
}

TEST_F(QuarantineTest, SeveralPartitionsCanBeHeld) {
  for (uint32_t partition : {3, 5}) {
    Crash(partition, 17);
    Crash(partition, 17);
  }
  EXPECT_THAT(Start(), ElementsAre(Pair(PartitionId{3}, Index{17}),
                                   Pair(PartitionId{5}, Index{17})));
}

TEST_F(QuarantineTest, ADeathFromOutsideIsNoCrash) {
  Crash(3, 17);
  EXPECT_THAT(Start(), IsEmpty());
  EXPECT_THAT(Start(), IsEmpty());
}

TEST_F(QuarantineTest, AnotherBinaryTriesAgainAndHasTwoChances) {
  Crash(3, 17);
  Crash(3, 17);
  EXPECT_THAT(Start(/*binary=*/2), IsEmpty());
  Crash(3, 17, /*binary=*/2);
  EXPECT_THAT(Start(/*binary=*/2), IsEmpty());
  Crash(3, 17, /*binary=*/2);
  EXPECT_THAT(Start(/*binary=*/2),
              ElementsAre(Pair(PartitionId{3}, Index{17})));
}

TEST_F(QuarantineTest, WhatIsReleasedHasTwoChances) {
  Crash(3, 17);
  Crash(3, 17);
  Start();
  quarantine_->Release(PartitionId{3});
  EXPECT_THAT(quarantine_->held(), IsEmpty());
  EXPECT_THAT(Start(), IsEmpty());
  Crash(3, 17);
  EXPECT_THAT(Start(), IsEmpty());
  Crash(3, 17);
  EXPECT_THAT(Start(), ElementsAre(Pair(PartitionId{3}, Index{17})));
}

}  // namespace
}  // namespace server
