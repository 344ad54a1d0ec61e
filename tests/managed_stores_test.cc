// Nodes that a controller of the second generation manages: the test is the
// controller.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/stores/raft/v1/node.grpc.pb.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "tests/managed_node.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

namespace stores = ::atomix::stores::raft::v1;
using base::WaitUntil;
using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kGroup = 1;

class ManagedStoresTest : public ::testing::Test {
 protected:
  ManagedStoresTest() {
    for (int i = 0; i < 4; ++i) {
      nodes_.push_back(std::make_unique<ManagedNode>());
    }
  }

  ManagedNode& node(uint32_t number) { return *nodes_[number - 1]; }
  std::unique_ptr<stores::Node::Stub> Stub(uint32_t number) {
    return stores::Node::NewStub(grpc::CreateChannel(
        node(number).address(), grpc::InsecureChannelCredentials()));
  }

  stores::MemberConfig Member(uint32_t number) {
    const std::string& address = node(number).peer_address();
    const size_t colon = address.rfind(':');
    stores::MemberConfig member;
    member.set_member_id(number);
    member.set_host(address.substr(0, colon));
    member.set_port(std::stoi(address.substr(colon + 1)));
    member.set_role(stores::MEMBER);
    return member;
  }

  // The first three nodes begin the group.
  void Bootstrap() {
    for (uint32_t i = 1; i <= 3; ++i) {
      stores::BootstrapGroupRequest request;
      request.set_group_id(kGroup);
      request.set_member_id(i);
      for (uint32_t m = 1; m <= 3; ++m) *request.add_members() = Member(m);
      stores::BootstrapGroupResponse response;
      Call call;
      Expect(Stub(i)->BootstrapGroup(&call, request, &response),
             StatusCode::OK);
    }
  }
  static void Expect(const grpc::Status& status, StatusCode code) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
  }

  // As a node says, when it has its members.
  stores::GroupConfig Config(uint32_t number) {
    stores::GroupConfig config;
    EXPECT_TRUE(WaitUntil([&] {
      stores::GetConfigRequest request;
      request.set_group_id(kGroup);
      stores::GetConfigResponse response;
      Call call;
      const bool ok = Stub(number)->GetConfig(&call, request, &response).ok();
      config = response.group();
      return ok;
    }));
    return config;
  }
  std::vector<uint32_t> Members(uint32_t number) {
    std::vector<uint32_t> members;
    const stores::GroupConfig config = Config(number);
    for (const auto& member : config.members()) {
      EXPECT_EQ(member.role(), stores::MEMBER);
      EXPECT_EQ(member.port(), Member(member.member_id()).port());
      members.push_back(member.member_id());
    }
    return members;
  }

  grpc::Status AddMember(uint32_t at, uint32_t member, uint64_t version) {
    stores::AddMemberRequest request;
    request.set_group_id(kGroup);
    *request.mutable_member() = Member(member);
    request.set_version(version);
    stores::AddMemberResponse response;
    Call call;
    return Stub(at)->AddMember(&call, request, &response);
  }
  grpc::Status RemoveMember(uint32_t at, uint32_t member, uint64_t version) {
    stores::RemoveMemberRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member);
    request.set_version(version);
    stores::RemoveMemberResponse response;
    Call call;
    return Stub(at)->RemoveMember(&call, request, &response);
  }
  grpc::Status JoinGroup(uint32_t number, uint32_t member) {
    stores::JoinGroupRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member);
    stores::JoinGroupResponse response;
    Call call;
    return Stub(number)->JoinGroup(&call, request, &response);
  }
  grpc::Status LeaveGroup(uint32_t number) {
    stores::LeaveGroupRequest request;
    request.set_group_id(kGroup);
    stores::LeaveGroupResponse response;
    Call call;
    return Stub(number)->LeaveGroup(&call, request, &response);
  }
  grpc::Status DeleteData(uint32_t number) {
    stores::DeleteDataRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(number);
    stores::DeleteDataResponse response;
    Call call;
    return Stub(number)->DeleteData(&call, request, &response);
  }

  std::vector<std::unique_ptr<ManagedNode>> nodes_;
};

TEST_F(ManagedStoresTest, MembersComeAndGo) {
  Bootstrap();
  EXPECT_THAT(Members(1), ElementsAre(1, 2, 3));
  const uint64_t version = Config(1).version();
  EXPECT_EQ(Config(2).version(), version) << "the same on every node";
  Expect(JoinGroup(1, 1), StatusCode::ALREADY_EXISTS);

  // The order of the Go controllers: first the group is told, then the node,
  // which knows nothing yet.
  EXPECT_FALSE(node(4).has_directory());
  Expect(AddMember(2, 4, version), StatusCode::OK);
  EXPECT_EQ(node(4).Replica(kGroup), "follower 1 2 3 4");
  Expect(JoinGroup(4, 4), StatusCode::OK);
  Expect(JoinGroup(4, 4), StatusCode::ALREADY_EXISTS);
  EXPECT_TRUE(WaitUntil([&] { return Config(2).version() != version; }));
  Expect(AddMember(2, 4, version), StatusCode::ABORTED);
  EXPECT_THAT(Members(4), ElementsAre(1, 2, 3, 4));
  const uint64_t with_four = Config(4).version();
  EXPECT_NE(with_four, version);

  Expect(DeleteData(4), StatusCode::FAILED_PRECONDITION);
  Expect(RemoveMember(4, 3, version), StatusCode::ABORTED);
  ASSERT_TRUE(WaitUntil([&] { return Config(1).version() == with_four; }));
  Expect(RemoveMember(1, 3, with_four), StatusCode::OK);
  EXPECT_TRUE(WaitUntil([&] { return node(3).Replica(kGroup).empty(); }));
  Expect(LeaveGroup(3), StatusCode::OK);
  Expect(DeleteData(3), StatusCode::OK);
  EXPECT_TRUE(WaitUntil([&] {
    return Members(4) == std::vector<uint32_t>({1, 2, 4});
  }));

  // And back, with the node told first.
  Expect(JoinGroup(3, 3), StatusCode::OK);
  Expect(AddMember(4, 3, Config(4).version()), StatusCode::OK);
  EXPECT_NE(node(3).Replica(kGroup), "");
}

TEST_F(ManagedStoresTest, ANodeIsOneMemberOnly) {
  Bootstrap();
  Config(1);
  const grpc::Status other = JoinGroup(1, 7);
  // It has bootstrapped this one.
  Expect(other, StatusCode::ALREADY_EXISTS);
  node(1).Restart();
  const grpc::Status status = JoinGroup(1, 7);
  Expect(status, StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("this node is member 1"));
  Expect(JoinGroup(1, 1), StatusCode::OK);
}

TEST_F(ManagedStoresTest, WhoIsNotThereIsUnavailable) {
  Bootstrap();
  const uint64_t version = Config(1).version();
  const std::string address = node(4).peer_address();
  node(4).Stop();
  const grpc::Status status = AddMember(1, 4, version);
  Expect(status, StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr(address));
  EXPECT_EQ(Config(1).version(), version);
  // The others may have begun before it did.
  EXPECT_EQ(Config(3).version(), version);
  Expect(LeaveGroup(3), StatusCode::OK);
  EXPECT_TRUE(WaitUntil([&] {
    return Members(1) == std::vector<uint32_t>({1, 2});
  }));
}

}  // namespace
}  // namespace tests
