// Processes that a controller has given a group, killed one after the other
// while a client works, and started again by nobody but whoever runs them.

#include <signal.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "atomix/multiraft/v1/node.grpc.pb.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "tests/chaos/tcp_proxy.h"
#include "tests/counter_load.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

constexpr uint32_t kNodes = 3;
constexpr uint32_t kGroup = 1;

class ManagedKillTest : public ::testing::Test {
 protected:
  ManagedKillTest() {
    for (uint32_t i = 1; i <= kNodes; ++i) {
      api_[i] = FreePort();
      peer_[i] = FreePort();
    }
    for (uint32_t i = 1; i <= kNodes; ++i) Start(i);
  }

  void Start(uint32_t node) {
    process_[node] = std::make_unique<ServerProcess>(
        absl::StrCat(directory_.path(), "/", node),
        std::vector<std::string>{
            "--managed", absl::StrCat("--listen=127.0.0.1:", api_[node]),
            absl::StrCat("--peer_listen=127.0.0.1:", peer_[node])});
    ASSERT_NE(process_[node]->address(), "") << process_[node]->errors();
  }
  void Kill(uint32_t node) { process_[node]->End(SIGKILL); }

  // The controller's only words.
  void Bootstrap(uint32_t node) {
    v1::BootstrapRequest request;
    v1::GroupConfig& group = *request.mutable_group();
    group.set_group_id(kGroup);
    group.set_member_id(node);
    for (uint32_t i = 1; i <= kNodes; ++i) {
      v1::MemberConfig& member = *group.add_members();
      member.set_member_id(i);
      member.set_host("127.0.0.1");
      member.set_port(peer_[i]);
    }
    Call call;
    v1::BootstrapResponse response;
    const grpc::Status status = v1::Node::NewStub(process_[node]->Connect())
                                    ->Bootstrap(&call, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  // Which node leads, as this one knows; 0: nobody.
  uint32_t LeaderAt(uint32_t node) {
    Call call;
    multiraft::admin::v1::StatusResponse status;
    if (!multiraft::admin::v1::Admin::NewStub(process_[node]->Connect())
             ->Status(&call, {}, &status)
             .ok() ||
        status.partitions_size() != 1) {
      return 0;
    }
    return status.partitions(0).leader_node();
  }

  std::string AddressOf(uint32_t node) {
    return absl::StrCat("127.0.0.1:", api_[node]);
  }
  // The client gets answers that it did not have.
  static void AwaitProgress(const CounterLoad& load) {
    const int64_t before = load.acknowledged();
    EXPECT_TRUE(
        base::WaitUntil([&] { return load.acknowledged() > before + 10; },
                        {.timeout_ns = 30'000'000'000}));
  }

  TempDir directory_;
  std::map<uint32_t, uint16_t> api_;
  std::map<uint32_t, uint16_t> peer_;
  std::map<uint32_t, std::unique_ptr<ServerProcess>> process_;
};

TEST_F(ManagedKillTest, EachIsKilledInTurnAndComesBackWithoutAController) {
  for (uint32_t i = 1; i <= kNodes; ++i) Bootstrap(i);
  uint32_t leader = 0;
  ASSERT_TRUE(base::WaitUntil([&] {
    leader = LeaderAt(1);
    return leader != 0;
  }));
  // The client's own node stays.
  const uint32_t other = leader % kNodes + 1;
  const uint32_t stays = other % kNodes + 1;
  CounterLoad load(AddressOf(stays));
  AwaitProgress(load);

  Kill(leader);
  AwaitProgress(load);
  Start(leader);
  // Now it is needed.
  Kill(other);
  AwaitProgress(load);
  Start(other);
  Kill(leader);
  AwaitProgress(load);
  Start(leader);

  const int64_t acknowledged = load.Stop();
  EXPECT_OK(load.failure());
  // Each has it all, and nothing twice.
  for (uint32_t i = 1; i <= kNodes; ++i) {
    client::Connection connection(
        {.server = AddressOf(i), .call_timeout = absl::Seconds(30)});
    auto session = client::Session::Open(connection, {});
    ASSERT_OK(session.status());
    auto counter = client::Counter::Open(**session, {"load"});
    ASSERT_OK(counter.status());
    const absl::StatusOr<int64_t> value = counter->Get();
    ASSERT_OK(value.status());
    EXPECT_EQ(*value, acknowledged);
  }
}

}  // namespace
}  // namespace tests
