#include "session/bloom_filter.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/bloom.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/limits.h"
#include "session/types.h"

namespace session {
namespace {

using ::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The numbers in 1..40 that test as members.
std::vector<uint64_t> Members(absl::string_view json) {
  absl::StatusOr<BloomFilter> filter = BloomFilter::Parse(json, Limits());
  EXPECT_OK(filter.status());
  std::vector<uint64_t> members;
  if (!filter.ok()) return members;
  for (uint64_t i = 1; i <= 40; ++i) {
    if (filter->Contains(SequenceNum(i))) members.push_back(i);
  }
  return members;
}

void ExpectRefused(absl::string_view json, const std::string& why) {
  EXPECT_THAT(BloomFilter::Parse(json, Limits()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)))
      << json;
}

// Texts and members as the Go library has them.
TEST(BloomFilterTest, ReadsWhatDriversSend) {
  EXPECT_THAT(Members(R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})"),
              ElementsAre());
  EXPECT_THAT(Members(R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAFQ=="})"),
              ElementsAre(1, 8));
  EXPECT_THAT(Members(R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAXA=="})"),
              ElementsAre(2, 13));
  EXPECT_THAT(Members(R"({"m":13,"k":5,"b":"AAAAAAAAAA0AAAAAAAAZFA=="})"),
              ElementsAre(1, 2));
  EXPECT_THAT(Members(R"({"m":19,"k":5,"b":"AAAAAAAAABMAAAAAAAYAZg=="})"),
              ElementsAre(3, 5, 9, 26));
  EXPECT_THAT(
      Members(R"({"m":75,"k":5,"b":"AAAAAAAAAEvd28CrGRpO9QAAAAAAAAOs"})"),
      ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 26));
  EXPECT_THAT(Members(R"({"m":19,"k":5,"b":"AAAAAAAAABMAAAAAAAWSzw=="})"),
              ElementsAre(5, 9));
}

TEST(BloomFilterTest, BitsBeyondTheSetReadAsZero) {
  // L = 0 is empty whatever m and k say, at once.
  EXPECT_THAT(
      Members(R"({"m":99,"k":18446744073709551615,"b":"AAAAAAAAAAA="})"),
      ElementsAre());
  // L = 3 of m = 7: bit 4 is not there any more, and with it 1 is not; 8 needs
  // only 0 and 2.
  EXPECT_THAT(Members(R"({"m":7,"k":5,"b":"AAAAAAAAAAMAAAAAAAAAFQ=="})"),
              ElementsAre(8));
}

TEST(BloomFilterTest, PartsSurviveTheLog) {
  const std::vector<uint64_t> open = {4, 8, 15, 16, 23, 42};
  const std::string json = base::BloomJson(base::BuildBloom(open));
  ASSERT_OK_AND_ASSIGN(BloomFilter sent, BloomFilter::Parse(json, Limits()));
  ASSERT_OK_AND_ASSIGN(
      BloomFilter logged,
      BloomFilter::FromParts(sent.bits(), sent.hashes(), sent.set_bits(),
                             sent.words(), Limits()));
  for (uint64_t number : open) {
    EXPECT_TRUE(logged.Contains(SequenceNum(number)));
  }
  for (uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(logged.Contains(SequenceNum(i)), sent.Contains(SequenceNum(i)));
  }
}

TEST(BloomFilterTest, RefusesWhatIsNoFilter) {
  ExpectRefused("", "no JSON");
  ExpectRefused("{}", "m is missing");
  ExpectRefused("null", "no object");
  ExpectRefused("7", "no object");
  ExpectRefused("\"b\"", "no object");
  ExpectRefused("[]", "array");
  ExpectRefused(R"({"m":7,"k":5})", "b is missing");
  ExpectRefused(R"({"m":7,"k":5,"b":null})", "b is no string");
  ExpectRefused(R"({"m":7,"k":5,"b":""})", "shorter than 8");
  ExpectRefused(R"({"m":7,"k":5,"b":7})", "b is no string");
  ExpectRefused(R"({"k":5,"b":"AAAAAAAAAAA="})", "m is missing");
  ExpectRefused(R"({"m":7,"b":"AAAAAAAAAAA="})", "k is missing");
  ExpectRefused(R"({"m":0,"k":5,"b":"AAAAAAAAAAA="})", "m is 0");
  ExpectRefused(R"({"m":7,"k":0,"b":"AAAAAAAAAAA="})", "k is 0");
  ExpectRefused(R"({"m":7,"m":7,"k":5,"b":"AAAAAAAAAAA="})",
                "m is there twice");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAA=","b":""})", "twice");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAA="} x)", "no JSON");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAA="}{})", "no JSON");
  std::string with_nul = R"({"m":7,"k":5,"b":"AAAAAAAAAAA="})";
  with_nul.push_back('\0');
  ExpectRefused(with_nul + "x", "NUL");
  ExpectRefused("\xef\xbb\xbf{\"m\":7,\"k\":5,\"b\":\"AAAAAAAAAAA=\"}",
                "byte order mark");
}

TEST(BloomFilterTest, NumbersAreUnsignedAndOf64Bits) {
  for (absl::string_view number :
       {"-1", "-0", "1.0", "1e3", "18446744073709551616", "1e400", "\"7\"",
        "true", "null"}) {
    ExpectRefused(absl::StrCat(R"({"m":)", number, R"(,"k":5,"b":""})"),
                  number == "1e400" ? "" : "m is no unsigned");
    ExpectRefused(absl::StrCat(R"({"m":7,"k":)", number, R"(,"b":""})"),
                  number == "1e400" ? "" : "k is no unsigned");
  }
}

TEST(BloomFilterTest, Base64IsTheUrlsWithPadding) {
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAA"})", "base64");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAA=="})", "base64");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAA."})", "base64");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAA==AAAA"})", "base64");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAA==="})", "base64");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAA AAAAA="})", "base64");
  ExpectRefused(R"({"m":75,"k":5,"b":"AAAAAAAAAEv/28CrGRpO9QAAAAAAAAOs"})",
                "base64");
  EXPECT_OK(BloomFilter::Parse(
      R"({"m":75,"k":5,"b":"AAAAAAAAAEv_28CrGRpO9QAAAAAAAAOs"})", Limits()));
}

TEST(BloomFilterTest, SizesAreThoseOfTheBytesPresent) {
  // Far more bits than words; fewer; half a word.
  ExpectRefused(R"({"m":7,"k":5,"b":"__________8AAAAAAAAAFQ=="})", "bytes for");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAEEAAAAAAAAAFQ=="})", "bytes for");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAAAAAAAAAAAFQ=="})", "bytes for");
  ExpectRefused(R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAA="})", "bytes for");
}

TEST(BloomFilterTest, HashFunctionsAreLimitedUnlessItIsEmpty) {
  EXPECT_OK(BloomFilter::Parse(
      R"({"m":7,"k":64,"b":"AAAAAAAAAAcAAAAAAAAAFQ=="})", Limits()));
  ExpectRefused(R"({"m":7,"k":65,"b":"AAAAAAAAAAcAAAAAAAAAFQ=="})",
                "k is 65, at most 64");
}

TEST(BloomFilterTest, BytesAreLimitedBeforeAnythingIsParsed) {
  Limits limits;
  limits.filter_bytes_max = 30;
  EXPECT_THAT(BloomFilter::Parse(std::string(31, '['), limits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("31 bytes, at most 30")));
  EXPECT_THAT(
      BloomFilter::FromParts(2048, 5, 2048, std::string(256, 'x'), limits),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("256")));
}

TEST(BloomFilterTest, DeepNestingIsRefusedAtItsFirstLevel) {
  ExpectRefused(std::string(1 << 20, '['), "array");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"m":)";
  ExpectRefused(objects, "object");
}

TEST(BloomFilterTest, MembersWeDoNotKnowAreIgnored) {
  EXPECT_OK(BloomFilter::Parse(
      R"( {"x": 1.5, "m":7, "y":null, "k":5, "b":"AAAAAAAAAAcAAAAAAAAAFQ=="} )",
      Limits()));
}

TEST(BloomFilterTest, NoTextCrashesTheReader) {
  base::Random random(1);
  const std::vector<std::string> seeds = {
      R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})",
      R"({"m":19,"k":5,"b":"AAAAAAAAABMAAAAAAAYAZg=="})",
      R"({"m":75,"k":5,"b":"AAAAAAAAAEvd28CrGRpO9QAAAAAAAAOs"})"};
  const absl::string_view alphabet = "{}[]\":,.-+eE0123456789mkbA=_\\u nult";
  int accepted = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text = seeds[random.Below(seeds.size())];
    for (uint64_t edits = random.Between(1, 4); edits > 0; --edits) {
      const size_t at = random.Below(text.size() + 1);
      const char c = random.OneIn(4) ? static_cast<char>(random.Below(256))
                                     : alphabet[random.Below(alphabet.size())];
      switch (random.Below(3)) {
        case 0:
          text.insert(at, 1, c);
          break;
        case 1:
          text.erase(at, random.Between(1, 3));
          break;
        default:
          if (at < text.size()) text[at] = c;
      }
    }
    absl::StatusOr<BloomFilter> filter = BloomFilter::Parse(text, Limits());
    if (!filter.ok()) {
      ASSERT_THAT(filter, StatusIs(absl::StatusCode::kInvalidArgument));
      continue;
    }
    ++accepted;
    filter->Contains(SequenceNum(random.Next()));
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace session
