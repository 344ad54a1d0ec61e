#include "base/bloom.h"

#include <cstdint>
#include <string>
#include <vector>

#include "base/murmur3.h"
#include "gtest/gtest.h"

namespace base {
namespace {

std::vector<uint64_t> UpTo(uint64_t n) {
  std::vector<uint64_t> numbers;
  for (uint64_t i = 1; i <= n; ++i) numbers.push_back(i);
  return numbers;
}

// The vectors here were made with the Go library.

TEST(BloomTest, TheFourHashesOfANumber) {
  EXPECT_EQ(HashForBloom(1),
            (BloomHashes{0x5752fae69d1653da, 0x80d26b9fc2bbad56,
                         0x6e16941fe4a6c305, 0xa8a40f915b89d8ed}));
  EXPECT_EQ(HashForBloom(2),
            (BloomHashes{0x8df0aa85e22a3a8f, 0xd69996488d54f0f3,
                         0x5a6fb9feff31a8a4, 0x208c458a3395a094}));
  EXPECT_EQ(HashForBloom(258),
            (BloomHashes{0xafab1bd4e28f9e31, 0x8b686b81f53ebee4,
                         0x6e98a1b0d62951f3, 0xfd271bd022ddd403}));
}

TEST(BloomTest, TheLocationsOfANumber) {
  const auto locations = [](uint64_t number) {
    std::vector<uint64_t> all;
    for (uint64_t i = 0; i < 5; ++i) {
      all.push_back(BloomLocation(HashForBloom(number), i));
    }
    return all;
  };
  EXPECT_EQ(locations(1),
            (std::vector<uint64_t>{6292367497774912474u, 2987710853698389571u,
                                   12149333047131112884u, 14633928017247729253u,
                                   1129641983798763502u}));
  EXPECT_EQ(locations(2),
            (std::vector<uint64_t>{10227862245760187023u, 17808881999732707719u,
                                   14918514177413053367u, 16566707032244742879u,
                                   17847644934781328671u}));
  EXPECT_EQ(locations(258),
            (std::vector<uint64_t>{12658241778802990641u, 9840232497489416935u,
                                   12247912424263075383u, 15506545065584145597u,
                                   7641942917429650941u}));
}

TEST(BloomTest, SizesAreTheDrivers) {
  const std::vector<std::pair<uint64_t, uint64_t>> sizes = {
      {1, 7},   {2, 13},  {3, 19},   {4, 25},    {5, 32},      {6, 38},
      {10, 63}, {12, 75}, {20, 125}, {100, 624}, {1000, 6236}, {10000, 62353}};
  for (const auto& [count, bits] : sizes) {
    const Bloom bloom = BuildBloom(UpTo(count));
    EXPECT_EQ(bloom.bits, bits) << count;
    EXPECT_EQ(bloom.hashes, 5u) << count;
    EXPECT_EQ(bloom.set_bits, bits) << count;
  }
}

TEST(BloomTest, TextIsTheDrivers) {
  const auto text = [](std::vector<uint64_t> numbers) {
    return BloomJson(BuildBloom(numbers));
  };
  EXPECT_EQ(text({}), R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})");
  EXPECT_EQ(text({1}), R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAFQ=="})");
  EXPECT_EQ(text({2}), R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAXA=="})");
  EXPECT_EQ(text({1, 2}), R"({"m":13,"k":5,"b":"AAAAAAAAAA0AAAAAAAAZFA=="})");
  EXPECT_EQ(text({3, 5, 9}),
            R"({"m":19,"k":5,"b":"AAAAAAAAABMAAAAAAAYAZg=="})");
  EXPECT_EQ(text(UpTo(12)),
            R"({"m":75,"k":5,"b":"AAAAAAAAAEvd28CrGRpO9QAAAAAAAAOs"})");
  EXPECT_EQ(text({300, 70000, uint64_t{1} << 40}),
            R"({"m":19,"k":5,"b":"AAAAAAAAABMAAAAAAAWSzw=="})");
}

TEST(BloomTest, HoldsWhatWasAddedAndLittleElse) {
  const Bloom bloom = BuildBloom(UpTo(1000));
  for (uint64_t number : UpTo(1000)) EXPECT_TRUE(BloomContains(bloom, number));
  int others = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    if (BloomContains(bloom, 1'000'000 + i)) ++others;
  }
  EXPECT_LT(others, 700);  // 5 % are expected.
}

TEST(Murmur3Test, NothingHashesToZero) {
  EXPECT_EQ(Murmur3(""), (Murmur3Hash{0, 0}));
}

// Of the reference implementation, across the block boundary.
TEST(Murmur3Test, KnownTexts) {
  EXPECT_EQ(Murmur3("hello"),
            (Murmur3Hash{0xcbd8a7b341bd9b02, 0x5b1e906a48ae1d19}));
  EXPECT_EQ(Murmur3("hello, world"),
            (Murmur3Hash{0x342fac623a5ebc8e, 0x4cdcbc079642414d}));
  EXPECT_EQ(Murmur3("The quick brown fox jumps over the lazy dog."),
            (Murmur3Hash{0xcd99481f9ee902c9, 0x695da1a38987b6e7}));
}

}  // namespace
}  // namespace base
