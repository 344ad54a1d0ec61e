// Multimaps from the C++ client and the command line, on a real server.

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using ::client::MultiMap;
using ::client::MultiMapEntry;
using ::client::MultiMapEvent;
using ::client::MultiMapUpdate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ClientMultiMapTest : public RealClientTest {
 protected:
  // "a=1,2".
  static std::string Text(const MultiMapEntry& entry) {
    return absl::StrCat(entry.key, "=", absl::StrJoin(entry.values, ","));
  }
  std::vector<std::string> List() {
    std::vector<std::string> texts;
    const auto entries = map_.List();
    EXPECT_OK(entries);
    if (!entries.ok()) return texts;
    for (const MultiMapEntry& entry : *entries) texts.push_back(Text(entry));
    return texts;
  }
  // "added a=1", "removed a=1".
  static std::string Show(client::Stream<MultiMapEvent>& events) {
    const MultiMapEvent event = Next(events);
    return absl::StrCat(
        event.kind == MultiMapEvent::Kind::kAdded ? "added " : "removed ",
        event.key, "=", event.value);
  }
  // "a=1,2", "removed a=".
  static std::string Show(client::Stream<MultiMapUpdate>& watch) {
    const MultiMapUpdate update = Next(watch);
    return absl::StrCat(
        update.kind == MultiMapUpdate::Kind::kRemoved ? "removed " : "",
        Text(update.entry));
  }

  MultiMap map_ = Open<MultiMap>("m");
};

TEST_F(ClientMultiMapTest, SaysWhatChanged) {
  EXPECT_TRUE(*map_.Put("a", "1"));
  EXPECT_FALSE(*map_.Put("a", "1"));
  EXPECT_TRUE(*map_.PutAll("a", {"2", "1"}));
  EXPECT_FALSE(*map_.PutAll("a", {"2", "1"}));
  EXPECT_TRUE(*map_.PutEntries({{"a", {"3"}}, {"b", {"1"}}}));
  EXPECT_FALSE(*map_.PutEntries({{"a", {"3"}}, {"b", {"1"}}}));
  EXPECT_THAT(List(), ElementsAre("a=1,2,3", "b=1"));
  EXPECT_THAT(*map_.Get("a"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(*map_.Get("c"), IsEmpty());
  EXPECT_TRUE(*map_.Contains("a", "3"));
  EXPECT_FALSE(*map_.Contains("b", "3"));
  EXPECT_EQ(*map_.Size(), 2u);
  EXPECT_THAT(*map_.Replace("a", {"4", "1"}), ElementsAre("1", "2", "3"));
  EXPECT_TRUE(*map_.Remove("b", "1"));
  EXPECT_FALSE(*map_.Remove("b", "1"));
  EXPECT_TRUE(*map_.RemoveAll("a", {"1", "2"}));
  EXPECT_FALSE(*map_.RemoveAll("a", {"1", "2"}));
  EXPECT_FALSE(*map_.RemoveAll("b", {"1"})) << "no such key";
  EXPECT_FALSE(*map_.RemoveEntries({{"a", {"1"}}, {"b", {"1"}}}));
  EXPECT_TRUE(*map_.RemoveEntries({{"a", {"4"}}, {"b", {"1"}}}));
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_TRUE(*map_.Put("a", "1"));
  EXPECT_OK(map_.Clear());
  EXPECT_EQ(*map_.Size(), 0u);
}

TEST_F(ClientMultiMapTest, ARestartedServerHasTheEntries) {
  ASSERT_OK(map_.PutEntries({{"a", {"1", "2"}}, {"b", {"1"}}}));
  ASSERT_OK(map_.Remove("b", "1"));
  RestartServer();
  map_ = Open<MultiMap>("m");
  EXPECT_THAT(List(), ElementsAre("a=1,2"));
  EXPECT_EQ(*map_.Size(), 1u);
}

TEST_F(ClientMultiMapTest, EventsTellOfEveryChange) {
  const auto events = map_.Events("");
  const auto of_b = map_.Events("b");
  std::thread writer = OnceOpen(1, [&] {
    EXPECT_OK(map_.PutEntries({{"a", {"2", "1"}}, {"b", {"1"}}}));
    EXPECT_OK(map_.Replace("a", {"1", "3"}));
    EXPECT_OK(map_.Remove("b", "1"));
  });
  EXPECT_EQ(Show(*events), "added a=2");
  writer.join();
  EXPECT_EQ(Show(*events), "added a=1");
  EXPECT_EQ(Show(*events), "added b=1");
  EXPECT_EQ(Show(*events), "added a=3");
  EXPECT_EQ(Show(*events), "removed a=2");
  EXPECT_EQ(Show(*events), "removed b=1");

  std::thread again = OnceOpen(2, [&] {
    EXPECT_OK(map_.PutEntries({{"a", {"9"}}, {"b", {"9"}}}));
  });
  EXPECT_EQ(Show(*of_b), "added b=9");
  again.join();
}

TEST_F(ClientMultiMapTest, AWatchListsAndThenFollows) {
  ASSERT_OK(map_.PutAll("a", {"1", "2"}));
  const auto watch = map_.Watch();
  EXPECT_EQ(Show(*watch), "a=1,2");
  ASSERT_OK(map_.Put("b", "1"));
  EXPECT_EQ(Show(*watch), "b=1");
  ASSERT_OK(map_.Replace("a", {"3"}));
  EXPECT_EQ(Show(*watch), "a=3");
  ASSERT_OK(map_.Remove("a", "3"));
  EXPECT_EQ(Show(*watch), "removed a=");
  ASSERT_OK(map_.Clear());
  EXPECT_EQ(Show(*watch), "removed b=");
}

TEST_F(ClientMultiMapTest, RefusalsHaveTheirCodes) {
  EXPECT_THAT(
      map_.Put("a", std::string(100'000, 'x')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.value")));
  // A mebibyte at most for the values of one key.
  for (char c = 'a'; c < 'k'; ++c) {
    ASSERT_OK(map_.Put("large", std::string(60'000, c)));
  }
  std::vector<std::string> values;
  for (char c = 'k'; c < 's'; ++c) values.push_back(std::string(60'000, c));
  EXPECT_THAT(map_.PutAll("large", values),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(map_.Get("large")->size(), 10u);
}

TEST_F(ClientMultiMapTest, TheCommandLineHasEveryRpc) {
  EXPECT_EQ(Ctl("multimap list m"), "(no entries)\n");
  EXPECT_EQ(Ctl("multimap put m a 1"), "added\n");
  EXPECT_EQ(Ctl("multimap put m a 1"),
            "multiraftctl: key has this value already\nexit 1\n");
  EXPECT_EQ(Ctl("multimap put m b 1 --json"),
            "{\"key\":\"b\",\"value\":\"1\",\"added\":true}\n");
  EXPECT_EQ(Ctl("multimap put-all m a 1 3 2"), "added\n");
  EXPECT_EQ(Ctl("multimap put-all m a 1 3 2"), "nothing to change\n");
  EXPECT_EQ(Ctl("multimap put-entries m a=4 a=5 c=x=y --json"),
            "{\"name\":\"m\",\"updated\":true}\n");
  EXPECT_EQ(Ctl("multimap list m"),
            "KEY  VALUE\n"
            "a    1\n"
            "a    2\n"
            "a    3\n"
            "a    4\n"
            "a    5\n"
            "b    1\n"
            "c    x=y\n");
  EXPECT_EQ(Ctl("multimap size m"), "3\n");
  EXPECT_EQ(Ctl("multimap replace m a 2 6"), "replaced, was 1, 2, 3, 4, 5\n");
  EXPECT_EQ(Ctl("multimap replace m d 1"), "replaced, had no values\n");
  EXPECT_EQ(Ctl("multimap replace m d --json"),
            "{\"key\":\"d\",\"values\":[],\"prev_values\":[\"1\"]}\n");
  EXPECT_EQ(Ctl("multimap get m a"), "2\n6\n");
  EXPECT_EQ(Ctl("multimap get m d"), "");
  EXPECT_EQ(Ctl("multimap get m a --json"),
            "{\"key\":\"a\",\"values\":[\"2\",\"6\"]}\n");
  EXPECT_EQ(Ctl("multimap contains m a 6"), "yes\n");
  EXPECT_EQ(Ctl("multimap contains m a 7 --json"),
            "{\"key\":\"a\",\"value\":\"7\",\"contains\":false}\n");
  EXPECT_EQ(Ctl("watch multimap m --count=3"), "a = 2, 6\nb = 1\nc = x=y\n");
  EXPECT_EQ(Ctl("multimap remove m b 1"), "removed\n");
  EXPECT_EQ(Ctl("multimap remove m b 1"),
            "multiraftctl: key does not have this value\nexit 1\n");
  EXPECT_EQ(Ctl("multimap remove-all m a 9 6"), "removed\n");
  EXPECT_EQ(Ctl("multimap remove-all m b 9"), "nothing to change\n");
  EXPECT_EQ(Ctl("multimap remove-entries m c=x=y d=1"), "removed\n");
  EXPECT_EQ(Ctl("multimap list m --json"),
            "{\"key\":\"a\",\"values\":[\"2\"]}\n");
  EXPECT_EQ(Ctl("multimap clear m"), "cleared\n");
  EXPECT_EQ(Ctl("multimap size m --json"), "{\"name\":\"m\",\"size\":0}\n");
  EXPECT_THAT(
      Ctl("multimap put-entries m a"),
      AllOf(HasSubstr("there is no \"=\" in \"a\""), HasSubstr("exit 2")));
}

TEST_F(ClientMultiMapTest, TheCommandLineFollowsEvents) {
  std::thread writer = OnceOpen(1, [&] {
    EXPECT_OK(map_.Put("b", "1"));
    EXPECT_OK(map_.Put("a", "1"));
    EXPECT_OK(map_.Clear());
  });
  EXPECT_EQ(Ctl("multimap events m --key=a --count=2"),
            "added a = 1\nremoved a = 1\n");
  writer.join();
  std::thread again = OnceOpen(1, [&] { EXPECT_OK(map_.Put("a", "1")); });
  EXPECT_EQ(Ctl("multimap events m --count=1 --json"),
            "{\"event\":\"added\",\"key\":\"a\",\"value\":\"1\"}\n");
  again.join();
}

}  // namespace
}  // namespace tests
