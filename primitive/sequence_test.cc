#include "primitive/sequence.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace primitive {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<uint64_t> From(const Sequence& sequence, size_t position,
                           size_t max = SIZE_MAX) {
  std::vector<uint64_t> numbers;
  sequence.ScanFrom(position, [&](uint64_t number) {
    numbers.push_back(number);
    return numbers.size() < max;
  });
  return numbers;
}

TEST(SequenceTest, PositionsMoveWithInsertionsAndRemovals) {
  Sequence sequence;
  EXPECT_THAT(From(sequence, 0), IsEmpty());
  sequence.Insert(0, 20);
  sequence.Insert(0, 10);
  sequence.Insert(2, 40);
  sequence.Insert(2, 30);
  EXPECT_THAT(From(sequence, 0), ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(From(sequence, 1, 2), ElementsAre(20, 30));
  EXPECT_THAT(From(sequence, 4), IsEmpty());
  EXPECT_EQ(sequence.At(2), 30u);
  EXPECT_EQ(sequence.Erase(1), 20u);
  EXPECT_EQ(sequence.At(1), 30u);
  EXPECT_EQ(sequence.size(), 3u);
}

TEST(SequenceTest, AppendedNumbersFillTheirLeaves) {
  Sequence sequence;
  for (uint64_t i = 0; i < 64 * 64; ++i) sequence.Insert(i, i);
  EXPECT_EQ(sequence.CheckShape(), 2u) << "full nodes";
  for (uint64_t i = 0; i < 64 * 64; ++i) ASSERT_EQ(sequence.At(i), i);
}

// As a queue, a stack, or always at one place: it stays shallow.
TEST(SequenceTest, NoPatternMakesItDeep) {
  for (const int pattern : {0, 1, 2, 3}) {
    Sequence sequence;
    for (uint64_t i = 0; i < 100'000; ++i) {
      const size_t end = sequence.size();
      const size_t at[] = {0, end / 2, end > 0 ? size_t{1} : 0, end - end % 64};
      sequence.Insert(at[pattern], i);
    }
    EXPECT_LE(sequence.CheckShape(), 4u) << pattern;
    while (sequence.size() > 100) sequence.Erase(pattern == 1 ? 99 : 0);
    EXPECT_LE(sequence.CheckShape(), 2u) << pattern;
  }
}

TEST(SequenceTest, AnEmptiedOneBeginsAnew) {
  Sequence sequence;
  for (uint64_t i = 0; i < 1000; ++i) sequence.Insert(i, i);
  sequence.Clear();
  EXPECT_EQ(sequence.size(), 0u);
  EXPECT_THAT(From(sequence, 0), IsEmpty());
  for (uint64_t i = 0; i < 1000; ++i) sequence.Insert(0, i);
  EXPECT_EQ(sequence.At(0), 999u);
  while (!sequence.empty()) sequence.Erase(0);
  EXPECT_EQ(sequence.CheckShape(), 0u);
}

TEST(SequenceTest, AMovedOneLeavesAnEmptyOne) {
  Sequence sequence;
  for (uint64_t i = 0; i < 1000; ++i) sequence.Insert(i, i);
  Sequence other = std::exchange(sequence, Sequence());
  EXPECT_TRUE(sequence.empty());
  EXPECT_EQ(other.size(), 1000u);
  Sequence third(std::move(other));
  EXPECT_EQ(other.size(), 0u);  // NOLINT: it says so.
  EXPECT_EQ(other.CheckShape(), 0u);
  EXPECT_EQ(third.At(500), 500u);
}

// Grows, shrinks, and is emptied now and then.
TEST(SequenceTest, IsAsAVector) {
  base::Random random(31);
  Sequence sequence;
  std::vector<uint64_t> model;
  bool grows = true;
  for (uint64_t i = 0; i < 60'000; ++i) {
    if (random.OneIn(5000)) grows = !grows;
    if (random.OneIn(20'000)) {
      sequence.Clear();
      model.clear();
    }
    if (model.empty() || random.Below(10) < (grows ? 7u : 3u)) {
      const size_t position =
          random.OneIn(4) ? model.size() : random.Below(model.size() + 1);
      sequence.Insert(position, i);
      model.insert(model.begin() + position, i);
    } else {
      const size_t position = random.Below(model.size());
      ASSERT_EQ(sequence.Erase(position), model[position]);
      model.erase(model.begin() + position);
    }
    ASSERT_EQ(sequence.size(), model.size());
    if (!model.empty()) {
      const size_t position = random.Below(model.size());
      ASSERT_EQ(sequence.At(position), model[position]);
    }
    if (i % 500 == 0) {
      sequence.CheckShape();
      ASSERT_EQ(From(sequence, 0), model);
      const size_t half = model.size() / 2;
      ASSERT_EQ(From(sequence, half),
                std::vector<uint64_t>(model.begin() + half, model.end()));
    }
  }
}

}  // namespace
}  // namespace primitive
