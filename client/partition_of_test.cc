#include "client/partition_of.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace client {
namespace {

// From the page of the hash's authors.
TEST(PartitionOfTest, HashesAsPublished) {
  const std::vector<std::pair<std::string, uint32_t>> vectors = {
      {"", 0x811c9dc5},       {"a", 0xe40c292c},
      {"b", 0xe70c2de5},      {"foo", 0xa9f37ed7},
      {"foobar", 0xbf9cf968}, {"chongo was here!\n", 0xd49930d5},
  };
  for (const auto& [text, hash] : vectors) {
    EXPECT_EQ(Fnv1a32(text), hash) << text;
  }
}

TEST(PartitionOfTest, BytesAreUnsigned) {
  EXPECT_EQ(Fnv1a32("\xff"), (2166136261u ^ 0xffu) * 16777619u);
}

TEST(PartitionOfTest, IsTheHashModuloThePartitions) {
  EXPECT_EQ(PartitionIndexOf("foobar", 1), 0u);
  EXPECT_EQ(PartitionIndexOf("foobar", 3), 0xbf9cf968u % 3);
  EXPECT_EQ(PartitionIndexOf("", 16), 5u);
}

}  // namespace
}  // namespace client
