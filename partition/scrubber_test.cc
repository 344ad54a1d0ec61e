#include "partition/scrubber.h"

#include <cstdint>
#include <set>

#include "gtest/gtest.h"

namespace partition {
namespace {

constexpr uint64_t kTickNs = 100'000'000;
constexpr uint64_t kHourNs = 3600 * uint64_t{1'000'000'000};
constexpr uint64_t kHourTicks = kHourNs / kTickNs;

uint64_t Slices(Scrubber& scrubber, uint64_t ticks, uint64_t rows,
                uint64_t bytes) {
  uint64_t slices = 0;
  for (uint64_t i = 0; i < ticks; ++i) {
    if (scrubber.Tick(rows, bytes)) ++slices;
  }
  return slices;
}

uint64_t SlicesInTenHours(uint64_t rows, uint64_t bytes) {
  Scrubber scrubber(kHourNs, kTickNs, /*seed=*/5);
  return Slices(scrubber, 10 * kHourTicks, rows, bytes);
}

TEST(ScrubberTest, ASmallStateIsOneSliceInAPeriod) {
  EXPECT_EQ(SlicesInTenHours(0, 0), 10u);
  EXPECT_EQ(SlicesInTenHours(256, 20'000), 10u);
}

TEST(ScrubberTest, ALargeStateIsReadInAPeriod) {
  constexpr uint64_t kRows = 1'000'000;
  EXPECT_GE(SlicesInTenHours(kRows, 0), 10 * kRows / Scrubber::kSliceRows);
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  EXPECT_GE(SlicesInTenHours(1'000, kBytes),
            10 * kBytes / Scrubber::kSliceBytes);
}

TEST(ScrubberTest, ThereIsNeverMoreThanOneSliceATick) {
  EXPECT_EQ(SlicesInTenHours(uint64_t{1} << 40, 0), 10 * kHourTicks);
  Scrubber often(/*period_ns=*/1, kTickNs, /*seed=*/5);
  EXPECT_EQ(Slices(often, 100, 0, 0), 100u);
}

// Ten thousand idle partitions of one node: never many at once.
TEST(ScrubberTest, PartitionsAreSpreadOverThePeriod) {
  std::multiset<uint64_t> first;
  for (uint64_t seed = 1; seed <= 10'000; ++seed) {
    Scrubber scrubber(kHourNs, kTickNs, seed * 7919);
    uint64_t ticks = 1;
    while (!scrubber.Tick(100, 10'000)) ++ticks;
    EXPECT_LE(ticks, kHourTicks);
    first.insert(ticks);
  }
  for (const uint64_t tick : first) EXPECT_LE(first.count(tick), 10u);
}

TEST(ScrubberTest, APeriodOfZeroIsNever) {
  Scrubber scrubber(0, kTickNs, /*seed=*/5);
  EXPECT_EQ(Slices(scrubber, 10'000, 1'000'000, 1 << 30), 0u);
}

}  // namespace
}  // namespace partition
