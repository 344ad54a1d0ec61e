#include "primitive/input.h"

#include <cstdint>
#include <string>

#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using ::base::testing::IsOk;
using ::base::testing::StatusIs;
using ::primitive::testing::Duration;
using ::primitive::testing::kSecond;
using ::session::kNever;
using ::testing::HasSubstr;

TEST(CheckDurationTest, AcceptsWhatTheProtoDefines) {
  EXPECT_OK(CheckDuration("ttl", Duration(0)));
  EXPECT_OK(CheckDuration("ttl", Duration(-1, -5)));
  EXPECT_OK(CheckDuration("ttl", Duration(0, -999'999'999)));
  EXPECT_OK(CheckDuration("ttl", Duration(315'576'000'000, 999'999'999)));
  EXPECT_OK(CheckDuration("ttl", Duration(-315'576'000'000)));
}

TEST(CheckDurationTest, RefusesMalformedOnesByName) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(CheckDuration("ttl", Duration(315'576'000'001)),
              StatusIs(code, HasSubstr("input.ttl.seconds")));
  EXPECT_THAT(CheckDuration("ttl", Duration(INT64_MIN)), StatusIs(code));
  EXPECT_THAT(CheckDuration("ttl", Duration(0, 1'000'000'000)),
              StatusIs(code, HasSubstr("input.ttl.nanos")));
  EXPECT_THAT(CheckDuration("ttl", Duration(0, INT32_MIN)), StatusIs(code));
  EXPECT_THAT(CheckDuration("ttl", Duration(1, -1)),
              StatusIs(code, HasSubstr("different signs")));
  EXPECT_THAT(CheckDuration("ttl", Duration(-1, 1)), StatusIs(code));
}

TEST(DeadlineTest, IsNowPlusTheDuration) {
  EXPECT_EQ(Deadline(0, Duration(0, 1)), 1u);
  EXPECT_EQ(Deadline(5 * kSecond, Duration(2, 7)), 7 * kSecond + 7);
}

TEST(DeadlineTest, WithoutAPositiveDurationIsTheNextLaterTime) {
  EXPECT_EQ(Deadline(5, Duration(0)), 6u);
  EXPECT_EQ(Deadline(5, Duration(-1)), 6u);
  EXPECT_EQ(Deadline(5, Duration(0, -1)), 6u);
  EXPECT_EQ(Deadline(0, Duration(-315'576'000'000)), 1u);
  EXPECT_EQ(Deadline(kNever, Duration(0)), kNever);
}

TEST(DeadlineTest, SaturatesToNever) {
  EXPECT_EQ(Deadline(0, Duration(315'576'000'000)), kNever);
  EXPECT_EQ(Deadline(kNever - 5, Duration(1)), kNever);
  EXPECT_EQ(Deadline(kNever - kSecond - 1, Duration(1, 999'999'999)), kNever);
  // 2^64 ns are 18446744073.7 s: the last whole second before is kept free.
  EXPECT_EQ(Deadline(0, Duration(18'446'744'073)), kNever);
  EXPECT_EQ(Deadline(0, Duration(18'446'744'072, 999'999'999)),
            18'446'744'072 * kSecond + 999'999'999);
}

TEST(ParseInputTest, NamesTheMessageThatDoesNotDecode) {
  EXPECT_THAT((ParseInput<pb::PutInput, CheckNothing>("\x0a\x05x", NoLimits())),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not a PutInput")));
}

TEST(ParseInputTest, TextThatIsNotUtf8DoesNotDecode) {
  EXPECT_THAT(
      (ParseInput<pb::GetInput, CheckNothing>("\x0a\x01\xff", NoLimits())),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ParseInputTest, UnknownFieldsAreIgnored) {
  EXPECT_THAT((ParseInput<pb::GetInput, CheckNothing>(
                  absl::string_view("\x78\x01\x0a\x01x", 5), NoLimits())),
              IsOk());
}

TEST(CheckKeyTest, TheLimitIsTheLongestThatPasses) {
  const session::Limits limits = {.key_bytes_max = 3, .value_bytes_max = 4};
  EXPECT_OK(CheckKey("key", "", limits));
  EXPECT_OK(CheckKey("key", "abc", limits));
  EXPECT_THAT(CheckKey("key", "abcd", limits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("input.key: 4 bytes, at most 3")));
  EXPECT_OK(CheckValue("value", "abcd", limits));
  EXPECT_THAT(
      CheckValue("value", "abcde", limits),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.value")));
  EXPECT_OK(CheckKey("key", std::string(1 << 20, 'x'), NoLimits()));
}

}  // namespace
}  // namespace primitive
