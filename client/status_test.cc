#include "client/status.h"

#include "atomix/multiraft/v1/headers.pb.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using Headers = atomix::multiraft::v1::OperationResponseHeaders;

absl::Status Of(Headers::Status status, const char* message) {
  Headers headers;
  headers.set_status(status);
  headers.set_message(message);
  return FromHeaders(headers);
}

TEST(StatusTest, EveryAnswerOfAPrimitiveHasItsCode) {
  EXPECT_OK(Of(Headers::OK, ""));
  EXPECT_THAT(Of(Headers::ERROR, "m"), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(Of(Headers::UNKNOWN, "m"), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_THAT(Of(Headers::CANCELED, "m"),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Of(Headers::NOT_FOUND, "m"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Of(Headers::ALREADY_EXISTS, "m"),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Of(Headers::UNAUTHORIZED, "m"),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Of(Headers::FORBIDDEN, "m"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Of(Headers::CONFLICT, "m"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Of(Headers::INVALID, "m"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Of(Headers::UNAVAILABLE, "m"),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Of(Headers::NOT_SUPPORTED, "m"),
              StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(Of(Headers::TIMEOUT, "m"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Of(Headers::INTERNAL, "m"),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Of(Headers::FAULT, "m"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Of(static_cast<Headers::Status>(99), "m"),
              StatusIs(absl::StatusCode::kUnknown, "m"));
}

TEST(StatusTest, AnAnswerWithoutTextSaysItsKind) {
  EXPECT_THAT(Of(Headers::ALREADY_EXISTS, ""),
              StatusIs(absl::StatusCode::kAlreadyExists, "already exists"));
}

TEST(StatusTest, OnlyAMissingSessionIsALostSession) {
  EXPECT_TRUE(SaysSessionIsGone(absl::DataLossError("session not found")));
  EXPECT_TRUE(
      SaysSessionIsGone(absl::PermissionDeniedError("session not found")));
  EXPECT_FALSE(SaysSessionIsGone(absl::PermissionDeniedError("not for you")));
  EXPECT_FALSE(SaysSessionIsGone(absl::OkStatus()));
  EXPECT_TRUE(IsSessionLost(SessionLostError("gone")));
  EXPECT_FALSE(IsSessionLost(absl::FailedPreconditionError("gone")));
}

}  // namespace
}  // namespace client
