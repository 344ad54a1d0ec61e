// Lists from the C++ client and the command line, on a real server.

#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using ::client::List;
using ::client::ListEvent;
using ::client::ListUpdate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ClientListTest : public RealClientTest {
 protected:
  // "appended 0=a", "updated 0=b was a".
  static std::string Show(client::Stream<ListEvent>& events) {
    const ListEvent event = Next(events);
    const char* const kinds[] = {"appended", "inserted", "updated", "removed"};
    std::string text = absl::StrCat(kinds[static_cast<int>(event.kind)], " ",
                                    event.index, "=", event.value);
    if (event.kind == ListEvent::Kind::kUpdated) {
      absl::StrAppend(&text, " was ", event.prev_value);
    }
    return text;
  }
  // "0=a".
  static std::string Show(client::Stream<ListUpdate>& watch) {
    const ListUpdate update = Next(watch);
    return absl::StrCat(update.index, "=", update.value);
  }

  List list_ = Open<List>("l");
};

TEST_F(ClientListTest, ItemsAreByPosition) {
  EXPECT_THAT(*list_.Items(), IsEmpty());
  ASSERT_OK(list_.Append("b"));
  ASSERT_OK(list_.Insert(0, "a"));
  ASSERT_OK(list_.Insert(2, std::string("\0\xff", 2)));
  ASSERT_OK(list_.Insert(1, ""));
  EXPECT_THAT(*list_.Items(),
              ElementsAre("a", "", "b", std::string("\0\xff", 2)));
  EXPECT_EQ(*list_.Size(), 4u);
  EXPECT_EQ(*list_.Get(2), "b");
  ASSERT_OK(list_.Set(2, "B"));
  EXPECT_EQ(*list_.Remove(0), "a");
  EXPECT_EQ(*list_.Remove(1), "B");
  EXPECT_EQ(*list_.Size(), 2u);
  ASSERT_OK(list_.Clear());
  EXPECT_THAT(*list_.Items(), IsEmpty());
}

TEST_F(ClientListTest, APositionOutsideIsRefused) {
  const auto outside =
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("of 1 items"));
  ASSERT_OK(list_.Append("a"));
  EXPECT_THAT(list_.Get(1), outside);
  EXPECT_THAT(list_.Get(UINT32_MAX), outside);
  EXPECT_THAT(list_.Set(1, "x"), outside);
  EXPECT_THAT(list_.Remove(1), outside);
  EXPECT_THAT(list_.Insert(2, "x"), outside);
  EXPECT_THAT(list_.Insert(UINT32_MAX, "x"), outside);
  EXPECT_THAT(*list_.Items(), ElementsAre("a"));
}

TEST_F(ClientListTest, RefusalsHaveTheirCodes) {
  EXPECT_THAT(
      list_.Append(std::string(2'000'000, 'x')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.value")));
  EXPECT_THAT(client::Map::Open(*session_, "l"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  ASSERT_OK(list_.Close());
  EXPECT_THAT(list_.Size(), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(ClientListTest, ARestartedServerHasTheItemsInOrder) {
  std::vector<std::string> items;
  for (int i = 0; i < 700; ++i) {
    ASSERT_OK(list_.Insert(i / 2, absl::StrCat(i)));
    items.insert(items.begin() + i / 2, absl::StrCat(i));
  }
  EXPECT_EQ(*list_.Items(), items);
  RestartServer();
  list_ = Open<List>("l");
  EXPECT_EQ(*list_.Items(), items);
  EXPECT_EQ(*list_.Remove(350), items[350]);
}

TEST_F(ClientListTest, EventsTellOfEveryChange) {
  ASSERT_OK(list_.Append("a"));
  const auto events = list_.Events();
  std::thread writer = OnceOpen(1, [&] {
    EXPECT_OK(list_.Append("b"));
    EXPECT_OK(list_.Insert(0, "c"));
    EXPECT_OK(list_.Set(1, "d"));
    EXPECT_OK(list_.Remove(0));
    EXPECT_OK(list_.Clear());
  });
  EXPECT_EQ(Show(*events), "appended 1=b");
  EXPECT_EQ(Show(*events), "inserted 0=c");
  EXPECT_EQ(Show(*events), "updated 1=d was a");
  EXPECT_EQ(Show(*events), "removed 0=c");
  EXPECT_EQ(Show(*events), "removed 1=b");
  EXPECT_EQ(Show(*events), "removed 0=d");
  writer.join();
}

TEST_F(ClientListTest, AWatchListsAndThenFollows) {
  ASSERT_OK(list_.Append("a"));
  ASSERT_OK(list_.Append("b"));
  const auto watch = list_.Watch();
  EXPECT_EQ(Show(*watch), "0=a");
  EXPECT_EQ(Show(*watch), "1=b");
  ASSERT_OK(list_.Insert(1, "c"));
  EXPECT_EQ(Show(*watch), "1=c");
  ASSERT_OK(list_.Set(2, "d"));
  EXPECT_EQ(Show(*watch), "2=d");
  ASSERT_OK(list_.Remove(0));
  EXPECT_EQ(Show(*watch), "0=a");
}

TEST_F(ClientListTest, TheCommandLineHasEveryRpc) {
  EXPECT_EQ(Ctl("list items l"), "(no items)\n");
  EXPECT_EQ(Ctl("list items l --json"), "");
  EXPECT_EQ(Ctl("list append l b"), "appended\n");
  EXPECT_EQ(Ctl("list append l d --json"),
            "{\"value\":\"d\",\"appended\":true}\n");
  EXPECT_EQ(Ctl("list insert l 0 a"), "inserted\n");
  EXPECT_EQ(Ctl("list insert l 2 c --json"), "{\"index\":2,\"value\":\"c\"}\n");
  EXPECT_EQ(Ctl("list items l"),
            "INDEX  VALUE\n"
            "0      a\n"
            "1      b\n"
            "2      c\n"
            "3      d\n");
  EXPECT_EQ(Ctl("list set l 1 B"), "set\n");
  EXPECT_EQ(Ctl("list get l 1"), "B\n");
  EXPECT_EQ(Ctl("list get l 1 --json"), "{\"index\":1,\"value\":\"B\"}\n");
  EXPECT_EQ(Ctl("list get l 4"), "multiraftctl: index 4 of 4 items\nexit 1\n");
  EXPECT_EQ(Ctl("list size l"), "4\n");
  EXPECT_EQ(Ctl("watch list l --count=2"), "0 = a\n1 = B\n");
  EXPECT_EQ(Ctl("watch list l --count=1 --json"),
            "{\"index\":0,\"value\":\"a\"}\n");
  EXPECT_EQ(Ctl("list remove l 0"), "a\n");
  EXPECT_EQ(Ctl("list items l --json"),
            "{\"index\":0,\"value\":\"B\"}\n"
            "{\"index\":1,\"value\":\"c\"}\n"
            "{\"index\":2,\"value\":\"d\"}\n");
  EXPECT_EQ(Ctl("list clear l"), "cleared\n");
  EXPECT_EQ(Ctl("list size l --json"), "{\"name\":\"l\",\"size\":0}\n");
  EXPECT_THAT(Ctl("list get l x"), HasSubstr("exit 2"));
  EXPECT_THAT(Ctl("list get l 4294967296"), HasSubstr("exit 2"));
}

TEST_F(ClientListTest, TheCommandLineFollowsEvents) {
  std::thread writer = OnceOpen(1, [&] {
    EXPECT_OK(list_.Append("a"));
    EXPECT_OK(list_.Insert(0, "b"));
    EXPECT_OK(list_.Set(0, "c"));
    EXPECT_OK(list_.Remove(1));
  });
  EXPECT_EQ(Ctl("list events l --count=4"),
            "appended 0 = a\n"
            "inserted 0 = b\n"
            "updated 0 = c, was b\n"
            "removed 1, was a\n");
  writer.join();
  std::thread again = OnceOpen(1, [&] { EXPECT_OK(list_.Set(0, "d")); });
  EXPECT_EQ(Ctl("list events l --count=1 --json"),
            "{\"event\":\"updated\",\"index\":0,\"value\":\"d\","
            "\"prev_value\":\"c\"}\n");
  again.join();
}

}  // namespace
}  // namespace tests
