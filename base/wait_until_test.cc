#include "base/wait_until.h"

#include "gtest/gtest.h"

namespace base {
namespace {

TEST(WaitUntilTest, LooksUntilItHolds) {
  int looks = 0;
  EXPECT_TRUE(WaitUntil([&] { return ++looks == 3; }, {.look_every_ns = 1}));
  EXPECT_EQ(looks, 3);
}

TEST(WaitUntilTest, LooksOnceWithoutPatience) {
  EXPECT_TRUE(WaitUntil([] { return true; }, {.timeout_ns = 0}));
  EXPECT_FALSE(WaitUntil([] { return false; }, {.timeout_ns = 0}));
}

}  // namespace
}  // namespace base
