#include "session/row_key.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "session/types.h"

namespace session {
namespace {

template <class Key>
std::string Hex(const Key& key) {
  std::string bytes;
  EncodeRowKey(key, bytes);
  Key decoded{};
  EXPECT_TRUE(DecodeRowKey(bytes, decoded));
  EXPECT_TRUE(decoded == key);
  return absl::BytesToHexString(bytes);
}

// Golden: on disk.
TEST(RowKeyTest, Encodings) {
  EXPECT_EQ(Hex(uint64_t{0x0102030405060708}), "0102030405060708");
  EXPECT_EQ(Hex(uint16_t{0x0102}), "0102");
  EXPECT_EQ(Hex(SessionId(7)), "0000000000000007");
  EXPECT_EQ(Hex(Generation::kRsm), "02");
  EXPECT_EQ(Hex(std::string("a\0b", 3)), "610062");
  EXPECT_EQ(Hex(std::string()), "");
  EXPECT_EQ(Hex(std::pair(SessionId(1), std::string("a\0", 2))),
            "00000000000000016100");
  EXPECT_EQ(Hex(std::pair(std::string("a\0", 2), uint8_t{5})), "6100ff000105");
  EXPECT_EQ(Hex(std::tuple(uint8_t{1}, std::string("a"), std::string("b"))),
            "0161000162");
  EXPECT_EQ(Hex(std::pair(std::pair(uint8_t{1}, std::string("a")),
                          std::pair(uint8_t{2}, std::string("b")))),
            "016100010262");
  EXPECT_EQ(Hex(CommandKey{SessionId(1), SequenceNum(2)}),
            "00000000000000010000000000000002");
}

TEST(RowKeyTest, WhatIsNoKeyDoesNotDecode) {
  uint64_t number = 0;
  EXPECT_FALSE(DecodeRowKey(std::string(7, 'x'), number));
  EXPECT_FALSE(DecodeRowKey(std::string(9, 'x'), number));
  std::pair<std::string, uint8_t> pair;
  EXPECT_FALSE(DecodeRowKey("a", pair));                         // No end.
  EXPECT_FALSE(DecodeRowKey(std::string("a\0\1", 3), pair));     // No number.
  EXPECT_FALSE(DecodeRowKey(std::string("a\0\2\1x", 5), pair));  // No escape.
  EXPECT_FALSE(DecodeRowKey(std::string("a\0\1xy", 5), pair));   // Too long.
}

TEST(RowKeyTest, EncodingsAndPrefixesOrderAsKeysDo) {
  using Key = std::tuple<std::string, uint64_t, std::string>;
  base::Random random(1);
  const auto text = [&random] {
    std::string out;
    for (uint64_t i = random.Below(11); i > 0; --i) {
      out.push_back(static_cast<char>(random.OneIn(2) ? random.Below(3)
                                                      : 253 + random.Below(3)));
    }
    return out;
  };
  std::vector<Key> keys;
  for (int i = 0; i < 2000; ++i) {
    keys.emplace_back(text(), random.Next() >> random.Below(64), text());
  }
  std::sort(keys.begin(), keys.end());
  std::string last;
  uint64_t last_prefix = 0;
  for (const Key& key : keys) {
    std::string bytes;
    EncodeRowKey(key, bytes);
    EXPECT_LE(last, bytes);
    EXPECT_LE(last_prefix, RowKey<Key>::Prefix(key));
    last = bytes;
    last_prefix = RowKey<Key>::Prefix(key);
  }
}

}  // namespace
}  // namespace session
