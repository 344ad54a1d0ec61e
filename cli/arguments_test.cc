#include "cli/arguments.h"

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cli {
namespace {

using ::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ArgumentsTest, FlagsMayStandAnywhere) {
  ASSERT_OK_AND_ASSIGN(
      const Arguments arguments,
      Arguments::Parse({"--server", "h:1", "map", "put", "--ttl=10s", "m", "k",
                        "v=1", "--json"},
                       {"json"}));
  EXPECT_THAT(arguments.words(), ElementsAre("map", "put", "m", "k", "v=1"));
  EXPECT_THAT(
      arguments.flags(),
      ElementsAre(Pair("json", ""), Pair("server", "h:1"), Pair("ttl", "10s")));
}

TEST(ArgumentsTest, NumbersBelowZeroAndWhatFollowsTwoHyphensAreWords) {
  ASSERT_OK_AND_ASSIGN(const Arguments arguments,
                       Arguments::Parse({"-5", "-", "--", "--json"}, {"json"}));
  EXPECT_THAT(arguments.words(), ElementsAre("-5", "-", "--json"));
}

TEST(ArgumentsTest, UnderscoresAreHyphensInNamesOnly) {
  ASSERT_OK_AND_ASSIGN(const Arguments arguments,
                       Arguments::Parse({"--prev_index=a_b"}, {}));
  EXPECT_THAT(arguments.flags(), ElementsAre(Pair("prev-index", "a_b")));
}

TEST(ArgumentsTest, AValueMayBeEmptyOrHaveAnEqualsSign) {
  ASSERT_OK_AND_ASSIGN(const Arguments arguments,
                       Arguments::Parse({"--key=", "--name=a=b"}, {}));
  EXPECT_THAT(arguments.flags(),
              ElementsAre(Pair("key", ""), Pair("name", "a=b")));
}

TEST(ArgumentsTest, AMissingOrExtraValueIsAMistake) {
  EXPECT_THAT(
      Arguments::Parse({"--ttl"}, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, "--ttl wants a value"));
  EXPECT_THAT(
      Arguments::Parse({"--json=1"}, {"json"}),
      StatusIs(absl::StatusCode::kInvalidArgument, "--json takes no value"));
}

TEST(ArgumentsTest, ValuesAreCheckedWhenTheyAreRead) {
  ASSERT_OK_AND_ASSIGN(
      const Arguments arguments,
      Arguments::Parse({"--a=12", "--b=-1", "--c=1.5s", "--d=10", "--e=-1s"},
                       {}));
  EXPECT_EQ(*arguments.Number("a", 0), 12u);
  EXPECT_EQ(*arguments.Number("z", 7), 7u);
  EXPECT_THAT(arguments.Number("b", 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--b")));
  EXPECT_EQ(*arguments.Duration("c", absl::ZeroDuration()),
            absl::Milliseconds(1500));
  EXPECT_THAT(arguments.Duration("d", absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("10s")));
  EXPECT_THAT(arguments.Duration("e", absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(*ParseSigned("DELTA", "-9223372036854775808"), INT64_MIN);
  EXPECT_THAT(ParseSigned("DELTA", "9223372036854775808"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ArgumentsTest, SuggestsWhatWasProbablyMeant) {
  const std::vector<std::string> names = {"status", "session", "map",
                                          "counter"};
  EXPECT_EQ(Suggestion("mpa", names), "map");
  EXPECT_EQ(Suggestion("countr", names), "counter");
  EXPECT_EQ(Suggestion("stats", names), "status");
  EXPECT_EQ(Suggestion("frobnicate", names), "");
}

}  // namespace
}  // namespace cli
