// client::CounterMap on a server.

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using client::CounterMap;
using client::CounterMapEvent;
using client::CounterMapUpdate;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ClientCounterMapTest : public RealClientTest {
 protected:
  static std::string Next(client::Stream<CounterMapEvent>& events) {
    auto event = events.Next();
    if (!event.ok()) return std::string(event.status().message());
    const char* const kinds[] = {"inserted", "updated", "removed"};
    return absl::StrCat(kinds[static_cast<int>((*event)->kind)], " ",
                        (*event)->key, " ", (*event)->value, " was ",
                        (*event)->prev_value);
  }
  static std::string Next(client::Stream<CounterMapUpdate>& watch) {
    auto update = watch.Next();
    if (!update.ok()) return std::string(update.status().message());
    const char* const kinds[] = {"", "removed ", "restarted "};
    return absl::StrCat(kinds[static_cast<int>((*update)->kind)],
                        (*update)->entry.key, " ", (*update)->entry.value);
  }
  std::vector<std::string> List() {
    const auto entries = map_.List();
    if (!entries.ok()) return {std::string(entries.status().message())};
    std::vector<std::string> texts;
    for (const auto& entry : *entries) {
      texts.push_back(absl::StrCat(entry.key, " ", entry.value));
    }
    return texts;
  }

  CounterMap map_ = Open<CounterMap>("p");
};

TEST_F(ClientCounterMapTest, IncrementsReturnWhatTheyLeaveBehind) {
  EXPECT_EQ(*map_.Increment("a", 5), 5);
  EXPECT_EQ(*map_.Decrement("a", 7), -2);
  EXPECT_EQ(*map_.Decrement("b", 1), -1);
  EXPECT_EQ(*map_.Set("a", INT64_MAX), -2);
  EXPECT_EQ(*map_.Increment("a", 1), INT64_MIN);
  EXPECT_EQ(*map_.Decrement("a", INT64_MIN), 0);
  EXPECT_EQ(*map_.Get("a"), 0);
}

TEST_F(ClientCounterMapTest, ADeltaOfZeroChangesNothing) {
  EXPECT_EQ(*map_.Increment("a", 0), 0);
  EXPECT_EQ(*map_.Decrement("a", 0), 0);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_EQ(*map_.Set("a", 7), 0);
  EXPECT_EQ(*map_.Increment("a", 0), 7);
}

TEST_F(ClientCounterMapTest, PreconditionsHaveTheirCodes) {
  EXPECT_THAT(map_.Get("a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(map_.CompareAndSet("a", 0, 1),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(map_.Remove("a"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(map_.Insert("a", 1));
  EXPECT_THAT(map_.Insert("a", 2), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(map_.CompareAndSet("a", 0, 2),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(map_.CompareAndRemove("a", 0),
              StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK(map_.CompareAndSet("a", 1, 2));
  ASSERT_OK(map_.CompareAndRemove("a", 2));
  EXPECT_EQ(*map_.Size(), 0u);
}

TEST_F(ClientCounterMapTest, ListsAndClears) {
  for (const char* key : {"b", "a", "c"}) ASSERT_OK(map_.Set(key, 1).status());
  EXPECT_THAT(List(), ElementsAre("a 1", "b 1", "c 1"));
  EXPECT_EQ(*map_.Remove("b"), 1);
  EXPECT_EQ(*map_.Size(), 2u);
  ASSERT_OK(map_.Clear());
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(ClientCounterMapTest, EventsComeOnceAndInOrderOverARestart) {
  const auto events = map_.Events("");
  std::thread writer([&] {
    AwaitOpenCommands(1);
    EXPECT_OK(map_.Set("a", 1).status());
    server_.RestartAtSameAddress();
    EXPECT_OK(map_.Increment("a", 2).status());
    EXPECT_OK(map_.Remove("a").status());
  });
  EXPECT_EQ(Next(*events), "inserted a 1 was 0");
  EXPECT_EQ(Next(*events), "updated a 3 was 1");
  EXPECT_EQ(Next(*events), "removed a 3 was 0");
  writer.join();
}

// On the wire both are the same entry once more.
TEST_F(ClientCounterMapTest, AWatchTellsARemovalFromTheSameValueStoredAgain) {
  ASSERT_OK(map_.Set("a", 1).status());
  const auto watch = map_.Watch();
  EXPECT_EQ(Next(*watch), "a 1");
  ASSERT_OK(map_.Set("a", 1).status());
  EXPECT_EQ(Next(*watch), "a 1");
  ASSERT_OK(map_.Increment("a", 4).status());
  EXPECT_EQ(Next(*watch), "a 5");
  ASSERT_OK(map_.Remove("a").status());
  EXPECT_EQ(Next(*watch), "removed a 5");
  ASSERT_OK(map_.Set("a", 5).status());
  EXPECT_EQ(Next(*watch), "a 5");
}

// What the server tells of a key may be behind what a lookup has found.
TEST_F(ClientCounterMapTest, AWatchShowsNoKeyThatIsGone) {
  ASSERT_OK(map_.Set("a", 1).status());
  const auto watch = map_.Watch();
  EXPECT_EQ(Next(*watch), "a 1");
  ASSERT_OK(map_.Set("a", 1).status());
  ASSERT_OK(map_.Remove("a").status());
  ASSERT_OK(map_.Set("b", 1).status());
  EXPECT_EQ(Next(*watch), "removed a 1");
  EXPECT_EQ(Next(*watch), "b 1");
  // Found by the lookup for the removal, and told after that.
  ASSERT_OK(map_.Set("b", 1).status());
  ASSERT_OK(map_.Remove("b").status());
  EXPECT_EQ(Next(*watch), "removed b 1");
  ASSERT_OK(map_.Set("b", 2).status());
  EXPECT_EQ(Next(*watch), "b 2");
  EXPECT_EQ(Next(*watch), "b 2");
  ASSERT_OK(map_.Remove("b").status());
  EXPECT_EQ(Next(*watch), "removed b 2");
}

TEST_F(ClientCounterMapTest, AWatchThatBrokeSaysThatItBeginsAnew) {
  ASSERT_OK(map_.Set("a", 1).status());
  const auto watch = map_.Watch();
  EXPECT_EQ(Next(*watch), "a 1");
  server_.RestartAtSameAddress();
  EXPECT_EQ(Next(*watch), "restarted  0");
  EXPECT_EQ(Next(*watch), "a 1");
}

TEST_F(ClientCounterMapTest, KeysAreLockedForTheSession) {
  const auto other_session = OpenSession();
  CounterMap other = Open<CounterMap>(*other_session, "p");
  ASSERT_OK(map_.LockKeys({"a", "b"}, {}));
  EXPECT_THAT(other.LockKeys({"b"}, {.limit = absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(other.UnlockKeys({"b"}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_OK(other.LockKeys({"c"}, {}));
  std::thread unlock([&] {
    AwaitOpenCommands(1);
    EXPECT_OK(map_.UnlockKeys({"b"}));
  });
  EXPECT_OK(other.LockKeys({"b"}, {}));
  unlock.join();
  EXPECT_OK(map_.UnlockKeys({}));
  EXPECT_OK(other.LockKeys({"a"}, {.limit = absl::ZeroDuration()}));
}

TEST_F(ClientCounterMapTest, AWaitForKeysMayBeStopped) {
  const auto other_session = OpenSession();
  CounterMap other = Open<CounterMap>(*other_session, "p");
  ASSERT_OK(map_.LockKeys({"a"}, {}));
  std::stop_source source;
  std::thread stop([&] {
    AwaitOpenCommands(1);
    source.request_stop();
  });
  EXPECT_THAT(other.LockKeys({"a"}, {.stop = source.get_token()}),
              StatusIs(absl::StatusCode::kCancelled));
  stop.join();
}

}  // namespace
}  // namespace tests
