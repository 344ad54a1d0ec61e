#include "tests/chaos/register_history.h"

#include "gtest/gtest.h"

namespace tests {
namespace {

TEST(RegisterHistoryTest, AGetSeesTheLastPut) {
  RegisterHistory history;
  history.Add("r", {.is_put = true, .value = "a", .when = {1, 2}});
  history.Add("r", {.seen = "a", .when = {3, 4}});
  EXPECT_TRUE(history.Check().empty());
  EXPECT_EQ(history.size(), 2u);
}

TEST(RegisterHistoryTest, AStaleGetIsFound) {
  RegisterHistory history;
  history.Add("r", {.is_put = true, .value = "a", .when = {1, 2}});
  history.Add("r", {.is_put = true, .value = "b", .seen = "a", .when = {3, 4}});
  history.Add("r", {.seen = "a", .when = {5, 6}});
  EXPECT_EQ(history.Check().size(), 1u);
}

TEST(RegisterHistoryTest, APutThatWasAppliedTwiceIsFound) {
  RegisterHistory history;
  history.Add("r", {.is_put = true, .value = "a", .when = {1, 2}});
  history.Add("r", {.is_put = true, .value = "b", .seen = "a", .when = {3, 4}});
  // "a" came back by itself.
  history.Add("r", {.is_put = true, .value = "c", .seen = "a", .when = {5, 6}});
  EXPECT_EQ(history.Check().size(), 1u);
}

TEST(RegisterHistoryTest, APutThatNeverReturnedMayShowOrNot) {
  RegisterHistory history;
  history.Add("r", {.is_put = true, .value = "a", .when = {1}});
  history.Add("r", {.seen = "", .when = {2, 3}});
  history.Add("r", {.seen = "a", .when = {4, 5}});
  EXPECT_TRUE(history.Check().empty());
  history.Add("r", {.seen = "", .when = {6, 7}});
  EXPECT_EQ(history.Check().size(), 1u);
}

TEST(RegisterHistoryTest, RegistersAreJudgedByThemselves) {
  RegisterHistory history;
  history.Add("r", {.is_put = true, .value = "a", .when = {1, 2}});
  history.Add("s", {.seen = "a", .when = {3, 4}});
  EXPECT_EQ(history.Check().size(), 1u);
}

}  // namespace
}  // namespace tests
