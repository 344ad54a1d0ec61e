// Nodes that a controller manages: the test is the controller.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "atomix/multiraft/v1/node.grpc.pb.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "server/options.h"
#include "server/recover.h"
#include "tests/managed_node.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

using base::WaitUntil;
using ::testing::HasSubstr;
using Nodes = std::vector<const ManagedNode*>;
using Event = NodeWatcher::Event;

class ManagedTest : public ::testing::Test {
 protected:
  ManagedNode& node(size_t number) { return *nodes_[number - 1]; }

  Nodes All(size_t count) {
    Nodes all;
    for (size_t i = 0; i < count; ++i) all.push_back(nodes_[i].get());
    return all;
  }
  ManagedNode& Add() {
    nodes_.push_back(std::make_unique<ManagedNode>());
    return *nodes_.back();
  }

  // Has the first `count` nodes begin a group.
  void Bootstrap(uint32_t group, size_t count) {
    for (uint32_t i = 1; i <= count; ++i) {
      ExpectOk(node(i).Bootstrap(GroupOn(group, i, All(count))));
    }
  }
  static void ExpectOk(const grpc::Status& status) {
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  static void ExpectRefused(const grpc::Status& status,
                            const std::string& what) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION)
        << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(what));
  }

  // The node that leads; 0: nobody does in time.
  uint32_t AwaitLeader(uint32_t group) {
    uint32_t leader = 0;
    WaitUntil([&] {
      for (uint32_t i = 1; i <= nodes_.size(); ++i) {
        if (node(i).Replica(group).rfind("leader", 0) == 0) leader = i;
      }
      return leader != 0;
    });
    return leader;
  }

  // What it is then, in a session of its own, asked of one node.
  static int64_t Increment(const ManagedNode& node, uint32_t group) {
    client::Connection connection(
        {.server = node.address(), .call_timeout = absl::Seconds(30)});
    auto session = client::Session::Open(connection, {.partition = group});
    EXPECT_OK(session.status());
    if (!session.ok()) return -1;
    auto counter = client::Counter::Open(**session, {"visits"});
    EXPECT_OK(counter.status());
    if (!counter.ok()) return -1;
    const absl::StatusOr<int64_t> value = counter->Increment(1);
    EXPECT_OK(value.status());
    return value.value_or(-1);
  }

  std::vector<std::unique_ptr<ManagedNode>> nodes_;
};

class ThreeManagedNodes : public ManagedTest {
 protected:
  ThreeManagedNodes() {
    for (int i = 0; i < 3; ++i) Add();
  }
};

TEST_F(ThreeManagedNodes, WithoutAControllerTheyCreateNothing) {
  for (uint32_t i = 1; i <= 3; ++i) {
    EXPECT_TRUE(node(i).server().WaitUntilServing(0));
    EXPECT_EQ(node(i).server().identity(), storage::Identity{});
    const auto status = node(i).Status();
    EXPECT_EQ(status.mode(), "managed");
    EXPECT_EQ(status.node_id(), 0u);
    EXPECT_EQ(status.partitions_size(), 0);
    EXPECT_FALSE(node(i).has_directory());
    // Nor for a client, who may come too early.
    client::Connection connection(
        {.server = node(i).address(), .call_timeout = absl::Milliseconds(200)});
    EXPECT_EQ(client::Session::Open(connection, {}).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(node(i).Leave(1).error_code(), grpc::StatusCode::NOT_FOUND);
  }
  for (auto& node : nodes_) node->Restart();
  for (auto& node : nodes_) EXPECT_FALSE(node->has_directory());
}

TEST_F(ThreeManagedNodes, AControllerBeginsGroupsAndTheyServe) {
  Bootstrap(1, 3);
  Bootstrap(2, 3);
  int64_t expected = 0;
  for (uint32_t i = 1; i <= 3; ++i) {
    ++expected;
    EXPECT_EQ(Increment(node(i), 1), expected);
    EXPECT_EQ(Increment(node(i), 2), expected);
  }
  const auto status = node(2).Status();
  EXPECT_EQ(status.node_id(), 2u);
  EXPECT_EQ(status.partition_count(), 2u);

  // Again, in another order.
  for (uint32_t i = 1; i <= 3; ++i) {
    v1::GroupConfig group = GroupOn(1, i, All(3));
    std::reverse(group.mutable_members()->begin(),
                 group.mutable_members()->end());
    ExpectOk(node(i).Bootstrap(group));
  }
  // With others.
  ExpectRefused(node(1).Bootstrap(GroupOn(1, 1, All(2))),
                absl::StrCat("group 1 is here with 1=", node(1).peer_address(),
                             ", 2=", node(2).peer_address(), ", 3="));
  // As another one.
  ExpectRefused(node(1).Bootstrap(GroupOn(1, 2, All(3))),
                "this node is member 1, as its data directory says, not "
                "member 2");
  EXPECT_EQ(Increment(node(1), 1), 4);
}

TEST_F(ThreeManagedNodes, GroupsRestartWithoutAController) {
  Bootstrap(1, 3);
  EXPECT_EQ(Increment(node(3), 1), 1);
  for (auto& node : nodes_) node->Stop();
  for (auto& node : nodes_) node->Start();
  EXPECT_EQ(Increment(node(1), 1), 2);
  // What a controller does after each start of a container.
  Bootstrap(1, 3);
  node(2).Restart();
  EXPECT_EQ(Increment(node(2), 1), 3);
}

// Or one that is lost before might have voted (U8); what waits is kept.
TEST_F(ThreeManagedNodes, AGroupBeginsWhenAllItsMembersWereToldOfIt) {
  // The lowest last: it decides.
  ExpectOk(node(3).Bootstrap(GroupOn(1, 3, All(3))));
  ExpectOk(node(2).Bootstrap(GroupOn(1, 2, All(3))));
  EXPECT_EQ(node(2).Replica(1), "");
  node(2).Restart();
  node(3).Restart();
  EXPECT_EQ(node(3).Replica(1), "");
  EXPECT_TRUE(WaitUntil([&] {
    const auto status = node(3).Status();
    return status.waiting_size() == 1 &&
           status.waiting(0).partition_id() == 1 &&
           status.waiting(0).waits_for().find(
               absl::StrCat("member 1 at ", node(1).peer_address(),
                            ", which was not told of it")) != std::string::npos;
  }));
  ExpectOk(node(1).Bootstrap(GroupOn(1, 1, All(3))));
  EXPECT_EQ(Increment(node(2), 1), 1);
}

TEST_F(ThreeManagedNodes, MembersThatWereToldOfOthersRefuseEachOther) {
  ExpectOk(node(1).Bootstrap(GroupOn(1, 1, All(3))));
  ExpectRefused(node(2).Bootstrap(GroupOn(1, 2, All(2))),
                "was told that group 1 begins with 1=");
  // That is forgotten, and the controller may say otherwise.
  ExpectOk(node(2).Bootstrap(GroupOn(1, 2, All(3))));
  // A group that has not begun can be left, and begun with others.
  for (uint32_t i : {1, 2}) ExpectOk(node(i).Leave(1));
  EXPECT_EQ(node(1).Leave(1).error_code(), grpc::StatusCode::NOT_FOUND);
  Bootstrap(1, 2);
  EXPECT_EQ(Increment(node(1), 1), 1);
}

TEST_F(ThreeManagedNodes, AWipedMemberIsRefusedAndCanBeReplaced) {  // U8
  Bootstrap(1, 3);
  EXPECT_EQ(Increment(node(1), 1), 1);
  node(2).Stop();
  node(2).Wipe();
  node(2).Start();
  ExpectRefused(
      node(2).Bootstrap(GroupOn(1, 2, All(3))),
      "group 1 began with another data directory of member 2, and this one is "
      "empty");
  EXPECT_EQ(node(2).Replica(1), "");

  // As the message says.
  client::Connection connection({.server = node(1).address()});
  multiraft::admin::v1::ChangeMembersRequest replace;
  replace.set_partition_id(1);
  replace.mutable_replace()->set_node_id(2);
  replace.mutable_replace()->set_new_node_id(2);
  replace.mutable_replace()->set_peer_address(node(2).peer_address());
  ASSERT_OK(client::ChangeMembers(connection, replace).status());
  EXPECT_TRUE(WaitUntil([&] { return node(2).Replica(1) != ""; }));
  // Now it is so, and remembered as such.
  ExpectOk(node(2).Bootstrap(GroupOn(1, 2, All(3))));
  node(3).Stop();
  EXPECT_EQ(Increment(node(2), 1), 2);
}

TEST_F(ThreeManagedNodes, RolesAreWhatTheyAreFor) {
  for (uint32_t i = 1; i <= 3; ++i) {
    v1::GroupConfig group = GroupOn(1, i, All(3));
    if (i == 1) group.set_role(v1::WITNESS);
    if (i == 3) group.set_role(v1::OBSERVER);
    ExpectOk(node(i).Bootstrap(group));
  }
  EXPECT_EQ(AwaitLeader(1), 2u);
  EXPECT_EQ(node(2).Replica(1), "leader 1 2 (3)");
  EXPECT_EQ(Increment(node(3), 1), 1);
}

// --- Members come and go ----------------------------------------------------

TEST_F(ThreeManagedNodes, AFourthNodeJoinsAndLeaves) {
  Bootstrap(1, 3);
  Bootstrap(2, 3);
  EXPECT_EQ(Increment(node(1), 1), 1);
  Add();
  EXPECT_FALSE(node(4).has_directory());
  ExpectOk(node(4).Join(GroupOn(1, 4, All(4))));
  EXPECT_EQ(node(4).Replica(1), "follower 1 2 3 4");
  // Again, and the others' list is out of date.
  ExpectOk(node(4).Join(GroupOn(1, 4, All(4))));
  // It serves also what it has no replica of.
  EXPECT_EQ(Increment(node(4), 1), 2);
  EXPECT_EQ(Increment(node(4), 2), 1);

  node(4).Restart();
  EXPECT_NE(node(4).Replica(1), "");
  // A controller tells each container its groups, the first ones as they began.
  ExpectOk(node(4).Bootstrap(GroupOn(1, 4, All(4))));
  ExpectOk(node(1).Bootstrap(GroupOn(1, 1, All(3))));
  ExpectOk(node(1).Bootstrap(GroupOn(1, 1, All(4))));

  ExpectOk(node(4).Leave(1));
  EXPECT_EQ(node(4).Replica(1), "");
  ExpectOk(node(4).Leave(1));
  EXPECT_EQ(node(4).Leave(7).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(WaitUntil(
      [&] { return node(AwaitLeader(1)).Replica(1) == "leader 1 2 3"; }));
  // Its votes are not forgotten: it cannot begin again, but join.
  ExpectRefused(node(4).Bootstrap(GroupOn(1, 4, All(4))), "left it");
  ExpectOk(node(4).Join(GroupOn(1, 4, All(4))));
  EXPECT_EQ(Increment(node(4), 1), 3);
}

TEST_F(ThreeManagedNodes, ALeaderMayLeaveAndComeBack) {
  Bootstrap(1, 3);
  const uint32_t leader = AwaitLeader(1);
  EXPECT_EQ(Increment(node(1), 1), 1);
  ExpectOk(node(leader).Leave(1));
  EXPECT_EQ(node(leader).Replica(1), "");
  EXPECT_EQ(Increment(node(leader), 1), 2);
  ExpectOk(node(leader).Join(GroupOn(1, leader, All(3))));
  EXPECT_NE(node(leader).Replica(1), "");
  EXPECT_EQ(Increment(node(leader), 1), 3);
}

TEST_F(ManagedTest, TheLastMemberStays) {
  Add();
  Bootstrap(1, 1);
  EXPECT_EQ(Increment(node(1), 1), 1);
  ExpectRefused(node(1).Leave(1), "it is the last voter");
  EXPECT_EQ(Increment(node(1), 1), 2);
  // Others may come.
  Add();
  ExpectOk(node(2).Join(GroupOn(1, 2, All(2))));
  ExpectOk(node(1).Leave(1));
  EXPECT_EQ(Increment(node(1), 1), 3);
}

TEST_F(ManagedTest, ObserversAndWitnessesJoinAsSuch) {
  Add();
  Bootstrap(1, 1);
  ASSERT_EQ(AwaitLeader(1), 1u);
  Add();
  v1::GroupConfig observer = GroupOn(1, 2, All(2));
  observer.set_role(v1::OBSERVER);
  ExpectOk(node(2).Join(observer));
  Add();
  v1::GroupConfig witness = GroupOn(1, 3, All(3));
  witness.set_role(v1::WITNESS);
  ExpectOk(node(3).Join(witness));
  EXPECT_EQ(node(1).Replica(1), "leader 1 (2) 3");
  const auto status = node(1).Status();
  for (const auto& member : status.partitions(0).members()) {
    EXPECT_EQ(member.priority(), member.node().node_id() == 3 ? 0u : 1u);
  }
}

TEST_F(ManagedTest, WhoIsToJoinNobodyStaysAsItIs) {
  Add();
  Add();
  // Node 1 is in no cluster yet.
  const grpc::Status status =
      node(2).JoinWithin(std::chrono::seconds(2), GroupOn(1, 2, All(2)));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr(node(1).peer_address()));
  EXPECT_FALSE(node(2).has_directory());
  // So it may become another one.
  ExpectOk(node(2).Bootstrap(GroupOn(1, 1, {&node(2)})));
  EXPECT_EQ(Increment(node(2), 1), 1);
}

// Who joins may come before the others are there, as containers do.
TEST_F(ManagedTest, AJoinGoesOnAsLongAsItsCallerWaits) {
  for (int i = 0; i < 4; ++i) Add();
  const auto waits_for = [&](const std::string& what) {
    return WaitUntil([&] {
      const auto status = node(4).Status();
      return status.waiting_size() == 1 &&
             status.waiting(0).partition_id() == 1 &&
             status.waiting(0).waits_for().find(what) != std::string::npos;
    });
  };
  std::thread joining([&] { ExpectOk(node(4).Join(GroupOn(1, 4, All(4)))); });
  EXPECT_TRUE(waits_for("nobody answers"));
  EXPECT_FALSE(node(4).has_directory());
  Bootstrap(1, 3);
  joining.join();
  EXPECT_EQ(node(4).Status().waiting_size(), 0);

  // And so when nobody leads the group any more.
  ExpectOk(node(4).Leave(1));
  node(2).Stop();
  node(3).Stop();
  EXPECT_TRUE(
      WaitUntil([&] { return node(1).Replica(1).rfind("leader", 0) != 0; }));
  joining = std::thread([&] { ExpectOk(node(4).Join(GroupOn(1, 4, All(4)))); });
  EXPECT_TRUE(waits_for("nobody is known to lead the group"));
  node(3).Start();
  joining.join();
  EXPECT_EQ(node(4).Status().waiting_size(), 0);
  EXPECT_NE(node(4).Replica(1), "");
}

// All whom it could ask were removed like itself while its node was down; the
// leaders' nodes tell who leads.
TEST_F(ThreeManagedNodes, WhoWasRemovedHearsItFromStrangers) {
  Bootstrap(1, 3);
  EXPECT_EQ(Increment(node(1), 1), 1);
  node(3).Stop();
  for (uint32_t i : {4, 5, 6}) {
    Add();
    ExpectOk(node(i).Join(GroupOn(1, i, All(i))));
  }
  {
    client::Connection connection({.server = node(4).address()});
    multiraft::admin::v1::ChangeMembersRequest remove;
    remove.set_partition_id(1);
    remove.mutable_remove()->set_node_id(3);
    ASSERT_OK(client::ChangeMembers(connection, remove).status());
  }
  for (uint32_t i : {1, 2}) ExpectOk(node(i).Leave(1));
  node(3).Start();
  EXPECT_TRUE(WaitUntil([&] { return node(3).Replica(1).empty(); },
                        {.timeout_ns = 30'000'000'000}));
  EXPECT_EQ(Increment(node(3), 1), 2);
}

// A majority is lost for good: what is left is another cluster, with an id of
// its own, and new nodes join that one.
TEST_F(ManagedTest, NodesJoinAClusterThatWasRecovered) {
  Add();
  Add();
  Bootstrap(1, 2);
  EXPECT_EQ(Increment(node(1), 1), 1);
  node(1).Stop();
  node(2).Stop();
  server::Options recover;
  recover.data_dir = node(1).data_dir();
  recover.yes = true;
  std::ostringstream out;
  ASSERT_OK(server::Recover(recover, out));
  node(1).Start();
  EXPECT_EQ(Increment(node(1), 1), 2);
  Add();
  ExpectOk(node(3).Join(GroupOn(1, 3, {&node(1), &node(2), &node(3)})));
  EXPECT_EQ(node(3).Replica(1), "follower 1 3");
  EXPECT_EQ(node(3).Status().cluster(), node(1).Status().cluster());
}

// As in a container: where clients reach it, its group's members say.
TEST_F(ManagedTest, ANodeThatListensEverywhereIsReachedAtItsMembersHost) {
  nodes_.push_back(std::make_unique<ManagedNode>("0.0.0.0:0"));
  Bootstrap(1, 1);
  const auto status = node(1).Status();
  ASSERT_EQ(status.nodes_size(), 1);
  EXPECT_EQ(status.nodes(0).api_address(), node(1).address());
  EXPECT_EQ(status.nodes(0).peer_address(), node(1).peer_address());
}

// --- Watch ------------------------------------------------------------------

bool IsLeader(const Event& event, uint32_t group, uint64_t leader) {
  return event.has_leader_updated() &&
         event.leader_updated().member().group_id() == group &&
         event.leader_updated().leader() == leader;
}

TEST_F(ThreeManagedNodes, AWatchSeesElectionsReadinessAndMembers) {
  NodeWatcher watcher(node(2));
  Bootstrap(1, 3);
  EXPECT_TRUE(watcher.Await([](const Event& event) {
    return event.has_membership_changed() &&
           event.membership_changed().member().member_id() == 2;
  }));
  const uint32_t leader = AwaitLeader(1);
  EXPECT_TRUE(watcher.Await(
      [&](const Event& event) { return IsLeader(event, 1, leader); }));
  EXPECT_TRUE(watcher.Await([](const Event& event) {
    return event.has_member_ready() &&
           event.member_ready().member().group_id() == 1;
  }));

  // Another leader.
  const uint32_t next = leader == 2 ? 3 : 2;
  client::Connection connection({.server = node(leader).address()});
  ASSERT_OK(client::TransferLeader(connection, 1, next).status());
  EXPECT_TRUE(watcher.Await(
      [&](const Event& event) { return IsLeader(event, 1, next); }));

  // Another member, and another node.
  Add();
  ExpectOk(node(4).Join(GroupOn(1, 4, All(4))));
  EXPECT_TRUE(watcher.Await(
      [](const Event& event) { return event.has_membership_changed(); }));
  NodeWatcher late(node(2));
  EXPECT_TRUE(
      late.Await([&](const Event& event) { return IsLeader(event, 1, next); }));
  EXPECT_TRUE(
      late.Await([](const Event& event) { return event.has_member_ready(); }));
  node(4).Stop();
  EXPECT_TRUE(late.Await([&](const Event& event) {
    return event.has_connection_failed() &&
           event.connection_failed().info().address() == node(4).peer_address();
  }));
  node(4).Start();
  EXPECT_TRUE(late.Await([&](const Event& event) {
    return event.has_connection_established() &&
           event.connection_established().info().address() ==
               node(4).peer_address();
  }));
}

// --- Nodes that no controller manages ---------------------------------------

TEST(UnmanagedTest, ANodeThatIsAloneSaysHowToStartIt) {
  TestServer server;
  auto stub = v1::Node::NewStub(server.Connect());
  const auto expect_refused = [](const grpc::Status& status,
                                 const std::string& what) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(), HasSubstr(what));
  };
  v1::GroupConfig group;
  group.set_group_id(1);
  group.set_member_id(1);
  v1::MemberConfig& member = *group.add_members();
  member.set_member_id(1);
  member.set_host("h");
  member.set_port(1);
  {
    Call call;
    v1::BootstrapRequest request;
    *request.mutable_group() = group;
    v1::BootstrapResponse response;
    expect_refused(stub->Bootstrap(&call, request, &response), "--managed");
  }
  {
    Call call;
    v1::LeaveRequest request;
    request.set_group_id(1);
    v1::LeaveResponse response;
    expect_refused(stub->Leave(&call, request, &response), "alone");
  }
  // But it can be watched.
  Call call;
  auto watch = stub->Watch(&call, {});
  Event event;
  ASSERT_TRUE(watch->Read(&event));
  EXPECT_EQ(event.leader_updated().leader(), 1u);
  ASSERT_TRUE(watch->Read(&event));
  EXPECT_TRUE(event.has_member_ready());
  call->TryCancel();
}

}  // namespace
}  // namespace tests
