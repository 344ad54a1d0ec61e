// A node that was away for so long that no log has what it missed gets the
// image, over real connections and onto a real disk.

#include <signal.h>

#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "base/wait_until.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "tests/chaos/cluster.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr int kKeys = 300;

class ImageTest : public ::testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> Connect(int node) const {
    return grpc::CreateChannel(
        cluster_.addresses()[static_cast<size_t>(node) - 1],
        grpc::InsecureChannelCredentials());
  }

  // Partition 1 as `node` has it.
  admin::PartitionStatus Status(int node) const {
    admin::StatusResponse response;
    Call call;
    admin::Admin::NewStub(Connect(node))->Status(&call, {}, &response);
    return response.partitions_size() > 0 ? response.partitions(0)
                                          : admin::PartitionStatus();
  }

  // Asks until it is so; each question is a call.
  bool Eventually(const std::function<bool()>& is_so) const {
    return base::WaitUntil(is_so);
  }

  // The node that leads and serves; 0: none in time.
  int Leader() const {
    int leader = 0;
    Eventually([&] {
      for (int node = 1; node <= cluster_.size(); ++node) {
        if (!cluster_.is_up(node)) continue;
        const admin::PartitionStatus status = Status(node);
        if (status.role() == admin::ROLE_LEADER &&
            status.applied_index() == status.last_index()) {
          leader = node;
          return true;
        }
      }
      return false;
    });
    return leader;
  }

  static std::string Key(int i) { return "key" + std::to_string(i); }
  static std::string Value(int i, int round) {
    return std::to_string(round) + "/" + std::to_string(i) +
           std::string(1000, 'v');
  }

  TempDir directory_;
  Cluster cluster_{
      {.nodes = 3,
       .directory = directory_.path(),
       .arguments = {"--checkpoint_log_bytes=64KiB",
                     "--checkpoint_interval=200ms", "--log_keep_bytes=64KiB",
                     "--log_behind_bytes_max=64KiB"}}};
};

TEST_F(ImageTest, NodeThatWasAwayForLongGetsTheImageAndCanLead) {
  ASSERT_TRUE(cluster_.Start());
  const int leader = Leader();
  ASSERT_NE(leader, 0);
  const int away = leader % 3 + 1;
  const int other = away % 3 + 1;

  RawSession session(Connect(leader));
  const uint64_t map = session.Create(kMapType, "map");
  ASSERT_NE(map, 0u);
  ASSERT_TRUE(session.Put(map, Key(0), Value(0, 0)));
  const uint64_t had = Status(away).last_index();
  cluster_.Kill(away);

  int round = 0;
  ASSERT_TRUE(Eventually([&] {
    ++round;
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_TRUE(session.Put(map, Key(i), Value(i, round)));
    }
    EXPECT_TRUE(session.KeepAlive().ok());
    return HasFailure() || Status(leader).first_index() > had + 1;
  }));

  ASSERT_TRUE(cluster_.Restart(away));
  const uint64_t last = Status(leader).last_index();
  ASSERT_TRUE(Eventually([&] { return Status(away).applied_index() >= last; }));
  EXPECT_GT(Status(away).first_index(), had + 1);
  EXPECT_GT(Status(away).image_index(), had);

  // It is as good as the others, also after a kill.
  cluster_.Kill(away);
  ASSERT_TRUE(cluster_.Restart(away));
  cluster_.Kill(other);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(session.Put(map, Key(i), Value(i, -1)));
  }
  ASSERT_TRUE(cluster_.Restart(other));
  const uint64_t end = Status(leader).last_index();
  ASSERT_TRUE(Eventually([&] { return Status(away).applied_index() >= end; }));
  cluster_.Kill(leader);
  const int next = Leader();
  ASSERT_NE(next, 0);
  RawSession reader(Connect(next));
  const uint64_t same = reader.Create(kMapType, "map");
  EXPECT_EQ(reader.Size(same), kKeys);
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(reader.Get(same, Key(i)), Value(i, i < 10 ? -1 : round));
  }
}

}  // namespace
}  // namespace tests
