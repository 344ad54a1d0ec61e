// What Election::Lead leaves behind when the answer to its Enter is lost.
// (tests/client_election_test has the rest, on a server.)

#include "client/election.h"

#include <stop_token>
#include <utility>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/testing/client_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::SizeIs;

class ElectionTest : public ClientTest {
 protected:
  static Election Open(Session& session) {
    auto election = Election::Open(session, "e");
    CHECK(election.ok()) << election.status();
    return *std::move(election);
  }

  // Three of them, and the call's time is over.
  static Fault LoseReplySlowly() {
    Fault fault = LoseReply();
    fault.retry_after_ms = 3000;
    return fault;
  }

  Election election_ = Open(*session_);
};

TEST_F(ElectionTest, WhoMayHaveEnteredLeavesTheLine) {
  server_.Inject("Enter", LoseReplySlowly(), 100);
  const absl::Status status = election_.Lead("a", {}).status();
  EXPECT_TRUE(IsOutcomeUnknown(status)) << status;
  EXPECT_THAT(server_.attempts("Withdraw"), SizeIs(1));
  EXPECT_EQ(election_.Term()->leader, "");
}

TEST_F(ElectionTest, WhoWasRefusedIsNotWithdrawn) {
  server_.Inject("Enter",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kResourceExhausted,
                  .message = "too much"},
                 1);
  EXPECT_THAT(election_.Lead("a", {}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(server_.attempts("Withdraw"), SizeIs(0));
}

TEST_F(ElectionTest, WhoIsStoppedBeforeEntersNot) {
  std::stop_source source;
  source.request_stop();
  EXPECT_THAT(election_.Lead("a", {.stop = source.get_token()}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(server_.attempts("Enter"), SizeIs(0));
}

TEST_F(ElectionTest, WhoIsStoppedWhileItEntersLeavesTheLine) {
  std::stop_source source;
  Connection connection(
      {.server = server_.address(),
       .on_retry = [&](const absl::Status&,
                       absl::Duration) { source.request_stop(); },
       .timer = &timer_,
       .seed = 1});
  auto session = Session::Open(connection, {.keep_alive = false});
  ASSERT_OK(session);
  Election election = Open(**session);
  server_.Inject("Enter", LoseReply(), 1);
  EXPECT_THAT(election.Lead("a", {.stop = source.get_token()}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(server_.attempts("Enter"), SizeIs(1));
  EXPECT_THAT(server_.attempts("Withdraw"), SizeIs(1));
  EXPECT_EQ(election.Term()->leader, "");
}

}  // namespace
}  // namespace client
