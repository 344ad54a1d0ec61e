#include "client/session.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/testing/fake_server.h"
#include "client/testing/fake_timer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr int64_t kSecond = 1'000'000'000;
constexpr char kNothingOpen[] =
    R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})";

// Time stands still until a test moves it.
class KeepAliveTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> Open() {
    auto session = Session::Open(
        connection_, {.timeout = absl::Seconds(60),
                      .on_lost = [this](const absl::Status&) { ++lost_; }});
    EXPECT_OK(session);
    return *std::move(session);
  }

  // Lets `seconds` pass once everyone waits for them.
  void Pass(int64_t seconds) {
    timer_.AwaitWaiters(1);
    timer_.Advance(seconds * kSecond);
  }

  FakeTimer timer_{FakeTimer::Waits::kForAdvance};
  FakeServer server_;
  Connection connection_{
      {.server = server_.address(), .timer = &timer_, .seed = 1}};
  std::atomic<int> lost_{0};
};

TEST_F(KeepAliveTest, SaysHowLongTheSessionLivesForSure) {
  const auto session = Open();
  const int64_t opened_ns = timer_.NowNanos();
  EXPECT_EQ(session->SureUntilNanos(), opened_ns + 60 * kSecond);
  Pass(10);
  server_.Inject("KeepAlive",
                 {Fault::Kind::kAnswer, 0, absl::StatusCode::kInternal, "no"},
                 1);
  EXPECT_FALSE(session->KeepAlive().ok());
  EXPECT_EQ(session->SureUntilNanos(), opened_ns + 60 * kSecond);
  EXPECT_OK(session->KeepAlive());
  EXPECT_EQ(session->SureUntilNanos(), opened_ns + 70 * kSecond);
}

TEST_F(KeepAliveTest, ComesEveryQuarterOfTheTimeout) {
  const auto session = Open();
  Pass(14);
  timer_.AwaitWaiters(1);
  EXPECT_THAT(server_.keep_alives(), IsEmpty());
  Pass(1);
  server_.AwaitAttempts("KeepAlive", 1);
  Pass(15);
  server_.AwaitAttempts("KeepAlive", 2);
  EXPECT_EQ(server_.keep_alives()[1].session_id(), session->id());
  EXPECT_OK(session->Close());
}

TEST_F(KeepAliveTest, SaysWhatRunsAndWhatWasReceived) {
  const auto session = Open();
  ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*session, "m"));
  auto events = map.Events("");
  ASSERT_OK(map.Put("a", "1"));
  ASSERT_OK(session->KeepAlive());
  EXPECT_EQ(server_.keep_alives()[0].last_input_sequence_num(), 3u);
  // {2}: the stream, which is not even asked for yet.
  EXPECT_EQ(server_.keep_alives()[0].input_filter(),
            R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAXA=="})");
  EXPECT_THAT(server_.keep_alives()[0].last_output_sequence_nums(), IsEmpty());

  server_.PutFromElsewhere("b", "2");
  std::thread writer([&] {
    server_.AwaitStreams(1);
    server_.PutFromElsewhere("c", "3");
    server_.PutFromElsewhere("d", "4");
  });
  ASSERT_OK(events->Next());
  ASSERT_OK(events->Next());
  writer.join();
  ASSERT_OK(session->KeepAlive());
  EXPECT_THAT(server_.keep_alives()[1].last_output_sequence_nums(),
              UnorderedElementsAre(Pair(2, 2)));
  // The server knows.
  ASSERT_OK(session->KeepAlive());
  EXPECT_THAT(server_.keep_alives()[2].last_output_sequence_nums(), IsEmpty());

  events = nullptr;
  ASSERT_OK(session->KeepAlive());
  EXPECT_EQ(server_.keep_alives()[3].input_filter(), kNothingOpen);
  EXPECT_EQ(server_.keep_alives()[3].last_input_sequence_num(), 3u);
}

TEST_F(KeepAliveTest, IsRepeatedWhileTheServerIsAway) {
  const auto session = Open();
  server_.Inject("KeepAlive", {Fault::Kind::kRefuse}, 2);
  Pass(15);
  server_.AwaitAttempts("KeepAlive", 1);
  Pass(1);
  server_.AwaitAttempts("KeepAlive", 2);
  Pass(1);
  server_.AwaitAttempts("KeepAlive", 3);
  timer_.AwaitWaiters(1);
  EXPECT_OK(session->status());
}

TEST_F(KeepAliveTest, ASessionOutlivesAnOutageLongerThanItsTimeout) {
  const auto session = Open();
  server_.Inject("KeepAlive", {Fault::Kind::kRefuse}, 10);
  for (int i = 0; i < 10; ++i) Pass(15);
  server_.AwaitAttempts("KeepAlive", 5);
  EXPECT_OK(session->status());
}

TEST_F(KeepAliveTest, AnExpiredSessionIsReportedOnceAndEndsItsStreams) {
  {
    const auto session = Open();
    ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*session, "m"));
    auto watch = map.Watch();
    std::thread expire([&] {
      server_.AwaitStreams(1);
      server_.Expire(session->id());
      Pass(15);
    });
    const absl::Status ended = watch->Next().status();
    expire.join();
    EXPECT_TRUE(IsSessionLost(ended)) << ended;
    EXPECT_THAT(ended, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("session 1 of partition 1 is gone")));
    EXPECT_TRUE(IsSessionLost(map.Get("a").status()));
    EXPECT_TRUE(IsSessionLost(session->KeepAlive()));
    EXPECT_TRUE(IsSessionLost(session->status()));
    EXPECT_OK(session->Close());
  }
  // The thread that reports it has ended with the session.
  EXPECT_EQ(lost_, 1);
}

TEST_F(KeepAliveTest, AnAttachedSessionOnlyRefreshes) {
  const auto owner = Open();
  const auto session =
      Session::Attach(connection_, owner->id(), {.first_sequence = 100});
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*session, "c"));
  ASSERT_OK(counter.Increment(1));
  ASSERT_OK(session->KeepAlive());
  EXPECT_THAT(server_.attempts("Increment"), ElementsAre(101));
  ASSERT_THAT(server_.keep_alives(), SizeIs(1));
  EXPECT_EQ(server_.keep_alives()[0].last_input_sequence_num(), 0u);
  EXPECT_EQ(server_.keep_alives()[0].input_filter(), kNothingOpen);
}

TEST_F(KeepAliveTest, ANumberUsedAgainGetsTheFirstAnswer) {
  const auto owner = Open();
  for (int i = 0; i < 3; ++i) {
    const auto session =
        Session::Attach(connection_, owner->id(), {.first_sequence = 100});
    ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*session, "c"));
    ASSERT_OK_AND_ASSIGN(const int64_t value, counter.Increment(5));
    EXPECT_EQ(value, 5);
  }
}

TEST_F(KeepAliveTest, CloseTellsTheServerOnceHoweverOftenItIsAsked) {
  const auto session = Open();
  EXPECT_EQ(server_.sessions(), 1u);
  EXPECT_OK(session->Close());
  EXPECT_OK(session->Close());
  EXPECT_EQ(server_.sessions(), 0u);
  EXPECT_THAT(server_.attempts("CloseSession"), SizeIs(1));
  EXPECT_THAT(session->status(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(KeepAliveTest, AnUnknownPartitionIsUnavailable) {
  FakeTimer no_waits(FakeTimer::Waits::kForNothing);
  Connection connection(
      {.server = server_.address(), .timer = &no_waits, .seed = 1});
  EXPECT_THAT(
      Session::Open(connection, {.partition = 9}),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no such partition")));
}

}  // namespace
}  // namespace client
