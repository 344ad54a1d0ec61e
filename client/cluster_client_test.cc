#include "client/cluster_client.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/testing/fake_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::ElementsAre;

// One partition: what becomes of sessions. tests/client_cluster_test has
// several, and real nodes that die.
class ClusterClientTest : public ::testing::Test {
 protected:
  ClusterClientTest() {
    multiraft::admin::v1::StatusResponse status;
    status.set_node_id(1);
    status.set_partition_count(1);
    server_.SetStatus(status);
    auto client = Client::Connect(
        {server_.address()},
        {.on_session_lost = [this](uint32_t partition, const absl::Status&) {
          base::MutexLock lock(mu_);
          lost_.push_back(partition);
        }});
    CHECK(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  // Of the session that the client has.
  void Expire() { server_.Expire((*client_->SessionIn(1))->id()); }

  std::vector<uint32_t> lost() {
    base::MutexLock lock(mu_);
    return lost_;
  }

  template <class Item>
  static std::string KindOfNext(Stream<Item>& stream) {
    const auto item = stream.Next();
    if (!item.ok()) return IsSessionLost(item.status()) ? "lost" : "error";
    return (*item)->kind == Item::Kind::kRestarted ? "restarted"
                                                   : (*item)->entry.key;
  }

  FakeServer server_;
  base::Mutex mu_;
  std::vector<uint32_t> lost_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Client> client_;
};

TEST_F(ClusterClientTest, OpensOneSessionWhenItNeedsOne) {
  EXPECT_THAT(client_->partitions(), ElementsAre(1));
  EXPECT_EQ(server_.sessions(), 0u);
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*client_, "c"));
  ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*client_, "m"));
  EXPECT_EQ(*counter.Increment(2), 2);
  EXPECT_OK(map.Put("a", "1"));
  EXPECT_EQ(*map.Size(), 1u);
  EXPECT_EQ(server_.sessions(), 1u);
  EXPECT_OK(client_->Close());
  EXPECT_EQ(server_.sessions(), 0u);
  EXPECT_THAT(counter.Get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ClusterClientTest, ACallAfterTheSessionWasLostRunsInANewOne) {
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*client_, "c"));
  EXPECT_EQ(*counter.Increment(1), 1);
  Expire();
  EXPECT_EQ(*counter.Increment(1), 2);
  EXPECT_THAT(lost(), ElementsAre(1));
  EXPECT_EQ(server_.sessions(), 1u);
}

// The first attempt was taken and its answer lost, then the session: to send it
// in a new session could do it twice.
TEST_F(ClusterClientTest, ACommandThatMayHaveBeenDoneIsNotDoneAgain) {
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*client_, "c"));
  EXPECT_EQ(*counter.Increment(1), 1);
  server_.Inject("Increment", {Fault::Kind::kLoseReply}, 1);
  server_.Inject("Increment",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kDataLoss,
                  .message = "session not found"},
                 1);
  const absl::Status failed = counter.Increment(1).status();
  EXPECT_TRUE(IsSessionLost(failed));
  EXPECT_TRUE(IsOutcomeUnknown(failed));
  EXPECT_EQ(*counter.Get(), 2);
}

TEST_F(ClusterClientTest, AWatchGoesOnInANewSession) {
  ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*client_, "m"));
  ASSERT_OK(map.Put("a", "1"));
  const auto watch = map.Watch();
  EXPECT_EQ(KindOfNext(*watch), "a");
  Expire();
  // What ends a stream without a word makes it ask; KeepAlives would tell, too.
  ASSERT_OK(map.Put("b", "2"));
  EXPECT_EQ(KindOfNext(*watch), "restarted");
  EXPECT_EQ(KindOfNext(*watch), "a");
  EXPECT_EQ(KindOfNext(*watch), "b");
}

TEST_F(ClusterClientTest, EventsEndWithTheirSession) {
  ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*client_, "m"));
  const auto events = map.Events("");
  std::thread expire([this] {
    server_.AwaitStreams(1);
    Expire();
  });
  EXPECT_TRUE(IsSessionLost(events->Next().status()));
  expire.join();
  EXPECT_OK(map.Put("a", "1"));
}

TEST_F(ClusterClientTest, ATransactionIsNumberedAnewAndKeepsItsSession) {
  ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*client_, "m"));
  EXPECT_THAT(map.Commit(7), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(map.Abort(7), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ClusterClientTest, WhatItGaveOutMayOutliveIt) {
  std::optional<Map> map = *Map::Open(*client_, "m");
  ASSERT_OK(map->Put("a", "1"));
  auto watch = map->Watch();
  ASSERT_OK(watch->Next());
  auto session = *client_->SessionIn(1);
  client_ = nullptr;
  EXPECT_THAT(map->Get("a"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(session->KeepAlive(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(watch->Next().ok());
  map.reset();
}

TEST_F(ClusterClientTest, NobodyToConnectTo) {
  EXPECT_THAT(Client::Connect({}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  server_.Stop();
  EXPECT_THAT(Client::Connect({server_.address()},
                              {.call_timeout = absl::Milliseconds(100)}),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace client
