// What a forwarded call's answer means; forwarder_test.cc has the calls.

#include "server/service/forwarded_error.h"

#include <map>
#include <string>

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server::service {
namespace {

using base::testing::StatusIs;
using partition::Outcome;
using ::testing::HasSubstr;
using Trailers = std::multimap<grpc::string_ref, grpc::string_ref>;

const transport::Route kRoute{.partition = base::PartitionId{3},
                              .node = base::NodeId{2},
                              .api_address = "api:1"};

Error Forwarded(grpc::StatusCode code, const std::string& message,
                const Trailers& trailers = {}) {
  return ForwardedError(grpc::Status(code, message), trailers, kRoute);
}

// U38: a call that broke on the way to the leader may have been proposed.
TEST(ForwardedErrorTest, ABrokenCallHasAnUnknownOutcome) {
  for (const auto code :
       {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::CANCELLED,
        grpc::StatusCode::INTERNAL}) {
    const Error error = Forwarded(code, "Socket closed");
    EXPECT_THAT(error.refusal.status,
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("node 2, which leads partition 3")));
    EXPECT_EQ(error.refusal.outcome, Outcome::kUnknown);
    EXPECT_EQ(error.refusal.leader, "api:1");
  }
}

TEST(ForwardedErrorTest, ACallThatWasNeverSentWasNotProposed) {
  const Error error = Forwarded(grpc::StatusCode::UNAVAILABLE,
                                "failed to connect to all addresses; ...");
  EXPECT_THAT(error.refusal.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(error.refusal.outcome, Outcome::kNotProposed);
}

TEST(ForwardedErrorTest, WhatTheLeaderSaysIsPassedOn) {
  const Error error = Forwarded(grpc::StatusCode::DATA_LOSS, "no such session",
                                {{"multiraft-outcome", "not-proposed"}});
  EXPECT_THAT(error.refusal.status,
              StatusIs(absl::StatusCode::kDataLoss, "no such session"));
  EXPECT_EQ(error.refusal.outcome, Outcome::kNotProposed);
}

// Drivers send what is Unavailable again, for a quarter of an hour.
TEST(ForwardedErrorTest, WhatGrpcRefusesThereIsNotSentAgain) {
  for (const auto code : {grpc::StatusCode::RESOURCE_EXHAUSTED,
                          grpc::StatusCode::UNIMPLEMENTED}) {
    const Error error = Forwarded(code, "Received message larger than max");
    EXPECT_EQ(error.refusal.status.code(), static_cast<absl::StatusCode>(code));
    EXPECT_EQ(error.refusal.outcome, Outcome::kNotProposed);
  }
}

TEST(ForwardedErrorTest, WhoDoesNotLeadSaysSo) {
  const Trailers trailers = {{"multiraft-outcome", "not-proposed"},
                             {"multiraft-not-leader", "1"}};
  EXPECT_TRUE(Forwarded(grpc::StatusCode::UNAVAILABLE, "no leader", trailers)
                  .refusal.not_leader);
  EXPECT_FALSE(Forwarded(grpc::StatusCode::UNAVAILABLE, "the mailbox is full",
                         {{"multiraft-outcome", "not-proposed"}})
                   .refusal.not_leader);
}

TEST(ForwardedErrorTest, ADeadlineStaysOne) {
  EXPECT_THAT(
      Forwarded(grpc::StatusCode::DEADLINE_EXCEEDED, "late").refusal.status,
      StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace server::service
