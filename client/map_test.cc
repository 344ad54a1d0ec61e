#include "client/map.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/testing/client_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class MapTest : public ClientTest {
 protected:
  Map Open() {
    auto map = Map::Open(*session_, "m");
    CHECK(map.ok()) << map.status();
    return *std::move(map);
  }

  // The next event in short: "inserted a=1".
  static std::string Show(Stream<MapEvent>& events) {
    const absl::StatusOr<std::optional<MapEvent>> event = events.Next();
    if (!event.ok()) return std::string(event.status().message());
    if (!event->has_value()) return "end";
    const char* const kinds[] = {"inserted", "updated", "removed"};
    return absl::StrCat(kinds[static_cast<int>((*event)->kind)], " ",
                        (*event)->key, "=", (*event)->value.value);
  }

  // The next update in short: "a=1", or "restarted".
  static std::string Show(Stream<MapUpdate>& watch) {
    const absl::StatusOr<std::optional<MapUpdate>> update = watch.Next();
    if (!update.ok()) return std::string(update.status().message());
    if (!update->has_value()) return "end";
    if ((*update)->kind == MapUpdate::Kind::kRestarted) return "restarted";
    return absl::StrCat(
        (*update)->kind == MapUpdate::Kind::kRemoved ? "removed " : "",
        (*update)->entry.key, "=", (*update)->entry.value.value);
  }

  // Runs beside the test, once the server has `streams` streams.
  std::thread Once(size_t streams, std::function<void()> run) {
    return std::thread([this, streams, run = std::move(run)] {
      server_.AwaitStreams(streams);
      run();
    });
  }

  Map map_ = Open();
};

TEST_F(MapTest, WritesSayTheIndexAndWhatTheyReplaced) {
  ASSERT_OK_AND_ASSIGN(const MapWritten first, map_.Put("a", "1"));
  EXPECT_FALSE(first.prev.has_value());
  ASSERT_OK_AND_ASSIGN(const MapWritten second, map_.Put("a", "2"));
  EXPECT_GT(second.index, first.index);
  EXPECT_EQ(second.prev->value, "1");
  EXPECT_EQ(second.prev->index, first.index);
  ASSERT_OK_AND_ASSIGN(const MapWritten same, map_.Put("a", "2"));
  EXPECT_EQ(same.index, second.index);
  ASSERT_OK_AND_ASSIGN(const MapValue value, map_.Get("a"));
  EXPECT_EQ(value.value, "2");
  EXPECT_EQ(value.index, second.index);
}

TEST_F(MapTest, PreconditionsHaveTheirCodes) {
  ASSERT_OK_AND_ASSIGN(const MapWritten put, map_.Put("a", "1"));
  EXPECT_THAT(map_.Put("a", "2", {.prev_index = put.index + 1}),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(map_.Insert("a", "2", std::nullopt),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(map_.Update("b", "2", {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(map_.Get("b"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(map_.Remove("b", 0), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(map_.Remove("a", put.index + 1),
              StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK_AND_ASSIGN(const MapValue removed, map_.Remove("a", put.index));
  EXPECT_EQ(removed.value, "1");
  ASSERT_OK(map_.Insert("a", "2", std::nullopt));
  ASSERT_OK(map_.Update("a", "3", {}));
  ASSERT_OK(map_.Clear());
  EXPECT_EQ(*map_.Size(), 0u);
}

TEST_F(MapTest, ATimeToLiveIsSentAsItIs) {
  ASSERT_OK(map_.Put("a", "1", {.ttl = absl::Milliseconds(1500)}));
  EXPECT_EQ(server_.last_put().ttl().seconds(), 1);
  EXPECT_EQ(server_.last_put().ttl().nanos(), 500'000'000);
  ASSERT_OK(map_.Put("a", "2"));
  EXPECT_FALSE(server_.last_put().has_ttl());
}

TEST_F(MapTest, ValuesAreAnyBytes) {
  const std::string bytes("\0\xff\n", 3);
  ASSERT_OK(map_.Put("", bytes));
  EXPECT_EQ(map_.Get("")->value, bytes);
}

TEST_F(MapTest, AListingThatBreaksBeginsAnewAndHasNothingTwice) {
  for (const char* key : {"a", "b", "c"}) ASSERT_OK(map_.Put(key, "1"));
  server_.Inject("Entries", Refuse(), 2);
  ASSERT_OK_AND_ASSIGN(const std::vector<MapEntry> entries, map_.List());
  ASSERT_THAT(entries, SizeIs(3));
  EXPECT_EQ(entries[0].key, "a");
  EXPECT_EQ(entries[2].key, "c");
  EXPECT_THAT(server_.attempts("Entries"), SizeIs(3));
}

TEST_F(MapTest, EventsComeInOrder) {
  auto events = map_.Events("");
  std::thread writer = Once(1, [&] {
    ASSERT_OK(map_.Put("a", "1"));
    ASSERT_OK(map_.Put("a", "2"));
    ASSERT_OK(map_.Remove("a", 0));
  });
  EXPECT_EQ(Show(*events), "inserted a=1");
  EXPECT_EQ(Show(*events), "updated a=2");
  EXPECT_EQ(Show(*events), "removed a=2");
  writer.join();
}

TEST_F(MapTest, EventsOfOneKeyLeaveTheOthersOut) {
  auto events = map_.Events("b");
  std::thread writer = Once(1, [&] {
    ASSERT_OK(map_.Put("a", "1"));
    ASSERT_OK(map_.Put("b", "2"));
  });
  EXPECT_EQ(Show(*events), "inserted b=2");
  writer.join();
}

TEST_F(MapTest, EventsGoOnWhereTheConnectionBroke) {
  auto events = map_.Events("");
  std::thread writer = Once(1, [&] { server_.PutFromElsewhere("a", "1"); });
  EXPECT_EQ(Show(*events), "inserted a=1");
  writer.join();
  server_.BreakStreams();
  server_.AwaitStreams(0);
  // Nobody is connected.
  server_.PutFromElsewhere("b", "2");
  server_.Inject("Events", Refuse(), 3);
  EXPECT_EQ(Show(*events), "inserted b=2");
  EXPECT_THAT(server_.attempts("Events"), SizeIs(5));
  EXPECT_THAT(server_.attempts("Events"),
              Each(server_.attempts("Events").front()));
  EXPECT_THAT(timer_.waited_ns(), SizeIs(4));
}

TEST_F(MapTest, OutputsThatAreRepeatedOrReorderedArriveOnceAndInOrder) {
  server_.HoldOutputs(true);
  auto events = map_.Events("");
  std::thread writer = Once(1, [&] {
    for (const char* key : {"a", "b", "c", "d", "e"}) {
      server_.PutFromElsewhere(key, "1");
    }
    server_.SendOutputs({1, 1, 2, 4, 3, 3, 5, 4, 5});
  });
  EXPECT_EQ(Show(*events), "inserted a=1");
  EXPECT_EQ(Show(*events), "inserted b=1");
  // The gap before output 4 makes the client ask again.
  EXPECT_EQ(Show(*events), "inserted c=1");
  EXPECT_EQ(Show(*events), "inserted d=1");
  EXPECT_EQ(Show(*events), "inserted e=1");
  writer.join();
  EXPECT_THAT(server_.attempts("Events"), SizeIs(2));
}

TEST_F(MapTest, AcknowledgedEventsAreNotMissedAfterABreak) {
  auto events = map_.Events("");
  std::thread writer = Once(1, [&] {
    server_.PutFromElsewhere("a", "1");
    server_.PutFromElsewhere("b", "1");
  });
  EXPECT_EQ(Show(*events), "inserted a=1");
  EXPECT_EQ(Show(*events), "inserted b=1");
  writer.join();
  ASSERT_OK(session_->KeepAlive());
  server_.BreakStreams();
  server_.PutFromElsewhere("c", "1");
  EXPECT_EQ(Show(*events), "inserted c=1");
}

// Nobody knows the number to abort it with.
TEST_F(MapTest, ATransactionThatMayBePreparedIsAborted) {
  Fault lost = LoseReply();
  lost.retry_after_ms = 3000;
  server_.Inject("Prepare", lost, 100);
  const absl::Status status =
      map_.Prepare({MapChange::Put("a", "1", {})}).status();
  EXPECT_TRUE(IsOutcomeUnknown(status)) << status;
  EXPECT_THAT(server_.attempts("Abort"), SizeIs(1));
  EXPECT_OK(map_.Put("a", "2"));
}

TEST_F(MapTest, ATransactionThatWasRefusedIsNotAborted) {
  server_.Inject("Prepare",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kResourceExhausted,
                  .message = "too much"},
                 1);
  EXPECT_THAT(map_.Prepare({MapChange::Put("a", "1", {})}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(server_.attempts("Abort"), SizeIs(0));
}

TEST_F(MapTest, ACancelledStreamReturnsFromNext) {
  auto events = map_.Events("");
  std::thread cancel = Once(1, [&] { events->Cancel(); });
  EXPECT_THAT(events->Next(), StatusIs(absl::StatusCode::kCancelled));
  cancel.join();
  EXPECT_THAT(events->Next(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(MapTest, AStreamOfALostSessionSaysSo) {
  auto events = map_.Events("");
  std::thread expire = Once(1, [&] { server_.Expire(session_->id()); });
  EXPECT_TRUE(IsSessionLost(events->Next().status()));
  expire.join();
}

TEST_F(MapTest, AWatchListsAndThenFollows) {
  ASSERT_OK(map_.Put("a", "1"));
  auto watch = map_.Watch();
  EXPECT_EQ(Show(*watch), "a=1");
  server_.PutFromElsewhere("b", "2");
  EXPECT_EQ(Show(*watch), "b=2");
  ASSERT_OK(map_.Put("a", "3"));
  EXPECT_EQ(Show(*watch), "a=3");
  ASSERT_OK(map_.Remove("a", 0));
  EXPECT_EQ(Show(*watch), "removed a=3");
  ASSERT_OK(map_.Put("a", "3"));
  EXPECT_EQ(Show(*watch), "a=3");
}

TEST_F(MapTest, AWatchThatBrokeSaysThatItBeginsAnew) {
  ASSERT_OK(map_.Put("a", "1"));
  auto watch = map_.Watch();
  EXPECT_EQ(Show(*watch), "a=1");
  server_.BreakStreams();
  EXPECT_EQ(Show(*watch), "restarted");
  EXPECT_EQ(Show(*watch), "a=1");
}

TEST_F(MapTest, ABreakIsSaidOnceHoweverManyAttemptsItTakes) {
  auto watch = map_.Watch();
  std::thread writer = Once(1, [&] {
    server_.PutFromElsewhere("a", "1");
    // An empty listing that breaks has nothing to be forgotten.
    server_.Inject("Entries", Refuse(), 3);
  });
  EXPECT_EQ(Show(*watch), "a=1");
  writer.join();
  ASSERT_OK(map_.Clear());
  server_.BreakStreams();
  EXPECT_EQ(Show(*watch), "restarted");
  std::thread again([&] {
    server_.AwaitAttempts("Entries", 5);
    server_.PutFromElsewhere("b", "2");
  });
  EXPECT_EQ(Show(*watch), "b=2");
  again.join();
}

TEST_F(MapTest, ClosingTheSessionEndsItsStreams) {
  auto watch = map_.Watch();
  std::thread close = Once(1, [&] { EXPECT_OK(session_->Close()); });
  EXPECT_EQ(Show(*watch),
            absl::StrCat("session ", session_->id(), " is closed"));
  close.join();
}

}  // namespace
}  // namespace client
