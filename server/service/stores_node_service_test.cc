// The second generation's node service over real gRPC: what is checked, what is
// passed on, and what a group looks like.

#include "server/service/stores_node_service.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/stores/raft/v1/node.grpc.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/golden.h"
#include "server/service/authorizer.h"
#include "server/service/gateway.h"
#include "server/service/testing/fake_partition.h"
#include "server/service/testing/manual_executor.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::stores::raft::v1;
using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr base::PartitionId kGroup{3};

raft::Member MemberOn(uint32_t node, const std::string& peer_address) {
  return {.replica = raft::ReplicaId(10 + node),
          .node = base::NodeId(node),
          .incarnation = 7,
          .peer_address = peer_address,
          .api_address = "host:1"};
}

// A voter, a witness and a learner.
raft::Configuration ThreeMembers() {
  raft::Configuration three;
  three.voters = {raft::ReplicaId(11), raft::ReplicaId(12)};
  three.learners = {raft::ReplicaId(13)};
  three.members = {MemberOn(1, "node-1:5679"), MemberOn(2, "node-2:5679"),
                   MemberOn(3, "[::1]:5679")};
  three.members[1].priority = 0;
  return three;
}

struct Asked {
  std::string what;
  storage::Group group;
};

// Refuses one RPC.
class RefuseOne : public Authorizer {
 public:
  absl::Status Check(const Caller&,
                     const DecodedOperation& operation) override {
    base::MutexLock lock(mu);
    if (operation.rpc != refused) return absl::OkStatus();
    return absl::PermissionDeniedError("not you");
  }

  base::Mutex mu;
  std::string refused ABSL_GUARDED_BY(mu);
};

class StoresNodeServiceTest : public ::testing::Test {
 protected:
  StoresNodeServiceTest()
      : gateway_(
            Options{},
            {.find = [](base::PartitionId) { return nullptr; },
             .all =
                 [this] {
                   return std::vector<std::shared_ptr<partition::Partition>>{
                       partition_};
                 }},
            authorizer_, timer_, base::SystemClock()),
        service_(Actions(), events_, gateway_) {
    partition_->set_configuration(ThreeMembers());
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::Node::NewStub(grpc::CreateChannel(
        absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  ~StoresNodeServiceTest() override {
    gateway_.Close();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  GroupActions Actions() {
    return {
        .bootstrap =
            [this](storage::Group group, GroupDone done) {
              Ask("bootstrap", std::move(group), std::move(done));
            },
        .join = [](storage::Group, IsWaiting, GroupDone) {},
        .expect =
            [this](base::PartitionId id, base::NodeId self, GroupDone done) {
              Ask("expect", {.id = id, .self = self}, std::move(done));
            },
        .leave =
            [this](base::PartitionId id, GroupDone done) {
              Ask("leave", {.id = id}, std::move(done));
            },
        .add =
            [this](storage::Group group, GroupDone done) {
              Ask("add", std::move(group), std::move(done));
            },
        .remove =
            [this](base::PartitionId id, base::NodeId member, GroupDone done) {
              Ask("remove", {.id = id, .self = member}, std::move(done));
            }};
  }
  void Ask(const std::string& what, storage::Group group, GroupDone done) {
    absl::Status answer;
    {
      base::MutexLock lock(mu_);
      asked_.push_back({what, std::move(group)});
      answer = answer_;
    }
    std::move(done)(std::move(answer));
  }
  // What was asked since it was last read.
  std::vector<Asked> TakeAsked() {
    base::MutexLock lock(mu_);
    return std::exchange(asked_, {});
  }
  void SetAnswer(absl::Status answer) {
    base::MutexLock lock(mu_);
    answer_ = std::move(answer);
  }

  template <class Request, class Response>
  grpc::Status Call(grpc::Status (v1::Node::Stub::*rpc)(grpc::ClientContext*,
                                                        const Request&,
                                                        Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
    return ((*stub_).*rpc)(&context, request, response);
  }
  template <class Request, class Response>
  grpc::Status Call(grpc::Status (v1::Node::Stub::*rpc)(grpc::ClientContext*,
                                                        const Request&,
                                                        Response*),
                    const Request& request) {
    Response response;
    return Call(rpc, request, &response);
  }

  // The golden requests, which are about member 2 of group 3.
  template <class Request>
  static Request Golden() {
    Request request;
    for (const proto::Golden& golden :
         proto::ReadGoldens({"proto/testdata/stores.golden"})) {
      if (golden.message != Request::descriptor()->full_name()) continue;
      EXPECT_TRUE(request.ParseFromString(golden.bytes));
    }
    return request;
  }
  static v1::AddMemberRequest Add() {
    auto request = Golden<v1::AddMemberRequest>();
    request.set_version(VersionOf(ThreeMembers()));
    return request;
  }
  static v1::RemoveMemberRequest Remove() {
    auto request = Golden<v1::RemoveMemberRequest>();
    request.set_version(VersionOf(ThreeMembers()));
    return request;
  }
  grpc::Status Bootstrap(const v1::BootstrapGroupRequest& request) {
    return Call(&v1::Node::Stub::BootstrapGroup, request);
  }
  grpc::Status Join() {
    return Call(&v1::Node::Stub::JoinGroup, Golden<v1::JoinGroupRequest>());
  }

  std::shared_ptr<FakePartition> partition_ =
      std::make_shared<FakePartition>(kGroup);
  NodeEvents events_{base::SystemClock()};
  RefuseOne authorizer_;
  ManualExecutor timer_;
  Gateway gateway_;
  StoresNodeService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Node::Stub> stub_;

  base::Mutex mu_;
  absl::Status answer_ ABSL_GUARDED_BY(mu_);
  std::vector<Asked> asked_ ABSL_GUARDED_BY(mu_);
};

TEST_F(StoresNodeServiceTest, AGroupIsItsMembersAndTheirVersion) {
  v1::GetConfigResponse response;
  ASSERT_TRUE(Call(&v1::Node::Stub::GetConfig, Golden<v1::GetConfigRequest>(),
                   &response)
                  .ok());
  const v1::GroupConfig& group = response.group();
  EXPECT_EQ(group.group_id(), 3u);
  std::vector<std::string> members;
  for (const v1::MemberConfig& member : group.members()) {
    members.push_back(absl::StrCat(member.member_id(), " ", member.host(), " ",
                                   member.port(), " ",
                                   v1::MemberRole_Name(member.role())));
  }
  EXPECT_THAT(members,
              ElementsAre("1 node-1 5679 MEMBER", "2 node-2 5679 WITNESS",
                          "3 ::1 5679 OBSERVER"));
  EXPECT_EQ(group.version(), VersionOf(ThreeMembers()));
  EXPECT_NE(group.version(), 0u);
  raft::Configuration other = ThreeMembers();
  other.members[1].priority = 1;
  EXPECT_NE(VersionOf(other), group.version());
}

TEST_F(StoresNodeServiceTest, AGroupThatIsNotHereIsNotFound) {
  v1::GetConfigRequest get;
  get.set_group_id(4);
  const grpc::Status status = Call(&v1::Node::Stub::GetConfig, get);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("no replica of group 4"));
  v1::AddMemberRequest add = Add();
  add.set_group_id(4);
  EXPECT_EQ(Call(&v1::Node::Stub::AddMember, add).error_code(),
            StatusCode::NOT_FOUND);
  v1::RemoveMemberRequest remove = Remove();
  remove.set_group_id(4);
  EXPECT_EQ(Call(&v1::Node::Stub::RemoveMember, remove).error_code(),
            StatusCode::NOT_FOUND);
  EXPECT_THAT(TakeAsked(), IsEmpty());
}

TEST_F(StoresNodeServiceTest, BootstrapIsThatOfTheFirstGeneration) {
  auto request = Golden<v1::BootstrapGroupRequest>();
  auto* const witness = request.add_members();
  witness->set_member_id(1);
  witness->set_host("::1");
  witness->set_port(1);
  witness->set_role(v1::WITNESS);
  auto* const removed = request.add_members();
  removed->set_member_id(9);
  removed->set_role(v1::REMOVED);
  ASSERT_TRUE(Bootstrap(request).ok());
  const std::vector<Asked> asked = TakeAsked();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].what, "bootstrap");
  EXPECT_EQ(asked[0].group,
            (storage::Group{.id = kGroup,
                            .self = base::NodeId(2),
                            .role = storage::GroupRole::kObserver,
                            .members = {{base::NodeId(1), "[::1]:1"},
                                        {base::NodeId(2), "node-2:5679"}}}));
}

TEST_F(StoresNodeServiceTest, AddMemberHasTheNodeJoinThePresentMembers) {
  v1::AddMemberRequest request = Add();
  request.mutable_member()->set_member_id(4);
  request.mutable_member()->set_host("node-4");
  ASSERT_TRUE(Call(&v1::Node::Stub::AddMember, request).ok());
  std::vector<Asked> asked = TakeAsked();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].what, "add");
  EXPECT_EQ(asked[0].group,
            (storage::Group{.id = kGroup,
                            .self = base::NodeId(4),
                            .role = storage::GroupRole::kObserver,
                            .members = {{base::NodeId(1), "node-1:5679"},
                                        {base::NodeId(2), "node-2:5679"},
                                        {base::NodeId(3), "[::1]:5679"},
                                        {base::NodeId(4), "node-4:5679"}}}));
  // One that is there already may be asked again.
  ASSERT_TRUE(Call(&v1::Node::Stub::AddMember, Add()).ok());
  asked = TakeAsked();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].group.members.size(), 3u);

  ASSERT_TRUE(Call(&v1::Node::Stub::RemoveMember, Remove()).ok());
  asked = TakeAsked();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].what, "remove");
  EXPECT_EQ(asked[0].group.self, base::NodeId(2));
}

TEST_F(StoresNodeServiceTest, AChangeOfOtherMembersIsAborted) {
  // Another change came between.
  raft::Configuration now = ThreeMembers();
  now.learners.clear();
  now.members.pop_back();
  partition_->set_configuration(now);
  for (const grpc::Status& status :
       {Call(&v1::Node::Stub::AddMember, Add()),
        Call(&v1::Node::Stub::RemoveMember, Remove())}) {
    EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
    EXPECT_THAT(status.error_message(),
                HasSubstr(absl::StrCat("has version ", VersionOf(now))));
  }
  // It does not know them yet.
  partition_->set_configuration({});
  EXPECT_EQ(Call(&v1::Node::Stub::AddMember, Add()).error_code(),
            StatusCode::UNAVAILABLE);
  // It is gone.
  partition_->Stop({});
  EXPECT_EQ(Call(&v1::Node::Stub::AddMember, Add()).error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_THAT(TakeAsked(), IsEmpty());
}

TEST_F(StoresNodeServiceTest, AGroupIsJoinedOnce) {
  SetAnswer(absl::FailedPreconditionError("another member"));
  EXPECT_EQ(Join().error_code(), StatusCode::FAILED_PRECONDITION);
  SetAnswer(absl::OkStatus());
  EXPECT_TRUE(Join().ok());
  EXPECT_EQ(Join().error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_TRUE(
      Call(&v1::Node::Stub::LeaveGroup, Golden<v1::LeaveGroupRequest>()).ok());
  EXPECT_TRUE(Bootstrap(Golden<v1::BootstrapGroupRequest>()).ok());
  EXPECT_EQ(Join().error_code(), StatusCode::ALREADY_EXISTS);
  std::vector<std::string> asked;
  for (const Asked& one : TakeAsked()) asked.push_back(one.what);
  EXPECT_THAT(asked, ElementsAre("expect", "expect", "leave", "bootstrap"));
}

TEST_F(StoresNodeServiceTest, DataOfAReplicaThatRunsIsKept) {
  auto request = Golden<v1::DeleteDataRequest>();
  EXPECT_EQ(Call(&v1::Node::Stub::DeleteData, request).error_code(),
            StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(TakeAsked(), IsEmpty());
  request.set_group_id(4);
  EXPECT_TRUE(Call(&v1::Node::Stub::DeleteData, request).ok());
  EXPECT_EQ(TakeAsked().at(0).what, "leave");
}

TEST_F(StoresNodeServiceTest, EachBadRequestNamesItsField) {
  const auto expect_invalid = [](const grpc::Status& status,
                                 const std::string& what) {
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << what;
    EXPECT_THAT(status.error_message(), HasSubstr(what));
  };
  using Stub = v1::Node::Stub;
  expect_invalid(Call(&Stub::GetConfig, v1::GetConfigRequest()),
                 "group_id: groups count from 1");
  expect_invalid(Call(&Stub::LeaveGroup, v1::LeaveGroupRequest()),
                 "group_id: groups count from 1");
  expect_invalid(Bootstrap({}), "group_id");
  const auto bootstrap = [&](auto change) {
    auto request = Golden<v1::BootstrapGroupRequest>();
    change(request);
    return Bootstrap(request);
  };
  expect_invalid(bootstrap([](auto& r) { r.set_member_id(0); }),
                 "member_id: members count from 1");
  expect_invalid(bootstrap([](auto& r) { r.set_member_id(7); }),
                 "member 7, which is to run here, is not among them");
  expect_invalid(bootstrap([](auto& r) { r.clear_members(); }),
                 "members: there are none");
  expect_invalid(bootstrap([](auto& r) { *r.add_members() = r.members(0); }),
                 "member 2 is there twice");
  expect_invalid(
      bootstrap([](auto& r) {
        r.mutable_members(0)->set_role(static_cast<v1::MemberRole>(9));
      }),
      "members[0].role: 9");
  expect_invalid(
      bootstrap([](auto& r) { r.mutable_members(0)->set_host("a b"); }),
      "members[0].host");
  expect_invalid(
      bootstrap([](auto& r) { r.mutable_members(0)->set_role(v1::REMOVED); }),
      "members: there are none");

  const auto add = [&](auto change) {
    v1::AddMemberRequest request = Add();
    change(request);
    return Call(&Stub::AddMember, request);
  };
  expect_invalid(add([](auto& r) { r.set_version(0); }),
                 "version: it is required");
  expect_invalid(add([](auto& r) { r.clear_member(); }), "member.member_id");
  expect_invalid(add([](auto& r) { r.mutable_member()->set_port(0); }),
                 "member.port: 0 is no port");
  expect_invalid(
      add([](auto& r) { r.mutable_member()->set_role(v1::REMOVED); }),
      "member.role: 4");
  v1::RemoveMemberRequest remove = Remove();
  remove.set_version(0);
  expect_invalid(Call(&Stub::RemoveMember, remove), "version: it is required");
  remove = Remove();
  remove.set_member_id(0);
  expect_invalid(Call(&Stub::RemoveMember, remove), "member_id");
  v1::JoinGroupRequest join;
  join.set_group_id(3);
  expect_invalid(Call(&Stub::JoinGroup, join), "member_id");
  v1::DeleteDataRequest drop;
  drop.set_group_id(3);
  expect_invalid(Call(&Stub::DeleteData, drop), "member_id");
  EXPECT_THAT(TakeAsked(), IsEmpty());
}

TEST_F(StoresNodeServiceTest, NothingPassesTheAuthorizer) {
  using Stub = v1::Node::Stub;
  const std::vector<std::pair<std::string, std::function<grpc::Status()>>> all =
      {{"GetConfig",
        [this] {
          return Call(&Stub::GetConfig, Golden<v1::GetConfigRequest>());
        }},
       {"BootstrapGroup",
        [this] { return Bootstrap(Golden<v1::BootstrapGroupRequest>()); }},
       {"AddMember", [this] { return Call(&Stub::AddMember, Add()); }},
       {"RemoveMember", [this] { return Call(&Stub::RemoveMember, Remove()); }},
       {"JoinGroup", [this] { return Join(); }},
       {"LeaveGroup",
        [this] {
          return Call(&Stub::LeaveGroup, Golden<v1::LeaveGroupRequest>());
        }},
       {"DeleteData", [this] {
          return Call(&Stub::DeleteData, Golden<v1::DeleteDataRequest>());
        }}};
  for (const auto& [rpc, call] : all) {
    {
      base::MutexLock lock(authorizer_.mu);
      authorizer_.refused = rpc;
    }
    EXPECT_EQ(call().error_code(), StatusCode::PERMISSION_DENIED) << rpc;
  }
  EXPECT_THAT(TakeAsked(), IsEmpty());
}

TEST_F(StoresNodeServiceTest, AWatchHasTheEventsInTheirOtherNames) {
  events_.SetNode(base::NodeId(2));
  events_.Added(kGroup);
  grpc::ClientContext context;
  auto watch = stub_->Watch(&context, {});
  ASSERT_TRUE(base::WaitUntil([&] { return events_.watches() == 1; }));
  events_.Happened({.kind = partition::ReplicaEvent::Kind::kMembersChanged,
                    .partition = kGroup});
  v1::Event event;
  ASSERT_TRUE(watch->Read(&event));
  EXPECT_EQ(event.configuration_changed().member().group_id(), 3u);
  EXPECT_EQ(event.configuration_changed().member().member_id(), 2u);
  context.TryCancel();
}

}  // namespace
}  // namespace server::service
