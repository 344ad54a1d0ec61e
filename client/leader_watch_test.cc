#include "client/leader_watch.h"

#include <cstdint>
#include <memory>
#include <thread>

#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/testing/client_test.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;

class LeaderWatchTest : public ClientTest {
 protected:
  void Expect(uint64_t term, uint64_t leader) {
    ASSERT_OK_AND_ASSIGN(const auto next, watch_->Next());
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->term, term);
    EXPECT_EQ(next->leader, leader);
  }
  std::unique_ptr<Stream<Leader>> watch_ = WatchLeader(connection_, 1);
};

TEST_F(LeaderWatchTest, SaysTheLeaderNowAndEachChange) {
  Expect(1, 1);
  server_.ChangeLeader(2, 0);
  Expect(2, 0);
  server_.ChangeLeader(3, 2);
  Expect(3, 2);
}

TEST_F(LeaderWatchTest, ABreakRepeatsNothing) {
  Expect(1, 1);
  server_.Inject("Watch", Refuse(), 2);
  server_.BreakStreams();
  std::thread change([&] {
    server_.AwaitAttempts("Watch", 4);
    server_.AwaitStreams(1);
    server_.ChangeLeader(2, 3);
  });
  Expect(2, 3);
  change.join();
}

TEST_F(LeaderWatchTest, ACancelReturnsFromNext) {
  Expect(1, 1);
  std::thread cancel([&] { watch_->Cancel(); });
  EXPECT_THAT(watch_->Next(), StatusIs(absl::StatusCode::kCancelled));
  cancel.join();
}

// Some megabytes.
TEST_F(LeaderWatchTest, AStatusMayHaveTenThousandPartitions) {
  multiraft::admin::v1::StatusResponse status;
  for (uint32_t i = 1; i <= 10'000; ++i) {
    auto& partition = *status.add_partitions();
    partition.set_partition_id(i);
    partition.set_problem(std::string(1000, 'x'));
  }
  server_.SetStatus(status);
  ASSERT_OK_AND_ASSIGN(const auto received, NodeStatus(connection_));
  EXPECT_EQ(received.partitions_size(), 10'000);
}

TEST_F(LeaderWatchTest, StatusNeedsNoSession) {
  multiraft::admin::v1::StatusResponse status;
  status.set_node_id(7);
  server_.SetStatus(status);
  server_.Inject("Status", Refuse(), 1);
  ASSERT_OK_AND_ASSIGN(const auto answer, NodeStatus(connection_));
  EXPECT_EQ(answer.node_id(), 7u);
}

}  // namespace
}  // namespace client
