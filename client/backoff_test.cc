#include "client/backoff.h"

#include <algorithm>
#include <cstdint>

#include "gtest/gtest.h"

namespace client {
namespace {

TEST(BackoffTest, WaitsDoubleUpToALimitGiveOrTakeAHalf) {
  Backoff backoff(7);
  int64_t middle_ns = Backoff::kFirstNs;
  for (int i = 0; i < 20; ++i) {
    const int64_t wait_ns = backoff.NextNanos(0);
    EXPECT_GE(wait_ns, middle_ns / 2);
    EXPECT_LE(wait_ns, middle_ns + middle_ns / 2);
    middle_ns = std::min(2 * middle_ns, Backoff::kMaxNs);
  }
  backoff.Reset();
  EXPECT_LE(backoff.NextNanos(0), Backoff::kFirstNs * 3 / 2);
}

TEST(BackoffTest, TheServerMayAskForMore) {
  Backoff backoff(7);
  EXPECT_EQ(backoff.NextNanos(9'000'000'000), 9'000'000'000);
}

TEST(BackoffTest, ClientsThatFailTogetherDoNotComeBackTogether) {
  EXPECT_NE(Backoff(1).NextNanos(0), Backoff(2).NextNanos(0));
}

}  // namespace
}  // namespace client
