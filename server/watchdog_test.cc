#include "server/watchdog.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <string>

#include "gtest/gtest.h"

namespace server {
namespace {

constexpr uint64_t kTimeoutNs = 50'000'000;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

TEST(WatchdogTest, ACallThatTakesTooLongIsNoticedOnce) {
  std::atomic<int> calls = 0;
  std::promise<uint64_t> age;
  const int64_t started_ns = NowNs();
  {
    Watchdog watchdog(
        kTimeoutNs, base::SystemClock(), [&] { return started_ns; },
        [&](uint64_t age_ns) {
          ++calls;
          age.set_value(age_ns);
        });
    EXPECT_GE(age.get_future().get(), kTimeoutNs);
  }
  EXPECT_EQ(calls.load(), 1);
}

TEST(WatchdogTest, CallsThatEndAndADiskThatIsIdleAreFine) {
  std::atomic<int> looks = 0;
  std::promise<void> looked;
  Watchdog watchdog(
      kTimeoutNs, base::SystemClock(),
      [&]() -> int64_t {
        if (++looks == 4) looked.set_value();
        return looks % 2 == 0 ? 0 : NowNs();
      },
      [](uint64_t) { FAIL() << "nothing hangs"; });
  looked.get_future().wait();
}

// The clock goes on by a look's time at each look, and jumps once.
class StoppedOnce : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return now_ns_; }
  int64_t WallNanos() override { return 0; }
  void Look() { now_ns_ += ++looks_ == 3 ? 60'000'000'000 : 100'000'000; }
  int looks() const { return looks_; }

 private:
  int64_t now_ns_ = 1;
  int looks_ = 0;
};

// SIGSTOP, or a suspended machine: the disk had no chance to answer.
TEST(WatchdogTest, TheTimeInWhichTheProcessWasStoppedDoesNotCount) {
  StoppedOnce clock;
  std::promise<int> hung_at_look;
  Watchdog watchdog(
      300'000'000, clock,
      [&]() -> int64_t {
        clock.Look();
        return 1;
      },
      [&](uint64_t age_ns) {
        EXPECT_LT(age_ns, 1'000'000'000u);
        hung_at_look.set_value(clock.looks());
      });
  // It has all its time from then on, and no more.
  EXPECT_EQ(hung_at_look.get_future().get(), 6);
}

using WatchdogDeathTest = testing::Test;

TEST(WatchdogDeathTest, AHungProcessSaysWhyAndEnds) {
  EXPECT_EXIT(EndHungProcess(3'200'000'000), testing::ExitedWithCode(1),
              "has not answered for 3.2 s .--disk_hang_timeout.");
}

// A pipe that is full, and whose other end is somebody else's.
TEST(WatchdogDeathTest, AnStderrThatNobodyReadsStopsNothingAndStaysAsItIs) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  ASSERT_EQ(fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK), 0);
  const std::string page(4096, 'x');
  while (write(pipe_fds[1], page.data(), page.size()) > 0) continue;
  ASSERT_EQ(fcntl(pipe_fds[1], F_SETFL, 0), 0);
  EXPECT_EXIT(
      {
        dup2(pipe_fds[1], STDERR_FILENO);
        EndHungProcess(3'200'000'000);
      },
      testing::ExitedWithCode(1), "");
  EXPECT_EQ(fcntl(pipe_fds[1], F_GETFL) & O_NONBLOCK, 0);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

}  // namespace
}  // namespace server
