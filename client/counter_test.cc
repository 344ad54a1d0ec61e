#include "client/counter.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/testing/client_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

class CounterTest : public ClientTest {
 protected:
  Counter Open() {
    auto counter = Counter::Open(*session_, "visits");
    CHECK(counter.ok()) << counter.status();
    return *std::move(counter);
  }

  // With pauses that leave the last attempt seconds of real time: gRPC has no
  // fake clock.
  static Fault Slow(Fault fault) {
    fault.retry_after_ms = 4000;
    return fault;
  }

  Counter counter_ = Open();
};

TEST_F(CounterTest, EachCallReturnsTheValueItLeaves) {
  EXPECT_THAT(*counter_.Get(), 0);
  EXPECT_THAT(*counter_.Set(10), 10);
  EXPECT_THAT(*counter_.Increment(5), 15);
  EXPECT_THAT(*counter_.Decrement(20), -5);
  EXPECT_THAT(*counter_.CompareAndSet(-5, 7), 7);
  EXPECT_THAT(*counter_.Get(), 7);
}

TEST_F(CounterTest, ALostRaceIsAborted) {
  EXPECT_THAT(
      counter_.CompareAndSet(1, 2),
      StatusIs(absl::StatusCode::kAborted, HasSubstr("the value is 0")));
}

TEST_F(CounterTest, ALostAnswerIsAskedForAgainWithTheSameNumber) {
  server_.Inject("Increment", LoseReply(), 3);
  ASSERT_OK_AND_ASSIGN(const int64_t value, counter_.Increment(1));
  EXPECT_EQ(value, 1);
  EXPECT_THAT(server_.attempts("Increment"), ElementsAre(2, 2, 2, 2));
  ASSERT_OK_AND_ASSIGN(const int64_t now, counter_.Get());
  EXPECT_EQ(now, 1);
}

TEST_F(CounterTest, RetriesComeWithGrowingPauses) {
  server_.Inject("Get", Refuse(), 4);
  ASSERT_OK(counter_.Get());
  const std::vector<int64_t> waited_ns = timer_.waited_ns();
  ASSERT_THAT(waited_ns, SizeIs(4));
  EXPECT_THAT(waited_ns[0], AllOf(Ge(25'000'000), Le(75'000'000)));
  EXPECT_THAT(waited_ns[3], AllOf(Ge(200'000'000), Le(600'000'000)));
}

TEST_F(CounterTest, APauseThatTheServerAsksForIsKept) {
  Fault busy = Refuse();
  busy.retry_after_ms = 3000;
  server_.Inject("Get", busy, 1);
  ASSERT_OK(counter_.Get());
  EXPECT_THAT(timer_.waited_ns(), ElementsAre(3'000'000'000));
}

TEST_F(CounterTest, AnAnswerIsNotAskedForAgain) {
  server_.Inject("Increment",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kResourceExhausted,
                  .message = "too much"},
                 1);
  const absl::Status status = counter_.Increment(1).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, "too much"));
  EXPECT_FALSE(IsOutcomeUnknown(status));
  EXPECT_THAT(server_.attempts("Increment"), SizeIs(1));
}

TEST_F(CounterTest, WhatMayHaveBeenAppliedIsSaidToBeUnknown) {
  server_.Inject("Increment", Slow(LoseReply()), 100);
  const absl::Status status = counter_.Increment(1).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr(server_.address())));
  EXPECT_TRUE(IsOutcomeUnknown(status));
  EXPECT_THAT(server_.attempts("Increment"), Each(Eq(2u)));
}

// "Not proposed" is about the attempt that it answers.
TEST_F(CounterTest, ARefusalSaysNothingOfTheAttemptsBeforeIt) {
  const Fault refusal{.kind = Fault::Kind::kAnswer,
                      .code = absl::StatusCode::kResourceExhausted,
                      .message = "too much",
                      .not_proposed = true};
  server_.Inject("Increment", LoseReply(), 1);
  server_.Inject("Increment", refusal, 1);
  absl::Status status = counter_.Increment(1).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, "too much"));
  EXPECT_TRUE(IsOutcomeUnknown(status));

  server_.Inject("Increment", Refuse(), 1);
  server_.Inject("Increment", refusal, 1);
  status = counter_.Increment(1).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(IsOutcomeUnknown(status));
}

TEST_F(CounterTest, AServerThatGivesUpSaysWhy) {
  server_.Inject("Get",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kDeadlineExceeded,
                  .message = "nobody took leadership over in time"},
                 1);
  EXPECT_THAT(counter_.Get(),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("nobody took leadership over")));
}

TEST_F(CounterTest, WhatNoServerTookIsNotUnknown) {
  server_.Inject("Increment", Slow(Refuse()), 100);
  const absl::Status status = counter_.Increment(1).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(IsOutcomeUnknown(status));
}

TEST_F(CounterTest, ACallEndsWithItsTime) {
  server_.Inject("Get", Slow(Refuse()), 100);
  const int64_t start_ns = timer_.NowNanos();
  EXPECT_THAT(counter_.Get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_LE(timer_.NowNanos() - start_ns,
            absl::ToInt64Nanoseconds(connection_.options().call_timeout));
}

TEST_F(CounterTest, ACallSurvivesARestartOfTheServer) {
  ASSERT_OK(counter_.Increment(1));
  server_.Stop();
  // The first attempts meet nobody.
  int failures = 0;
  Connection connection({.server = server_.address(),
                         .call_timeout = absl::InfiniteDuration(),
                         .on_retry = [&](const absl::Status&, absl::Duration) {
                           if (++failures == 2) server_.Start();
                         }});
  const auto session = Session::Attach(
      connection, session_->id(), {.keep_alive = false, .first_sequence = 1});
  // Numbers 1 and 2 again: the answers of before the restart.
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*session, "visits"));
  EXPECT_GE(failures, 2);
  ASSERT_OK_AND_ASSIGN(const int64_t value, counter.Increment(1));
  EXPECT_EQ(value, 1);
}

TEST_F(CounterTest, AnotherTypeOfTheSameNameIsRefused) {
  EXPECT_THAT(
      Map::Open(*session_, "visits"),
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("another type")));
}

TEST_F(CounterTest, ALostSessionIsNoticedByTheNextCall) {
  server_.Expire(session_->id());
  EXPECT_TRUE(IsSessionLost(counter_.Get().status()));
  EXPECT_TRUE(IsSessionLost(session_->status()));
}

}  // namespace
}  // namespace client
