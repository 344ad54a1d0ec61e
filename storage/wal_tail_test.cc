// Which bytes at the end of a log are nothing, and which are a record's (D4).

#include "storage/wal_tail.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/string_view.h"
#include "base/crc32c.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "storage/test_directory.h"
#include "storage/wal_fragment.h"

namespace storage {
namespace {

std::string Fragment(WalFragment::Type type, const std::string& bytes) {
  std::string summed(1, static_cast<char>(type));
  summed += bytes;
  const uint32_t crc = base::Crc32c(summed);
  const uint32_t masked = (crc >> 15 | crc << 17) + 0xa282ead8u;
  std::string fragment;
  for (int i = 0; i < 4; ++i) {
    fragment.push_back(static_cast<char>(masked >> (8 * i)));
  }
  fragment.push_back(static_cast<char>(bytes.size()));
  fragment.push_back(static_cast<char>(bytes.size() >> 8));
  return fragment + summed;
}

class WalTailTest : public ::testing::Test {
 protected:
  WalTailTest() { std::filesystem::create_directories(directory_.path()); }

  // What is left of a log of these bytes.
  std::string Cut(const std::string& bytes, const char* name = "000012.log") {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    EXPECT_OK(CutUnwrittenTails(directory_.path()));
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  static std::string Zeros(size_t count) { return std::string(count, '\0'); }

  const TestDirectory directory_;
};

TEST_F(WalTailTest, FragmentsAreReadAsRocksDbWritesThem) {
  const std::string bytes = Fragment(WalFragment::kFull, "entry") + Zeros(9);
  const auto fragment = FirstFragment(bytes);
  ASSERT_TRUE(fragment.has_value());
  EXPECT_TRUE(fragment->is_whole);
  EXPECT_EQ(fragment->type, WalFragment::kFull);
  EXPECT_EQ(fragment->bytes, "entry");
  EXPECT_EQ(fragment->size(), kWalHeaderBytes + 5);
  EXPECT_FALSE(FirstFragment(Zeros(100)).has_value());
  EXPECT_FALSE(FirstFragment(bytes.substr(0, 6)).has_value());
  EXPECT_FALSE(FirstFragment(bytes.substr(0, 11)).has_value());
  std::string flipped = bytes;
  flipped[8] ^= 1;
  EXPECT_FALSE(FirstFragment(flipped)->is_whole);
}

TEST_F(WalTailTest, WhatWasAllocatedAndNotWrittenIsCut) {
  const std::string log =
      Fragment(WalFragment::kFull, "one") + Fragment(WalFragment::kFull, "two");
  EXPECT_EQ(Cut(log + Zeros(5'000'000)), log);
  EXPECT_EQ(Cut(log + Zeros(1)), log);
  EXPECT_EQ(Cut(log), log);
}

TEST_F(WalTailTest, LogWithoutAnyRecordIsEmpty) {
  EXPECT_EQ(Cut(Zeros(3'000'000)), "");
  EXPECT_EQ(Cut(""), "");
}

// The zeros are the entry's own.
TEST_F(WalTailTest, WholeRecordThatEndsWithZerosStaysWhole) {
  const std::string log = Fragment(WalFragment::kFull, "one") +
                          Fragment(WalFragment::kFull, "two" + Zeros(700));
  EXPECT_EQ(Cut(log + Zeros(2'000'000)), log);
  EXPECT_EQ(Cut(log), log);
}

// Its end did not arrive: it ends with the file now, as a torn tail does.
TEST_F(WalTailTest, TornRecordIsCutAtItsLastByte) {
  const std::string whole = Fragment(WalFragment::kFull, "one");
  std::string torn = Fragment(WalFragment::kFull, std::string(2000, 'x'));
  torn.resize(512);
  EXPECT_EQ(Cut(whole + torn + Zeros(2'000'000)), whole + torn);
}

TEST_F(WalTailTest, RecordOverSeveralBlocksStaysWhole) {
  std::string log =
      Fragment(WalFragment::kFirst,
               std::string(kWalBlockBytes - kWalHeaderBytes, 'a')) +
      Fragment(WalFragment::kMiddle, Zeros(kWalBlockBytes - kWalHeaderBytes)) +
      Fragment(WalFragment::kLast, "a" + Zeros(100));
  EXPECT_EQ(Cut(log + Zeros(kWalBlockBytes)), log);
}

// Damage in front of the end is for RocksDB to find.
TEST_F(WalTailTest, DamageInTheMiddleStays) {
  std::string log = Fragment(WalFragment::kFull, "one") +
                    Fragment(WalFragment::kFull, "two") +
                    Fragment(WalFragment::kFull, "three" + Zeros(50));
  log[9] ^= 1;
  EXPECT_EQ(Cut(log + Zeros(100)), log);
  log[6] = 0;  // Not even a fragment.
  EXPECT_EQ(Cut(log + Zeros(100)), log.substr(0, log.size() - 50));
}

TEST_F(WalTailTest, OtherFilesAreLeftAlone) {
  EXPECT_EQ(Cut(Zeros(100), "MANIFEST-000005"), Zeros(100));
  EXPECT_OK(CutUnwrittenTails(directory_.path() + "/absent"));
}

}  // namespace
}  // namespace storage
