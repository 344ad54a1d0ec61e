#include "partition/log_retention.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace partition {
namespace {

using raft::FollowerStatus;
using raft::Index;
using raft::ProgressState;
using raft::ReplicaId;

constexpr uint64_t kPiece = 1 << 10;

// Each entry is a piece of its own.
class LogRetentionTest : public ::testing::Test {
 protected:
  LogRetentionTest() {
    options_.log_keep_bytes = 10 * kPiece;
    options_.log_behind_bytes_max = 50 * kPiece;
    for (uint64_t i = 1; i <= 100; ++i) log_.Add(Index{i}, kPiece);
  }

  uint64_t Target(uint64_t image, const LogNeeds& needs = {}) const {
    return log_.Target(Index{image}, needs).value();
  }

  Options options_;
  LogRetention log_{options_, Index{0}, Index{1}};
};

TEST_F(LogRetentionTest, SomeIsKeptForThoseNobodyHasHeardOf) {
  EXPECT_EQ(Target(100), 91u);
  EXPECT_EQ(log_.bytes(), 100 * kPiece);
}

// P35: whatever nobody needs.
TEST_F(LogRetentionTest, NothingGoesThatIsNotInTheImage) {
  EXPECT_EQ(Target(40), 41u);
  EXPECT_EQ(Target(0), 1u);
}

// With its last entry: the next ones are sent with the position of that.
TEST_F(LogRetentionTest, WhatAMemberLacksStaysAndItsLastEntry) {
  EXPECT_EQ(Target(100, {.member = Index{70}}), 70u);
  // It is no reason to keep less than usual.
  EXPECT_EQ(Target(100, {.member = Index{91}}), 91u);
  EXPECT_EQ(Target(100, {.member = Index{99}}), 91u);
}

TEST_F(LogRetentionTest, WhatAMemberLacksStaysUpToABound) {
  EXPECT_EQ(Target(100, {.member = Index{20}}), 51u);
  EXPECT_EQ(Target(100, {.member = Index{0}}), 51u);
}

// U18: the bound does not count; proposals are slowed instead.
TEST_F(LogRetentionTest, WhatIsBehindAnImageUnderWayStaysWhateverItCosts) {
  EXPECT_EQ(Target(100, {.transfer = Index{20}}), 20u);
  EXPECT_EQ(Target(100, {.transfer = Index{20}, .member = Index{60}}), 20u);
  EXPECT_EQ(Target(100, {.transfer = Index{95}}), 91u);
}

TEST_F(LogRetentionTest, KnowsWhatIsBehindAnImage) {
  EXPECT_EQ(log_.bytes_behind(Index{0}), 100 * kPiece);
  EXPECT_EQ(log_.bytes_behind(Index{95}), 5 * kPiece);
  EXPECT_EQ(log_.bytes_behind(Index{100}), 0u);
}

TEST_F(LogRetentionTest, TrimmedLogIsNotCounted) {
  log_.Trimmed(Index{91});
  EXPECT_EQ(log_.bytes(), 10 * kPiece);
  EXPECT_EQ(log_.first_index(), Index{91});
  EXPECT_EQ(Target(100), 91u);
  EXPECT_EQ(Target(100, {.member = Index{3}}), 91u);
}

TEST_F(LogRetentionTest, AfterAnInstallThereIsNoLog) {
  log_.Reset(Index{501});
  EXPECT_EQ(log_.bytes(), 0u);
  EXPECT_EQ(Target(500), 501u);
  log_.Add(Index{501}, kPiece);
  EXPECT_EQ(Target(501), 501u);
}

TEST_F(LogRetentionTest, WhatAFormerProcessLeftGoesFirstUnlessItIsNeeded) {
  LogRetention log(options_, Index{30}, Index{11});
  for (uint64_t i = 31; i <= 35; ++i) log.Add(Index{i}, kPiece);
  EXPECT_EQ(log.Target(Index{35}, {}), Index{31});
  EXPECT_EQ(log.Target(Index{35}, {.member = Index{25}}), Index{11});
  // The position of the image's entry is the image's only as long as there is
  // no newer one.
  EXPECT_EQ(log.Target(Index{35}, {.transfer = Index{30}}), Index{11});
  EXPECT_EQ(log.Target(Index{35}, {.transfer = Index{31}}), Index{31});
}

TEST(ShareDiskTest, TheLogsOfAllPartitionsAreAFifthOfTheDisk) {
  constexpr uint64_t kGiB = 1 << 30;
  const auto shared = [](uint64_t disk_bytes, uint64_t partitions) {
    Options options;
    ShareDisk(disk_bytes, partitions, options);
    return options;
  };
  EXPECT_EQ(shared(100 * kGiB, 3).log_behind_bytes_max, kGiB);
  EXPECT_EQ(shared(100 * kGiB, 3).log_keep_bytes, uint64_t{64 << 20});
  EXPECT_EQ(shared(100 * kGiB, 40).log_behind_bytes_max, kGiB / 2);
  EXPECT_EQ(shared(100 * kGiB, 1000).log_behind_bytes_max, kGiB / 50);
  EXPECT_EQ(shared(100 * kGiB, 1000).log_keep_bytes, kGiB / 50);
  EXPECT_EQ(shared(100 * kGiB, 1000000).log_keep_bytes, kLogShareMin);
  EXPECT_EQ(shared(100 * kGiB, 0).log_behind_bytes_max, kGiB);
}

TEST(LogNeedsTest, MembersThatWereHeardFromCount) {
  const LogNeeds needs = NeedsOf(
      {{.replica = ReplicaId{2}, .match_index = Index{50}},
       {.replica = ReplicaId{3}, .match_index = Index{40}, .silent_ticks = 600},
       {.replica = ReplicaId{4},
        .match_index = Index{30},
        .silent_ticks = 601}},
      std::nullopt, 600);
  EXPECT_EQ(needs.member, Index{40});
  EXPECT_FALSE(needs.transfer.has_value());
}

TEST(LogNeedsTest, WhoGetsAnImageNeedsWhatIsBehindTheImage) {
  const LogNeeds needs = NeedsOf({{.replica = ReplicaId{2},
                                   .state = ProgressState::kSnapshot,
                                   .match_index = Index{5}}},
                                 Index{70}, 600);
  EXPECT_FALSE(needs.member.has_value());
  EXPECT_EQ(needs.transfer, Index{70});
}

}  // namespace
}  // namespace partition
