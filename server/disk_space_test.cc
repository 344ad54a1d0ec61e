#include "server/disk_space.h"

#include <deque>
#include <future>
#include <vector>

#include "gtest/gtest.h"

namespace server {
namespace {

// Looks as often as there are answers, and says what was told.
std::vector<bool> Changes(uint64_t reserve, std::deque<uint64_t> answers) {
  std::vector<bool> told;
  std::promise<void> done;
  {
    DiskSpace space(
        reserve,
        [&] {
          const uint64_t answer = answers.front();
          if (answers.size() > 1) {
            answers.pop_front();
            if (answers.size() == 1) done.set_value();
          }
          return answer;
        },
        [&](const DiskSpace::State& state) { told.push_back(state.low); });
    done.get_future().wait();
  }
  return told;
}

TEST(DiskSpaceTest, BelowTheReserveItIsLow) {
  EXPECT_EQ(Changes(80, {80, 80}), std::vector<bool>{});
  EXPECT_EQ(Changes(80, {80, 79, 79}), std::vector<bool>{true});
}

TEST(DiskSpaceTest, ItIsKnownFromTheBeginning) {
  EXPECT_EQ(Changes(80, {0, 0}), std::vector<bool>{true});
}

TEST(DiskSpaceTest, ALittleSpaceDoesNotMakeItFlap) {
  EXPECT_EQ(Changes(80, {70, 80, 89, 79, 89, 89}), std::vector<bool>{true});
  EXPECT_EQ(Changes(80, {70, 89, 90, 81, 81}),
            (std::vector<bool>{true, false}));
}

TEST(DiskSpaceTest, ADirectoryHasSpaceAndOneThatIsNotThereSaysNothing) {
  EXPECT_GT(FreeBytes("/"), 0u);
  EXPECT_EQ(FreeBytes("/no/such/directory"), UINT64_MAX);
}

}  // namespace
}  // namespace server
