// Sets from the C++ client and the command line, on a real server.

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
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
using ::client::Set;
using ::client::SetEvent;
using ::client::SetUpdate;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ClientSetTest : public RealClientTest {
 protected:
  // "added a", "removed a", "expired a".
  static std::string Show(client::Stream<SetEvent>& events) {
    const SetEvent event = Next(events);
    return absl::StrCat(event.kind == SetEvent::Kind::kAdded ? "added "
                        : event.expired                      ? "expired "
                                                             : "removed ",
                        event.element);
  }
  // "a", "removed a".
  static std::string Show(client::Stream<SetUpdate>& watch) {
    const SetUpdate update = Next(watch);
    return absl::StrCat(
        update.kind == SetUpdate::Kind::kRemoved ? "removed " : "",
        update.element);
  }

  Set set_ = Open<Set>("s");
};

TEST_F(ClientSetTest, SaysWhatChanged) {
  EXPECT_TRUE(*set_.Add("b"));
  EXPECT_TRUE(*set_.Add("a"));
  EXPECT_FALSE(*set_.Add("a"));
  EXPECT_TRUE(*set_.Contains("a"));
  EXPECT_FALSE(*set_.Contains("c"));
  EXPECT_EQ(*set_.Size(), 2u);
  EXPECT_THAT(*set_.List(), ElementsAre("a", "b"));
  EXPECT_TRUE(*set_.Remove("a"));
  EXPECT_FALSE(*set_.Remove("a"));
  EXPECT_OK(set_.Clear());
  EXPECT_THAT(*set_.List(), IsEmpty());
}

TEST_F(ClientSetTest, LongListingsAreWhole) {
  std::vector<std::string> elements;
  for (int i = 1000; i < 1700; ++i) {
    elements.push_back(absl::StrCat(i));
    ASSERT_OK(set_.Add(elements.back()));
  }
  EXPECT_EQ(*set_.List(), elements);
}

TEST_F(ClientSetTest, ARestartedServerHasTheElements) {
  ASSERT_OK(set_.Add("a"));
  ASSERT_OK(set_.Add("b", absl::Hours(1)));
  RestartServer();
  EXPECT_THAT(*Open<Set>("s").List(), ElementsAre("a", "b"));
}

TEST_F(ClientSetTest, EventsTellOfEveryChange) {
  const auto events = set_.Events();
  std::thread writer = OnceOpen(1, [&] {
    EXPECT_OK(set_.Add("a"));
    EXPECT_OK(set_.Add("b", absl::Milliseconds(1)));
    EXPECT_OK(set_.Remove("a"));
  });
  EXPECT_EQ(Show(*events), "added a");
  EXPECT_EQ(Show(*events), "added b");
  const std::vector<std::string> both = {Show(*events), Show(*events)};
  EXPECT_THAT(both, ::testing::UnorderedElementsAre("expired b", "removed a"));
  writer.join();
}

TEST_F(ClientSetTest, AWatchListsAndThenFollows) {
  ASSERT_OK(set_.Add("a"));
  const auto watch = set_.Watch();
  EXPECT_EQ(Show(*watch), "a");
  ASSERT_OK(set_.Add("b"));
  EXPECT_EQ(Show(*watch), "b");
  ASSERT_OK(set_.Remove("a"));
  EXPECT_EQ(Show(*watch), "removed a");
  ASSERT_OK(set_.Add("a"));
  EXPECT_EQ(Show(*watch), "a");
  ASSERT_OK(set_.Clear());
  EXPECT_EQ(Show(*watch), "removed a");
  EXPECT_EQ(Show(*watch), "removed b");
}

TEST_F(ClientSetTest, RefusalsHaveTheirCodes) {
  EXPECT_THAT(set_.Add(std::string(100'000, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("input.element.value")));
  EXPECT_THAT(client::Map::Open(*session_, "s"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  ASSERT_OK(set_.Close());
  EXPECT_THAT(set_.Size(), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(ClientSetTest, TheCommandLineHasEveryRpc) {
  EXPECT_EQ(Ctl("set list s"), "(no elements)\n");
  EXPECT_EQ(Ctl("set list s --json"), "");
  EXPECT_EQ(Ctl("set add s bob"), "added\n");
  EXPECT_EQ(Ctl("set add s ann --ttl=1h --json"),
            "{\"element\":\"ann\",\"added\":true}\n");
  EXPECT_EQ(Ctl("set add s bob"),
            "multiraftctl: element is in the set already\nexit 1\n");
  EXPECT_EQ(Ctl("set contains s bob"), "yes\n");
  EXPECT_EQ(Ctl("set contains s eve"), "no\n");
  EXPECT_EQ(Ctl("set contains s eve --json"),
            "{\"element\":\"eve\",\"contains\":false}\n");
  EXPECT_EQ(Ctl("set list s"),
            "ELEMENT\n"
            "ann\n"
            "bob\n");
  EXPECT_EQ(Ctl("set list s --json"),
            "{\"element\":\"ann\"}\n{\"element\":\"bob\"}\n");
  EXPECT_EQ(Ctl("set size s"), "2\n");
  EXPECT_EQ(Ctl("watch set s --count=2"), "ann\nbob\n");
  EXPECT_EQ(Ctl("set remove s bob"), "removed\n");
  EXPECT_EQ(Ctl("set remove s bob"),
            "multiraftctl: element is not in the set\nexit 1\n");
  EXPECT_EQ(Ctl("set clear s"), "cleared\n");
  EXPECT_EQ(Ctl("set size s --json"), "{\"name\":\"s\",\"size\":0}\n");
}

TEST_F(ClientSetTest, TheCommandLineFollowsEvents) {
  std::thread writer = OnceOpen(1, [&] {
    EXPECT_OK(set_.Add("a"));
    EXPECT_OK(set_.Clear());
  });
  EXPECT_EQ(Ctl("set events s --count=2"), "added a\nremoved a\n");
  writer.join();
  std::thread again = OnceOpen(1, [&] {
    EXPECT_OK(set_.Add("a"));
    EXPECT_OK(set_.Remove("a"));
  });
  EXPECT_EQ(Ctl("set events s --count=2 --json"),
            "{\"event\":\"added\",\"element\":\"a\"}\n"
            "{\"event\":\"removed\",\"element\":\"a\",\"expired\":false}\n");
  again.join();
}

}  // namespace
}  // namespace tests
