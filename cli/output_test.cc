#include "cli/output.h"

#include <string>

#include "gtest/gtest.h"

namespace cli {
namespace {

TEST(OutputTest, KnowsUtf8) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("plain"));
  EXPECT_TRUE(IsUtf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"));
  EXPECT_FALSE(IsUtf8("\xff"));
  EXPECT_FALSE(IsUtf8("\x80"));              // Begins in the middle.
  EXPECT_FALSE(IsUtf8("\xc3"));              // Cut off.
  EXPECT_FALSE(IsUtf8("\xc3("));             // Goes on wrongly.
  EXPECT_FALSE(IsUtf8("\xc0\x80"));          // Too long a form.
  EXPECT_FALSE(IsUtf8("\xe0\x80\x80"));      // The same.
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));      // A surrogate.
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));  // Beyond the last.
}

TEST(OutputTest, ALineStaysALine) {
  EXPECT_EQ(OneLine("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(OneLine("a\nb\x1b[31m"), "a\\nb\\x1b[31m");
  EXPECT_EQ(OneLine("\xff\x01"), "\\xff\\x01");
  EXPECT_EQ(OneLine("C:\\dir"), "C:\\dir");
}

TEST(OutputTest, BytesThatAreNotTextAreBase64InJson) {
  Json object;
  SetBytes("value", "text", object);
  SetBytes("other", "\xff\xfe", object);
  EXPECT_EQ(Line(object), "{\"value\":\"text\",\"other_base64\":\"//4=\"}\n");
}

TEST(OutputTest, ColumnsAreAsWideAsTheyNeedToBe) {
  EXPECT_EQ(Table({{"KEY", "VALUE"}, {"gr\xc3\xbcn", "1"}, {"a", "22"}}),
            "KEY   VALUE\n"
            "gr\xc3\xbcn  1\n"
            "a     22\n");
}

TEST(OutputTest, AmountsAreForPeople) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1536), "1.5 KiB");
  EXPECT_EQ(Bytes(uint64_t{77} << 30), "77.0 GiB");
  EXPECT_EQ(Age(59'999), "59s");
  EXPECT_EQ(Age(192'000), "3m12s");
  EXPECT_EQ(Age(7'260'000), "2h1m");
  EXPECT_EQ(Age(90'000'000), "1d1h");
}

}  // namespace
}  // namespace cli
