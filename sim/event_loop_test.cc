#include "sim/event_loop.h"

#include <vector>

#include "gtest/gtest.h"
#include "sim/sim_clock.h"
#include "sim/sim_executor.h"

namespace sim {
namespace {

TEST(EventLoopTest, RunsInTheOrderOfTimeThenOfAddition) {
  EventLoop loop;
  std::vector<int> ran;
  loop.After(20, [&] { ran.push_back(3); });
  loop.After(10, [&] { ran.push_back(1); });
  loop.After(10, [&] { ran.push_back(2); });
  while (loop.RunOne()) {
  }
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(loop.now_ns(), 20u);
}

TEST(EventLoopTest, RunUntilEndsAtItsTime) {
  EventLoop loop;
  int ran = 0;
  loop.After(10, [&] { ++ran; });
  loop.After(30, [&] { ++ran; });
  loop.RunUntil(20);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(loop.now_ns(), 20u);
}

TEST(EventLoopTest, TraceTellsRunsApart) {
  EventLoop one, same, other;
  one.Trace("a", 1);
  same.Trace("a", 1);
  other.Trace("a", 2);
  EXPECT_EQ(one.trace_hash(), same.trace_hash());
  EXPECT_NE(one.trace_hash(), other.trace_hash());
}

TEST(SimClockTest, RunsAtItsRate) {
  EventLoop loop;
  SimClock fast(loop, 1'100'000);
  loop.RunUntil(1'000'000);
  EXPECT_EQ(fast.MonotonicNanos(), 1'100'000);
  EXPECT_EQ(fast.ToVirtual(1'100'000), 1'000'000u);
}

TEST(SimClockTest, StandsStillWhileSuspended) {
  EventLoop loop;
  SimClock clock(loop, SimClock::kTrueRatePpm);
  loop.RunUntil(100);
  clock.Suspend(50);
  loop.RunUntil(140);
  EXPECT_EQ(clock.MonotonicNanos(), 100);
  loop.RunUntil(160);
  EXPECT_EQ(clock.MonotonicNanos(), 110);
}

TEST(SimClockTest, WallClockJumpsAlone) {
  EventLoop loop;
  SimClock clock(loop, SimClock::kTrueRatePpm);
  clock.JumpWall(-500);
  EXPECT_EQ(clock.WallNanos(), -500);
  EXPECT_EQ(clock.MonotonicNanos(), 0);
}

class SimExecutorTest : public testing::Test {
 protected:
  EventLoop loop_;
  SimClock clock_{loop_, SimClock::kTrueRatePpm};
  SimExecutor executor_{loop_, clock_, 1, 10};
  std::vector<int> ran_;
};

TEST_F(SimExecutorTest, RunsTasksInTheOrderTheyWerePosted) {
  for (int i = 0; i < 20; ++i) executor_.Post([this, i] { ran_.push_back(i); });
  EXPECT_TRUE(ran_.empty());  // Never inline.
  while (loop_.RunOne()) {
  }
  ASSERT_EQ(ran_.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ran_[i], i);
}

TEST_F(SimExecutorTest, RunsTimersWhenTheyAreDue) {
  executor_.PostAfter(1000, [this] { ran_.push_back(1); });
  loop_.RunUntil(999);
  EXPECT_TRUE(ran_.empty());
  loop_.RunUntil(1010);
  EXPECT_EQ(ran_.size(), 1u);
}

TEST_F(SimExecutorTest, RunsNothingWhilePaused) {
  executor_.Post([this] { ran_.push_back(1); });
  executor_.Pause(500);
  loop_.RunUntil(499);
  EXPECT_TRUE(ran_.empty());
  loop_.RunUntil(600);
  EXPECT_EQ(ran_.size(), 1u);
}

TEST_F(SimExecutorTest, TasksVanishAtACrash) {
  auto held = std::make_shared<int>(1);
  executor_.Post([this, held] { ran_.push_back(1); });
  executor_.PostAfter(100, [this, held] { ran_.push_back(2); });
  executor_.Stop();
  EXPECT_EQ(held.use_count(), 1);  // Destroyed at once.
  executor_.Post([this] { ran_.push_back(3); });
  while (loop_.RunOne()) {
  }
  EXPECT_TRUE(ran_.empty());
}

}  // namespace
}  // namespace sim
