#include "partition/write_pacer.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace partition {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kTick = kSecond / 10;
constexpr uint64_t kBound = 600'000;
constexpr uint64_t kIdle = 60 * kSecond;  // So the least is 10,000 a second.

class WritePacerTest : public ::testing::Test {
 protected:
  WritePacerTest() { pacer_.Tick(0, 0, now_ns_); }

  // Writers that want all they can get, for a second in which an image sends so
  // much. What they got.
  uint64_t Second(uint64_t behind, uint64_t image_bytes, uint64_t command) {
    uint64_t admitted = 0;
    for (int tick = 0; tick < 10; ++tick) {
      now_ns_ += kTick;
      sent_bytes_ += image_bytes / 10;
      pacer_.Tick(behind, sent_bytes_, now_ns_);
      for (int i = 0; i < 10'000 && pacer_.Admit(command); ++i) {
        admitted += command;
      }
    }
    return admitted;
  }

  WritePacer pacer_{kBound, kIdle};
  uint64_t now_ns_ = kSecond;
  uint64_t sent_bytes_ = 0;
};

TEST_F(WritePacerTest, UpToTheBoundNobodyIsSlowed) {
  EXPECT_TRUE(pacer_.Admit(1 << 30));
  EXPECT_EQ(Second(0, 0, 100), 10'000'000u);
  EXPECT_EQ(Second(kBound, 0, 100), 10'000'000u);
  EXPECT_FALSE(pacer_.slows());
}

TEST_F(WritePacerTest, BeyondItWritersGetHalfOfWhatTheImageDoes) {
  for (int i = 0; i < 20; ++i) Second(kBound + 1, 1'000'000, 100);
  EXPECT_TRUE(pacer_.slows());
  EXPECT_NEAR(static_cast<double>(Second(kBound + 1, 1'000'000, 100)), 500'000,
              10'000);
}

// U18: a transfer that stands still is given up before the log is full.
TEST_F(WritePacerTest, WritersAreNeverStopped) {
  uint64_t written = 0;
  for (uint64_t ns = 0; ns < kIdle; ns += kSecond) {
    const uint64_t now = Second(kBound + written + 1, 0, 100);
    EXPECT_GE(now, 10'000u);
    written += now;
  }
  EXPECT_FALSE(pacer_.IsTooMuch(kBound + written * 9 / 10));
}

TEST_F(WritePacerTest, ACommandLargerThanTheBudgetPasses) {
  EXPECT_GE(Second(kBound + 1, 0, 1 << 20), uint64_t{1 << 20});
}

TEST_F(WritePacerTest, AtTwiceTheBoundTheTransferShouldEnd) {
  EXPECT_FALSE(pacer_.IsTooMuch(2 * kBound));
  EXPECT_TRUE(pacer_.IsTooMuch(2 * kBound + 1));
}

}  // namespace
}  // namespace partition
