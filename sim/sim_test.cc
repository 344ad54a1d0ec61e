// The seeds of the test run. `bazel run //sim -- --seeds=N` runs more.

#include "gtest/gtest.h"
#include "sim/report.h"
#include "sim/world.h"

namespace sim {
namespace {

constexpr uint64_t kBlocks = 50;
constexpr uint64_t kSeedsOfABlock = 10;

class SeedsTest : public testing::TestWithParam<uint64_t> {};

// Safe while everything goes wrong, convergent when it ends.
TEST_P(SeedsTest, NothingPromisedIsBroken) {
  const uint64_t first = 1 + GetParam() * kSeedsOfABlock;
  for (uint64_t seed = first; seed < first + kSeedsOfABlock; ++seed) {
    AnnounceSeed(seed);
    const RunResult result = RunSeed(seed);
    EXPECT_TRUE(result.failures.empty()) << Report(seed, result);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SeedsTest, testing::Range(uint64_t{0}, kBlocks));

TEST(SimTest, TheSameSeedIsTheSameRun) {
  for (uint64_t seed : {3, 7, 31}) {
    AnnounceSeed(seed);
    const RunResult first = RunSeed(seed);
    const RunResult second = RunSeed(seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
  EXPECT_NE(RunSeed(3).trace_hash, RunSeed(7).trace_hash);
}

// A run in which nothing happens proves nothing.
TEST(SimTest, RunsMeetWhatTheyAreFor) {
  RunResult sum;
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    const RunResult result = RunSeed(seed);
    sum.terms += result.terms;
    sum.calls += result.calls;
    sum.images += result.images;
    sum.trims += result.trims;
    sum.installs += result.installs;
    sum.reshaped += result.reshaped;
    sum.created += result.created;
    sum.dropped += result.dropped;
    sum.crashes += result.crashes;
    sum.audits += result.audits;
    sum.changes += result.changes;
  }
  EXPECT_GT(sum.terms, 150u);
  EXPECT_GT(sum.calls, 24000u);
  EXPECT_GT(sum.images, 600u);
  EXPECT_GT(sum.trims, 150u);
  EXPECT_GT(sum.installs, 20u);
  EXPECT_GT(sum.reshaped, 50u);
  EXPECT_GT(sum.created, 50u);
  EXPECT_GT(sum.dropped, 30u);
  EXPECT_GT(sum.crashes, 240u);
  EXPECT_GT(sum.audits, 1200u);
  EXPECT_GT(sum.changes, 6000u);
}

TEST(ReportTest, AFailureTellsItsSeedAndTheCommandThatReplaysIt) {
  const std::string text = Report(42, {.failures = {"at 1 s: it broke"}});
  EXPECT_NE(text.find("seed 42 FAILED"), std::string::npos);
  EXPECT_NE(text.find("bazel run //sim -- --seed=42"), std::string::npos);
  EXPECT_NE(text.find("it broke"), std::string::npos);
}

}  // namespace
}  // namespace sim
