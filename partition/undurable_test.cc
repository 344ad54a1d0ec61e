#include "partition/undurable.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace partition {
namespace {

using raft::Index;

constexpr uint64_t kEntry = 1000;  // What one costs here.

// Entries from `first` to `last`.
std::vector<raft::Entry> Entries(uint64_t first, uint64_t last) {
  const auto payload = std::make_shared<const std::string>(
      std::string(kEntry - sizeof(raft::Entry), 'x'));
  std::vector<raft::Entry> entries;
  for (uint64_t i = first; i <= last; ++i) {
    entries.push_back({.index = Index{i}, .payload = payload});
  }
  return entries;
}

TEST(UndurableTest, WhatIsOnTheDiskFirstDoesNotCount) {
  Undurable undurable(10 * kEntry, nullptr);
  undurable.Committed(Entries(1, 20), Index{20});
  EXPECT_EQ(undurable.bytes(), 0u);
  undurable.Committed(Entries(21, 23), Index{22});
  EXPECT_EQ(undurable.bytes(), kEntry);
  undurable.Committed({}, Index{22});
  undurable.Durable(Index{23});
  EXPECT_EQ(undurable.bytes(), 0u);
}

TEST(UndurableTest, FullAtTheBoundAndUntilHalf) {
  Undurable undurable(10 * kEntry, nullptr);
  for (uint64_t i = 1; i <= 9; ++i) undurable.Committed(Entries(i, i), Index{});
  EXPECT_FALSE(undurable.is_full());
  undurable.Committed(Entries(10, 12), Index{});
  EXPECT_TRUE(undurable.is_full());
  undurable.Durable(Index{6});
  EXPECT_EQ(undurable.bytes(), 6 * kEntry);
  EXPECT_TRUE(undurable.is_full());
  undurable.Durable(Index{7});
  EXPECT_FALSE(undurable.is_full());
  undurable.Durable(Index{11});
  EXPECT_EQ(undurable.bytes(), 3 * kEntry) << "it counts until its last";
  undurable.Committed(Entries(13, 18), Index{11});
  EXPECT_FALSE(undurable.is_full());
}

TEST(UndurableTest, TheNodeIsFullForAllItsPartitions) {
  const auto node = std::make_shared<NodeUndurable>(10 * kEntry);
  Undurable idle(100 * kEntry, node);
  auto first = std::make_unique<Undurable>(100 * kEntry, node);
  Undurable second(100 * kEntry, node);
  first->Committed(Entries(1, 5), Index{});
  EXPECT_FALSE(idle.is_full());
  second.Committed(Entries(1, 5), Index{});
  EXPECT_TRUE(idle.is_full());
  EXPECT_EQ(node->bytes(), 10 * kEntry);
  // One that ends takes its share along.
  first = nullptr;
  EXPECT_FALSE(idle.is_full());
  EXPECT_EQ(node->bytes(), 5 * kEntry);
  second.Clear();
  EXPECT_EQ(node->bytes(), 0u);
}

}  // namespace
}  // namespace partition
