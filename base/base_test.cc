#include <algorithm>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/random.h"
#include "gtest/gtest.h"

namespace base {
namespace {

TEST(CodingTest, NumbersAreBigEndianAndReadBack) {
  std::string bytes;
  AppendU8(bytes, 0x01);
  AppendU16(bytes, 0x0203);
  AppendU32(bytes, 0x04050607);
  AppendU64(bytes, 0x08090a0b0c0d0e0f);
  EXPECT_EQ(bytes,
            "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f");
  Reader reader(bytes);
  EXPECT_EQ(reader.U8(), 0x01);
  EXPECT_EQ(reader.U16(), 0x0203);
  EXPECT_EQ(reader.U32(), 0x04050607u);
  EXPECT_EQ(reader.U64(), 0x08090a0b0c0d0e0fu);
  EXPECT_TRUE(reader.done());
}

TEST(CodingTest, ReadingBeyondTheEndFailsForGood) {
  Reader reader(absl::string_view("\x01\x02\x03", 3));
  EXPECT_EQ(reader.U32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0u);
  EXPECT_FALSE(reader.done());
}

TEST(CodingTest, OrderedStringsSortAsTheirBytesAndReadBack) {
  using std::string_literals::operator""s;
  std::vector<std::string> keys = {"",     "\0"s,   "\0\0"s, "\0a"s, "a",
                                   "a\0"s, "a\0b"s, "aa",    "b",    "\xff"};
  std::vector<std::string> encoded;
  for (const std::string& key : keys) {
    std::string out;
    AppendOrdered(out, key);
    out += "tail";
    encoded.push_back(out);
    Reader reader(out);
    EXPECT_EQ(reader.Ordered(), key);
    EXPECT_EQ(reader.rest(), "tail");
  }
  EXPECT_TRUE(std::is_sorted(encoded.begin(), encoded.end()));
}

TEST(CodingTest, AnUnterminatedOrderedStringFails) {
  for (absl::string_view bad :
       {absl::string_view("abc"), absl::string_view("a\0", 2),
        absl::string_view("a\0\x02", 3)}) {
    Reader reader(bad);
    reader.Ordered();
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Crc32cTest, MatchesThePublishedVectors) {
  // RFC 3720, appendix B.4.
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(ExtendCrc32c(Crc32c("1234"), "56789"), Crc32c("123456789"));
}

TEST(HashTest, IsTheSameOnEveryMachine) {
  // XXH3_64bits("") and of "a", from the algorithm's public test vectors.
  EXPECT_EQ(Hash64(""), 0x2d06800538d394c2u);
  EXPECT_NE(Hash64("a"), Hash64("a", 1));
}

TEST(RandomTest, SameSeedGivesSameNumbers) {
  // SplitMix64 with seed 0: the first value of its reference implementation.
  EXPECT_EQ(Random(0).Next(), 0xe220a8397b1dcdafu);
  Random a(7), b(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next(), b.Next());
}

TEST(RandomTest, BetweenCoversItsRangeAndNothingElse) {
  Random random(1);
  std::vector<int> seen(3);
  for (int i = 0; i < 300; ++i) ++seen[random.Between(5, 7) - 5];
  for (int count : seen) EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace base
