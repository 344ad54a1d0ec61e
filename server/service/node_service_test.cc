// Node over real gRPC: what is checked and what is passed on, and every event,
// byte for byte.

#include "server/service/node_service.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/node.grpc.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/golden.h"
#include "server/service/authorizer.h"
#include "server/service/gateway.h"
#include "server/service/testing/manual_executor.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;
using partition::ReplicaEvent;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr base::PartitionId kGroup{3};
constexpr base::NodeId kSelf{2};
constexpr char kService[] = "/atomix.multiraft.v1.Node/";

// The time of the golden events.
class GoldenClock : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return 1; }
  int64_t WallNanos() override { return 1'666'000'000'500'000'000; }
};

// Refuses one RPC.
class RefuseOne : public Authorizer {
 public:
  absl::Status Check(const Caller&,
                     const DecodedOperation& operation) override {
    base::MutexLock lock(mu);
    partition = operation.partition;
    if (operation.rpc != refused) return absl::OkStatus();
    return absl::PermissionDeniedError("not you");
  }

  base::Mutex mu;
  std::string refused;
  base::PartitionId partition;
};

struct Asked {
  std::string what;
  storage::Group group;
  GroupDone done;
  IsWaiting waits = nullptr;  // Of a join.
};

class NodeServiceTest : public ::testing::Test {
 protected:
  NodeServiceTest()
      : gateway_(
            Options{.watches_max = 2},
            {.find = [](base::PartitionId) { return nullptr; },
             .all =
                 [] {
                   return std::vector<std::shared_ptr<partition::Partition>>();
                 }},
            authorizer_, timer_, base::SystemClock()),
        service_(
            {.bootstrap =
                 [this](storage::Group group, GroupDone done) {
                   Ask({"bootstrap", std::move(group), std::move(done)});
                 },
             .join =
                 [this](storage::Group group, IsWaiting waits, GroupDone done) {
                   Ask({"join", std::move(group), std::move(done),
                        std::move(waits)});
                 },
             .leave =
                 [this](base::PartitionId id, GroupDone done) {
                   Ask({"leave", {.id = id}, std::move(done)});
                 }},
            events_, gateway_) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
    channel_ =
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
    stub_ = v1::Node::NewStub(channel_);
    events_.SetNode(kSelf);
    events_.Added(kGroup);
    for (proto::Golden& golden :
         proto::ReadGoldens({"proto/testdata/node.golden"})) {
      goldens_.push_back(std::move(golden));
    }
  }

  ~NodeServiceTest() override {
    gateway_.Close();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  void Ask(Asked asked) {
    base::MutexLock lock(mu_);
    if (answer_.has_value()) std::move(asked.done)(*answer_);
    asked_.push_back(std::move(asked));
  }

  // The bytes of a message of the golden file.
  std::string GoldenOf(const std::string& message) {
    for (const proto::Golden& golden : goldens_) {
      if (golden.message == "atomix.multiraft.v1." + message) {
        return golden.bytes;
      }
    }
    ADD_FAILURE() << message;
    return "";
  }

  // One unary call, in bytes.
  grpc::Status Call(const std::string& rpc, const std::string& request,
                    std::string* response) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice slice(request);
    const grpc::ByteBuffer bytes(&slice, 1);
    auto call = stub.PrepareUnaryCall(&context, kService + rpc, bytes, &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice whole;
    if (answer.DumpToSingleSlice(&whole).ok()) {
      response->assign(reinterpret_cast<const char*>(whole.begin()),
                       whole.size());
    }
    return status;
  }

  static v1::GroupConfig Group() {
    v1::GroupConfig group;
    group.set_group_id(3);
    group.set_member_id(2);
    for (uint32_t id : {2, 1}) {
      auto& member = *group.add_members();
      member.set_member_id(id);
      member.set_host(absl::StrCat("node-", id));
      member.set_port(5679);
    }
    return group;
  }

  grpc::Status Bootstrap(const v1::GroupConfig& group) {
    grpc::ClientContext context;
    v1::BootstrapRequest request;
    *request.mutable_group() = group;
    v1::BootstrapResponse response;
    return stub_->Bootstrap(&context, request, &response);
  }
  grpc::Status Join(const v1::GroupConfig& group) {
    grpc::ClientContext context;
    v1::JoinRequest request;
    *request.mutable_group() = group;
    v1::JoinResponse response;
    return stub_->Join(&context, request, &response);
  }

  // Waits until the node has the watch.
  void AwaitWatches(size_t count) {
    ASSERT_TRUE(
        base::WaitUntil([&] { return gateway_.streams().size() == count; }));
  }

  GoldenClock clock_;
  NodeEvents events_{clock_};
  RefuseOne authorizer_;
  ManualExecutor timer_;
  Gateway gateway_;
  NodeService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Node::Stub> stub_;
  std::vector<proto::Golden> goldens_;

  base::Mutex mu_;
  std::optional<absl::Status> answer_ ABSL_GUARDED_BY(mu_) = absl::OkStatus();
  std::vector<Asked> asked_ ABSL_GUARDED_BY(mu_);
};

TEST_F(NodeServiceTest, GroupsArePassedOnAsTheyAreOnTheWire) {
  // The golden request has one member twice; here the second one is another.
  std::string request = GoldenOf("BootstrapRequest");
  const size_t second = request.rfind("\x08\x02", request.rfind("node-2"));
  request[second + 1] = 1;
  std::string response = "?";
  for (const std::string rpc : {"Bootstrap", "Join"}) {
    ASSERT_TRUE(Call(rpc, request, &response).ok());
    EXPECT_EQ(response, GoldenOf(rpc + "Response"));
  }
  ASSERT_TRUE(Call("Leave", GoldenOf("LeaveRequest"), &response).ok());
  EXPECT_EQ(response, GoldenOf("LeaveResponse"));

  const storage::Group expected{
      .id = kGroup,
      .self = kSelf,
      .role = storage::GroupRole::kObserver,
      .members = {{base::NodeId{1}, "node-2:5679"}, {kSelf, "node-2:5679"}}};
  base::MutexLock lock(mu_);
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0].what, "bootstrap");
  EXPECT_EQ(asked_[0].group, expected);
  EXPECT_EQ(asked_[1].what, "join");
  EXPECT_EQ(asked_[1].group, expected);
  EXPECT_EQ(asked_[2].what, "leave");
  EXPECT_EQ(asked_[2].group.id, kGroup);
}

TEST_F(NodeServiceTest, WhatTheNodeAnswersIsTheStatus) {
  {
    base::MutexLock lock(mu_);
    answer_ = absl::FailedPreconditionError("it is here with others");
  }
  const grpc::Status status = Bootstrap(Group());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "it is here with others");
  // A node that stops drops what it has not done.
  {
    base::MutexLock lock(mu_);
    answer_.reset();
    asked_.clear();
  }
  std::thread stopping([this] {
    ASSERT_TRUE(base::WaitUntil([this] {
      base::MutexLock lock(mu_);
      return !asked_.empty();
    }));
    base::MutexLock lock(mu_);
    asked_.clear();
  });
  EXPECT_EQ(Join(Group()).error_code(), grpc::StatusCode::UNAVAILABLE);
  stopping.join();
}

// What it waits for it can be told only before its deadline.
TEST_F(NodeServiceTest, AJoinIsWaitedForUntilItsCallerLeaves) {
  {
    base::MutexLock lock(mu_);
    answer_.reset();
  }
  const auto last = [this]() -> Asked& {
    EXPECT_TRUE(base::WaitUntil([this] {
      base::MutexLock lock(mu_);
      return !asked_.empty();
    }));
    base::MutexLock lock(mu_);
    return asked_.back();
  };
  v1::JoinRequest request;
  *request.mutable_group() = Group();
  {
    grpc::ClientContext context;
    std::thread calling([&] {
      v1::JoinResponse response;
      EXPECT_EQ(stub_->Join(&context, request, &response).error_code(),
                grpc::StatusCode::CANCELLED);
    });
    Asked& asked = last();
    EXPECT_TRUE(asked.waits());
    context.TryCancel();
    calling.join();
    EXPECT_TRUE(base::WaitUntil([&] { return !asked.waits(); }));
    base::MutexLock lock(mu_);
    asked_.clear();
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(2));
  std::thread calling([&] {
    v1::JoinResponse response;
    EXPECT_EQ(stub_->Join(&context, request, &response).error_message(),
              "nobody leads");
  });
  Asked& asked = last();
  EXPECT_TRUE(base::WaitUntil([&] { return !asked.waits(); }));
  std::move(asked.done)(absl::UnavailableError("nobody leads"));
  calling.join();
}

TEST_F(NodeServiceTest, EachBadRequestNamesItsField) {
  using Change = std::function<void(v1::GroupConfig&)>;
  const std::vector<std::pair<Change, std::string>> bad = {
      {[](auto& g) { g.Clear(); }, "group.group_id: groups count from 1"},
      {[](auto& g) { g.set_group_id(0); }, "group.group_id"},
      {[](auto& g) { g.set_member_id(0); }, "group.member_id"},
      {[](auto& g) { g.set_role(static_cast<v1::MemberRole>(9)); },
       "group.role: 9 is none of"},
      {[](auto& g) { g.clear_members(); }, "group.members: there are none"},
      {[](auto& g) { g.mutable_members(1)->set_member_id(0); },
       "group.members[1].member_id"},
      {[](auto& g) { g.mutable_members(1)->set_member_id(2); },
       "member 2 is there twice"},
      {[](auto& g) { g.set_member_id(7); },
       "member 7, which is to run here, is not among them"},
      {[](auto& g) { g.mutable_members(0)->set_host(""); },
       "group.members[0].host"},
      {[](auto& g) { g.mutable_members(0)->set_host("a b"); },
       "group.members[0].host: \"a b\" is no host"},
      {[](auto& g) { g.mutable_members(0)->set_host("a\n"); }, "\\n"},
      {[](auto& g) { g.mutable_members(0)->set_host(std::string(254, 'a')); },
       "group.members[0].host"},
      {[](auto& g) { g.mutable_members(1)->set_port(0); },
       "group.members[1].port: 0 is no port"},
      {[](auto& g) { g.mutable_members(1)->set_port(-1); }, "-1 is no port"},
      {[](auto& g) { g.mutable_members(1)->set_port(65536); }, "is no port"},
  };
  const auto expect_invalid = [](const grpc::Status& status,
                                 const std::string& what) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << what;
    EXPECT_THAT(status.error_message(), HasSubstr(what));
  };
  for (const auto& [change, what] : bad) {
    v1::GroupConfig group = Group();
    change(group);
    expect_invalid(Bootstrap(group), what);
    expect_invalid(Join(group), what);
  }
  v1::GroupConfig large = Group();
  for (uint32_t id = 3; id <= 17; ++id) {
    v1::MemberConfig member = large.members(0);
    member.set_member_id(id);
    *large.add_members() = member;
  }
  expect_invalid(Bootstrap(large), "a group begins with 16 at most");
  v1::GroupConfig alone = Group();
  alone.mutable_members()->RemoveLast();
  expect_invalid(Join(alone), "there is nobody to join");

  std::string response;
  for (const std::string rpc : {"Bootstrap", "Join"}) {
    expect_invalid(Call(rpc, "", &response), "group: there is none");
  }
  expect_invalid(Call("Leave", "", &response), "group_id: groups count from 1");
  for (const std::string rpc : {"Bootstrap", "Join", "Leave", "Watch"}) {
    expect_invalid(Call(rpc, "\xff", &response), "does not decode");
  }
  base::MutexLock lock(mu_);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(NodeServiceTest, HostsMayBeAddresses) {
  v1::GroupConfig config = Group();
  config.mutable_members(0)->set_host("::1");
  config.mutable_members(1)->set_host("[fe80::2]");
  ASSERT_OK_AND_ASSIGN(const storage::Group group, GroupOf(config));
  EXPECT_EQ(group.members[1].peer_address, "[::1]:5679");
  EXPECT_EQ(group.members[0].peer_address, "[fe80::2]:5679");
  EXPECT_EQ(group.role, storage::GroupRole::kMember);
}

TEST_F(NodeServiceTest, NothingPassesTheAuthorizer) {
  for (const char* rpc : {"Bootstrap", "Join", "Leave", "Watch"}) {
    {
      base::MutexLock lock(authorizer_.mu);
      authorizer_.refused = rpc;
    }
    std::string request = GoldenOf("BootstrapRequest");
    request[request.rfind("\x08\x02", request.rfind("node-2")) + 1] = 1;
    if (std::string(rpc) == "Leave") request = GoldenOf("LeaveRequest");
    if (std::string(rpc) == "Watch") request = "";
    std::string response;
    EXPECT_EQ(Call(rpc, request, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED)
        << rpc;
    if (std::string(rpc) == "Watch") break;
    base::MutexLock lock(authorizer_.mu);
    EXPECT_EQ(authorizer_.partition, kGroup);
  }
  base::MutexLock lock(mu_);
  EXPECT_TRUE(asked_.empty());
}

// --- Watch ------------------------------------------------------------------

partition::LeaderInfo LeaderOn(uint64_t term, uint32_t node) {
  return {.term = raft::Term{term},
          .leader = raft::ReplicaId{10 + node},
          .leader_node = base::NodeId{node}};
}

ReplicaEvent Happened(ReplicaEvent::Kind kind, uint64_t index = 0,
                      uint32_t peer = 0) {
  return {.kind = kind,
          .partition = kGroup,
          .index = raft::Index{index},
          .peer = base::NodeId{peer}};
}

TEST_F(NodeServiceTest, EachEventHasItsGoldenBytes) {
  using Kind = ReplicaEvent::Kind;
  grpc::ClientContext context;
  auto watch = stub_->Watch(&context, {});
  AwaitWatches(1);
  events_.Happened(Happened(Kind::kReady));
  events_.LeaderKnown(kGroup, LeaderOn(9, 1));
  events_.Happened(Happened(Kind::kMembersChanged));
  events_.Happened(Happened(Kind::kImageSendStarted, 300, 4));
  events_.Happened(Happened(Kind::kImageSendCompleted, 300, 4));
  events_.Happened(Happened(Kind::kImageSendAborted, 300, 4));
  events_.Happened(Happened(Kind::kImageReceived, 300, 1));
  events_.Happened(Happened(Kind::kImageRecovered, 300));
  events_.Happened(Happened(Kind::kImageWritten, 300));
  events_.Happened(Happened(Kind::kImageReplaced, 300));
  events_.Happened(Happened(Kind::kLogTrimmed, 300));
  events_.LogSpaceFreed();
  events_.Connection("h:1", /*carries_images=*/true, /*established=*/true);
  events_.Connection("h:1", /*carries_images=*/true, /*established=*/false);
  int events = 0;
  for (const proto::Golden& golden : goldens_) {
    if (golden.message != "atomix.multiraft.v1.Event") continue;
    SCOPED_TRACE(golden.where);
    v1::Event event;
    ASSERT_TRUE(watch->Read(&event));
    EXPECT_EQ(event.SerializeAsString(), golden.bytes)
        << event.ShortDebugString();
    ++events;
  }
  EXPECT_EQ(events, 14);
  context.TryCancel();
}

// Semantics 6.3: first who leads, then who is ready; no history.
TEST_F(NodeServiceTest, AWatchBeginsWithHowThingsAre) {
  events_.Added(base::PartitionId{7});
  events_.Added(base::PartitionId{8});
  events_.Added(base::PartitionId{9});
  events_.LeaderKnown(kGroup, LeaderOn(8, 4));
  events_.LeaderKnown(kGroup, LeaderOn(9, 1));
  events_.Happened(Happened(ReplicaEvent::Kind::kReady));
  events_.Happened(Happened(ReplicaEvent::Kind::kImageWritten, 5));
  partition::LeaderInfo none{.term = raft::Term{4}};
  events_.LeaderKnown(base::PartitionId{7}, none);
  events_.LeaderKnown(base::PartitionId{9}, LeaderOn(1, 1));
  events_.Removed(base::PartitionId{9});
  events_.LeaderKnown(base::PartitionId{9}, LeaderOn(2, 1));  // Too late.

  grpc::ClientContext context;
  auto watch = stub_->Watch(&context, {});
  AwaitWatches(1);
  events_.Connection("end", false, true);
  std::vector<std::string> all;
  v1::Event event;
  while (watch->Read(&event) && !event.has_connection_established()) {
    event.clear_timestamp();
    all.push_back(event.ShortDebugString());
  }
  EXPECT_THAT(
      all, ElementsAre(
               "leader_updated { member { group_id: 3 member_id: 2 } term: 9 "
               "leader: 1 }",
               "member_ready { member { group_id: 3 member_id: 2 } }",
               "leader_updated { member { group_id: 7 member_id: 2 } term: 4 "
               "}"));
  context.TryCancel();
}

TEST_F(NodeServiceTest, ALeaderIsToldWhenItIsAnotherOne) {
  grpc::ClientContext context;
  auto watch = stub_->Watch(&context, {});
  AwaitWatches(1);
  events_.LeaderKnown(kGroup, LeaderOn(2, 1));
  events_.LeaderKnown(kGroup, LeaderOn(2, 1));
  // Which member that is, is not known yet.
  events_.LeaderKnown(kGroup,
                      {.term = raft::Term{3}, .leader = raft::ReplicaId{12}});
  events_.LeaderKnown(kGroup, {.term = raft::Term{4}});
  events_.LeaderKnown(kGroup, LeaderOn(4, 2));
  for (const auto& [term, leader] :
       std::vector<std::pair<uint64_t, uint64_t>>{{2, 1}, {4, 0}, {4, 2}}) {
    v1::Event event;
    ASSERT_TRUE(watch->Read(&event));
    EXPECT_EQ(event.leader_updated().term(), term);
    EXPECT_EQ(event.leader_updated().leader(), leader);
  }
  context.TryCancel();
}

// The Go node lets all others wait for it (semantics 6.3).
TEST_F(NodeServiceTest, ASlowWatchEndsAndNobodyWaitsForIt) {
  // On a connection of its own: streams of one share its window.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto slow_stub = v1::Node::NewStub(grpc::CreateCustomChannel(
      address_, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext slow_context;
  auto slow = slow_stub->Watch(&slow_context, {});
  AwaitWatches(1);
  grpc::ClientContext quick_context;
  auto quick = stub_->Watch(&quick_context, {});
  AwaitWatches(2);
  ASSERT_EQ(events_.watches(), 2u);
  // It reads nothing, so its window fills, and then what may wait for it.
  const std::string address(10'000, 'a');
  int published = 0;
  v1::Event event;
  while (events_.watches() == 2) {
    events_.Connection(address, false, true);
    ASSERT_TRUE(quick->Read(&event)) << published;
    ++published;
  }
  // What was written before arrives.
  int events = 0;
  while (slow->Read(&event)) ++events;
  EXPECT_LT(events, published - 100);
  const grpc::Status status = slow->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("this watch fell behind: more than 100 events waited"));
  // Its place is free.
  AwaitWatches(1);
  grpc::ClientContext context;
  auto next = stub_->Watch(&context, {});
  AwaitWatches(2);
  events_.Connection("end", false, true);
  EXPECT_TRUE(next->Read(&event));
  context.TryCancel();
  quick_context.TryCancel();
}

// However many groups there are: what a watch begins with is no reason to drop
// it.
TEST_F(NodeServiceTest, AWatchMayBeginWithMoreThanMayWait) {
  constexpr uint32_t kGroups = 1000;
  for (uint32_t i = 1; i <= kGroups; ++i) {
    events_.Added(base::PartitionId{i});
    events_.LeaderKnown(base::PartitionId{i}, LeaderOn(1, 1));
  }
  grpc::ClientContext context;
  auto watch = stub_->Watch(&context, {});
  AwaitWatches(1);
  events_.Connection("end", false, true);
  uint32_t leaders = 0;
  v1::Event event;
  while (watch->Read(&event) && event.has_leader_updated()) ++leaders;
  EXPECT_EQ(leaders, kGroups);
  EXPECT_EQ(event.connection_established().info().address(), "end");
  context.TryCancel();
}

TEST_F(NodeServiceTest, WatchesAreBoundedAndEndWithTheNode) {
  grpc::ClientContext one_context, two_context, three_context;
  auto one = stub_->Watch(&one_context, {});
  auto two = stub_->Watch(&two_context, {});
  AwaitWatches(2);
  auto three = stub_->Watch(&three_context, {});
  v1::Event event;
  EXPECT_FALSE(three->Read(&event));
  EXPECT_EQ(three->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);

  gateway_.Close();
  EXPECT_FALSE(one->Read(&event));
  EXPECT_EQ(one->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(two->Read(&event));
  EXPECT_EQ(Bootstrap(Group()).error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace server::service
