#include "server/periodic_thread.h"

#include <atomic>
#include <future>

#include "gtest/gtest.h"

namespace server {
namespace {

TEST(PeriodicThreadTest, LooksAgainAndAgain) {
  std::atomic<int> looks = 0;
  std::promise<void> enough;
  {
    PeriodicThread thread("test", 1, [&] {
      if (++looks == 3) enough.set_value();
      return true;
    });
    enough.get_future().wait();
  }
  EXPECT_GE(looks.load(), 3);
}

TEST(PeriodicThreadTest, EndsByItself) {
  std::atomic<int> looks = 0;
  std::promise<void> seen;
  {
    PeriodicThread thread("test", 0, [&] {
      ++looks;
      seen.set_value();
      return false;
    });
    seen.get_future().wait();
  }
  EXPECT_EQ(looks.load(), 1);
}

TEST(PeriodicThreadTest, StopsBeforeItsTime) {
  PeriodicThread thread("test", 1'000'000'000, [] {
    ADD_FAILURE() << "its time has not come";
    return false;
  });
}

}  // namespace
}  // namespace server
