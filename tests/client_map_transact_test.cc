// Transactions of maps from the C++ client and the command line, on a real
// server.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using ::client::Map;
using ::client::MapChange;
using ::client::MapWritten;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ClientMapTransactTest : public RealClientTest {
 protected:
  std::string Value(const std::string& key) {
    const auto value = map_.Get(key);
    return value.ok() ? value->value : "-";
  }

  Map map_ = Open<Map>("m");
};

TEST_F(ClientMapTransactTest, ApplyChangesAllOrNothing) {
  ASSERT_OK(map_.Put("a", "1"));
  EXPECT_THAT(
      map_.Apply({MapChange::Put("a", "2", {}), MapChange::Remove("x", 0)}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("input 1")));
  EXPECT_EQ(Value("a"), "1");
  EXPECT_THAT(
      map_.Apply({MapChange::Put("a", "2", {}), MapChange::Put("a", "3", {})}),
      StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(*map_.Apply({}), IsEmpty());
}

TEST_F(ClientMapTransactTest, ApplySaysWhatItWroteAndReplaced) {
  ASSERT_OK_AND_ASSIGN(const MapWritten a, map_.Put("a", "1"));
  ASSERT_OK(map_.Put("b", "1"));
  ASSERT_OK(map_.Put("d", "1"));
  ASSERT_OK_AND_ASSIGN(
      const std::vector<MapWritten> written,
      map_.Apply({MapChange::Put("a", "2", {.prev_index = a.index}),
                  MapChange::Insert("c", "1", absl::Hours(1)),
                  MapChange::Update("b", "2", {}), MapChange::Remove("d", 0)}));
  ASSERT_THAT(written, SizeIs(4));
  EXPECT_EQ(written[0].prev->value, "1");
  EXPECT_EQ(written[0].prev->index, a.index);
  EXPECT_FALSE(written[1].prev.has_value());
  EXPECT_EQ(written[2].prev->value, "1");
  EXPECT_EQ(written[3].prev->value, "1");
  EXPECT_EQ(written[0].index, written[1].index);
  EXPECT_EQ(written[3].index, 0u);
  EXPECT_EQ(Value("a") + Value("b") + Value("c") + Value("d"), "221-");
}

TEST_F(ClientMapTransactTest, ATransactionOfTwoMapsIsPreparedAndCommitted) {
  auto other = Open<Map>("other");
  ASSERT_OK(map_.Put("ann", "10"));
  ASSERT_OK_AND_ASSIGN(const uint64_t here,
                       map_.Prepare({MapChange::Update("ann", "7", {})}));
  ASSERT_OK_AND_ASSIGN(const uint64_t there,
                       other.Prepare({MapChange::Insert("ann", "3", {})}));
  EXPECT_NE(here, there);
  EXPECT_THAT(map_.Put("ann", "0"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(map_.Clear(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(Value("ann"), "10");
  ASSERT_OK_AND_ASSIGN(const std::vector<MapWritten> written,
                       map_.Commit(here));
  ASSERT_THAT(written, SizeIs(1));
  EXPECT_EQ(written[0].prev->value, "10");
  ASSERT_OK(other.Commit(there));
  EXPECT_EQ(Value("ann"), "7");
  EXPECT_EQ(other.Get("ann")->value, "3");
  EXPECT_THAT(map_.Commit(here), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ClientMapTransactTest, ARestartedServerHasWhatWasPrepared) {
  ASSERT_OK_AND_ASSIGN(const uint64_t first,
                       map_.Prepare({MapChange::Put("a", "1", {})}));
  ASSERT_OK_AND_ASSIGN(const uint64_t second,
                       map_.Prepare({MapChange::Put("b", "1", {})}));
  server_.RestartAtSameAddress();
  ASSERT_OK(map_.Commit(first));
  EXPECT_THAT(map_.Put("b", "2"), StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK(map_.Abort(second));
  ASSERT_OK(map_.Put("b", "2"));
  EXPECT_EQ(Value("a") + Value("b"), "12");
}

// A client that is gone leaves nothing behind.
TEST_F(ClientMapTransactTest, WhatALostClientPreparedEndsWithItsSession) {
  // Nobody keeps it alive.
  const auto lost = client::Session::Open(
      *connection_, {.timeout = absl::Seconds(2), .keep_alive = false});
  ASSERT_OK(lost);
  auto map = Map::Open(**lost, "m");
  ASSERT_OK(map);
  ASSERT_OK(map->Prepare({MapChange::Put("a", "1", {})}));
  EXPECT_TRUE(base::WaitUntil([this] { return map_.Put("a", "2").ok(); }));
  EXPECT_EQ(Value("a"), "2");
  EXPECT_FALSE(map->Commit(1).ok());
}

TEST_F(ClientMapTransactTest, TheCommandLineHasEveryRpc) {
  ASSERT_OK_AND_ASSIGN(const MapWritten old, map_.Put("a", "1"));
  EXPECT_THAT(
      Ctl("map apply m put:a=x=y insert:b=2"),
      AllOf(HasSubstr(absl::StrCat(", was 1 (index ", old.index, ")\n")),
            HasSubstr("index ")));
  EXPECT_EQ(Value("a") + Value("b"), "x=y2");
  EXPECT_THAT(Ctl("map apply m put:a=3 insert:b=3"),
              AllOf(HasSubstr("input 1: "), HasSubstr("exit 1")));
  EXPECT_THAT(Ctl("map apply m remove:b --json"),
              AllOf(HasSubstr("\"prev_value\":\"2\""),
                    HasSubstr("\"removed\":true}\n")));
  EXPECT_EQ(Value("a") + Value("b"), "x=y-");

  std::string session = Ctl("session open");
  session.pop_back();
  const std::string flag = absl::StrCat(" --session=", session);
  std::string transaction = Ctl("map prepare m update:a=4" + flag);
  transaction.pop_back();
  EXPECT_THAT(Ctl("map put m a 5"), HasSubstr("exit 1"));
  EXPECT_THAT(Ctl("map commit m " + transaction + flag),
              HasSubstr(", was x=y (index "));
  EXPECT_EQ(Value("a"), "4");
  EXPECT_THAT(Ctl("map commit m " + transaction + flag), HasSubstr("exit 1"));
  std::string aborted = Ctl("map prepare m remove:a --json" + flag);
  EXPECT_THAT(aborted, HasSubstr("{\"transaction\":"));
  const std::string number = aborted.substr(15, aborted.find('}') - 15);
  EXPECT_EQ(Ctl("map abort m " + number + flag), "aborted\n");
  EXPECT_EQ(Ctl("map put m a 5 --json").substr(0, 9), "{\"key\":\"a");
  EXPECT_EQ(Ctl("session close " + session),
            absl::StrCat("session ", session, " is closed\n"));

  for (const char* line :
       {"map prepare m put:a=1", "map apply m a=1", "map apply m put:a",
        "map apply m get:a=1", "map apply m", "map commit m x"}) {
    EXPECT_THAT(Ctl(line), HasSubstr("exit 2")) << line;
  }
}

}  // namespace
}  // namespace tests
