#include "client/output_cursor.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

TEST(OutputCursorTest, PassesEachNumberOnOnceAndInOrder) {
  OutputCursor cursor;
  std::vector<uint64_t> passed;
  for (const uint64_t number : {1, 2, 4, 3, 3, 5, 4, 5}) {
    if (cursor.Accept(number) == OutputCursor::Verdict::kPassOn) {
      passed.push_back(number);
    }
  }
  EXPECT_THAT(passed, ::testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(cursor.last(), 5u);
}

TEST(OutputCursorTest, TellsAReplayFromAGap) {
  OutputCursor cursor;
  EXPECT_EQ(cursor.Accept(2), OutputCursor::Verdict::kGap);
  EXPECT_EQ(cursor.Accept(1), OutputCursor::Verdict::kPassOn);
  EXPECT_EQ(cursor.Accept(1), OutputCursor::Verdict::kSeen);
  // No output has number 0.
  EXPECT_EQ(cursor.Accept(0), OutputCursor::Verdict::kSeen);
}

}  // namespace
}  // namespace client
