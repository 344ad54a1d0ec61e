// Two nodes over real gRPC, each in front of a partition that the test plays;
// what they know of each other is what the test says.

#include "server/service/forwarder.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/counter/v1/service.grpc.pb.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/caller.h"
#include "primitive/registry.h"
#include "server/service/authorizer.h"
#include "server/service/envelope.h"
#include "server/service/gateway.h"
#include "server/service/primitive_service.h"
#include "server/service/testing/fake_partition.h"
#include "server/service/testing/manual_executor.h"
#include "server/transport/routes.h"
#include "session/types.h"

namespace server::service {
namespace {

namespace counter = ::atomix::multiraft::counter::v1;
namespace map = ::atomix::multiraft::map::v1;
namespace rsm = ::atomix::protocols::rsm;
using partition::Outcome;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

// What no stream's window takes without a reader.
constexpr size_t kLargeOutput = 4 << 20;

bool WaitUntil(const std::function<bool()>& holds) {
  base::Mutex mu;
  base::CondVar look_again;
  base::MutexLock lock(mu);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    look_again.WaitFor(mu, 1'000'000);
  }
  return true;
}

// A port that clients or other nodes call.
class Port {
 public:
  explicit Port(Gateway& door) {
    for (const auto generation :
         {session::Generation::kMultiRaft, session::Generation::kRsm}) {
      for (const auto& type : primitive::BuiltinRegistry().types()) {
        if (type.ServiceIn(generation).empty()) continue;
        services_.push_back(
            std::make_unique<PrimitiveService>(type, generation, door));
      }
    }
    grpc::ServerBuilder builder;
    // As the real peer port: else it closes connections that are pinged.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    for (auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~Port() { Close(); }

  void Close() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  size_t unary_calls() const {
    size_t calls = 0;
    for (const auto& service : services_) calls += service->unary_calls();
    return calls;
  }
  const std::string& address() const { return address_; }

 private:
  std::vector<std::unique_ptr<RawService>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

class Node {
 public:
  // Leads the partition, as far as it knows.
  explicit Node(uint64_t id) : id(id) {}
  ~Node() {
    for (Gateway* const door : {&client_door, &peer_door}) door->Close();
    Stop();
  }

  // A stop that hangs ends the test.
  void Stop() {
    auto stopped = std::async(std::launch::async, [this] { forwarder.Stop(); });
    CHECK(stopped.wait_for(kPatience) == std::future_status::ready)
        << "the forwarder of node " << id << " does not stop";
  }

  transport::Route AsLeader(raft::Term term = raft::Term(1)) const {
    return {.partition = partition->id(),
            .term = term,
            .leader = raft::ReplicaId(id.value()),
            .node = id,
            .peer_address = peers.address(),
            .api_address = clients.address()};
  }
  Directory MakeDirectory() {
    return {.find =
                [this](base::PartitionId wanted) {
                  return has_partition && wanted == partition->id() ? partition
                                                                    : nullptr;
                },
            .all =
                [this] {
                  return std::vector<std::shared_ptr<partition::Partition>>{
                      partition};
                }};
  }

  const base::NodeId id;
  const std::shared_ptr<FakePartition> partition =
      std::make_shared<FakePartition>(base::PartitionId(1));
  std::atomic<bool> has_partition = true;
  ManualExecutor timer;
  AllowAll authorizer;
  transport::Routes routes;
  Forwarder forwarder{routes,
                      id,
                      timer,
                      base::SystemClock(),
                      {.calls_max = 3, .bytes_max = 1000}};
  Gateway peer_door{Options{}, MakeDirectory(),     authorizer,
                    timer,     base::SystemClock(), Door{.for_nodes = true}};
  Gateway client_door{Options{},           MakeDirectory(),
                      authorizer,          timer,
                      base::SystemClock(), Door{.forwarder = &forwarder}};
  Port peers{peer_door};
  Port clients{client_door};
};

class ForwarderTest : public ::testing::Test {
 protected:
  ForwarderTest() {
    asked_.partition->set_serving(false);
    asked_.routes.Learn(leader_.AsLeader());
    channel_ = grpc::CreateChannel(asked_.clients.address(),
                                   grpc::InsecureChannelCredentials());
    context_.set_deadline(std::chrono::system_clock::now() + 3 * kPatience);
  }

  template <class Headers>
  static void Address(Headers& headers) {
    auto& primitive = *headers.mutable_operation()->mutable_session();
    primitive.set_primitive_id(11);
    primitive.mutable_session()->set_session_id(9);
    primitive.mutable_session()->mutable_partition()->set_partition_id(1);
    headers.set_sequence_num(5);
  }

  std::future<grpc::Status> Increment() {
    return std::async(std::launch::async, [this] {
      counter::IncrementRequest request;
      Address(*request.mutable_headers());
      request.mutable_input()->set_delta(3);
      counter::IncrementResponse response;
      return counter::Counter::NewStub(channel_)->Increment(&context_, request,
                                                            &response);
    });
  }
  std::unique_ptr<grpc::ClientReader<map::EventsResponse>> Events() {
    map::EventsRequest request;
    Address(*request.mutable_headers());
    request.mutable_input();
    return maps_->Events(&context_, request);
  }

  // Opens a stream whose client takes nothing, and has an output wait for it.
  std::unique_ptr<grpc::ClientReader<map::EventsResponse>> StalledEvents() {
    auto reader = Events();
    opened_ = leader_.partition->TakeStream();
    opened_.sink->Write(
        {.number = 1, .result = session::Ok(std::string(kLargeOutput, 'x'))});
    // The write to the client has begun, and does not end.
    reader->WaitForInitialMetadata();
    return reader;
  }

  std::string Trailer(const char* key) {
    const auto& trailers = context_.GetServerTrailingMetadata();
    const auto found = trailers.find(key);
    return found == trailers.end()
               ? ""
               : std::string(found->second.data(), found->second.size());
  }

  Node leader_{2};
  Node asked_{1};
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<map::Map::Stub> maps_ = map::Map::NewStub(grpc::CreateChannel(
      asked_.clients.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context_;
  FakePartition::Opened opened_;
};

TEST_F(ForwarderTest, AnAnswerOfTheLeaderIsTheClients) {
  auto status = Increment();
  std::move(leader_.partition->TakeProposal().completion)
      .Complete({.outcome = session::Applied::Outcome::kAnswered});
  EXPECT_TRUE(status.get().ok());
  EXPECT_TRUE(asked_.partition->nothing_proposed());
}

// The call itself goes on, so the leader's node sees which API it is of.
TEST_F(ForwarderTest, ARequestOfTheSecondGenerationStaysOne) {
  auto status = std::async(std::launch::async, [this] {
    rsm::counter::v1::IncrementRequest request;
    Address(*request.mutable_headers());
    request.mutable_input()->set_delta(3);
    rsm::counter::v1::IncrementResponse response;
    return rsm::counter::v1::Counter::NewStub(channel_)->Increment(
        &context_, request, &response);
  });
  FakePartition::Proposed proposed = leader_.partition->TakeProposal();
  ::multiraft::disk::v1::Command command;
  ASSERT_TRUE(command.ParseFromString(proposed.request.bytes));
  EXPECT_EQ(command.session_command().generation(), 2u);
  std::move(proposed.completion).Refuse(partition::UnknownSession());
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(ForwarderTest, AClientThatCancelsHasNoCallAtTheLeaderEither) {
  auto status = Increment();
  const FakePartition::Proposed waiting = leader_.partition->TakeProposal();
  context_.TryCancel();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
  // The command stays where it is.
  EXPECT_TRUE(WaitUntil([&] { return leader_.peers.unary_calls() == 0; }));
}

TEST_F(ForwarderTest, AClientThatLeavesWithAnOutputUnreadLeavesNothingBehind) {
  auto reader = StalledEvents();
  context_.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(leader_.partition->TakeClosed(), opened_.id);
  asked_.Stop();
}

TEST_F(ForwarderTest, StopWaitsForNoClientThatStalls) {
  auto reader = StalledEvents();
  asked_.client_door.Close();
  asked_.Stop();
  EXPECT_EQ(leader_.partition->TakeClosed(), opened_.id);
  context_.TryCancel();
  reader->Finish();
}

TEST_F(ForwarderTest, AStreamWithoutALeaderGoesToTheFirstOneThereIs) {
  asked_.routes.Forget(asked_.partition->id(), raft::Term(2));
  auto reader = Events();
  asked_.timer.RunOne();
  asked_.routes.Learn(leader_.AsLeader(raft::Term(3)));
  asked_.timer.RunOne();
  FakePartition::Opened opened = leader_.partition->TakeStream();
  opened.sink->Write({.number = 1, .index = 4});
  map::EventsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.headers().output_sequence_num(), 1u);
  opened.sink->End({});
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ForwarderTest, AStreamThatMovesDropsTheOutputsThatItHas) {
  auto reader = Events();
  FakePartition::Opened first = leader_.partition->TakeStream();
  map::EventsResponse response;
  for (const uint64_t number : {1, 2}) {
    first.sink->Write({.number = number});
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(leader_.partition->TakeWritable(), first.id);
  }
  first.sink->End({.status = absl::UnavailableError("not the leader")});
  leader_.timer.RunOne();  // Held there; then refused.
  asked_.timer.RunOne();
  FakePartition::Opened second = leader_.partition->TakeStream();
  for (const uint64_t number : {1, 2, 3}) {
    second.sink->Write({.number = number});
    EXPECT_EQ(leader_.partition->TakeWritable(), second.id);
  }
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.headers().output_sequence_num(), 3u);
  second.sink->End({});
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ForwarderTest, ARouteToANodeWithoutThePartitionIsRefusedThere) {
  leader_.has_partition = false;
  const grpc::Status status = Increment().get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("is not on this node"));
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
}

TEST_F(ForwarderTest, ARequestForALeaderWhoseNodeIsGoneWasNotProposed) {
  leader_.peers.Close();
  const grpc::Status status = Increment().get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("node 2"));
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
  EXPECT_TRUE(asked_.partition->nothing_proposed());
}

// A machine that is gone without a word: it takes connections, since nothing is
// left to refuse them, and says nothing (U37).
class Silence {
 public:
  Silence() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    CHECK_EQ(bind(socket_, address, size), 0);
    CHECK_EQ(listen(socket_, 100), 0);
    CHECK_EQ(getsockname(socket_, address, &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  }
  ~Silence() { close(socket_); }

  const std::string& address() const { return address_; }

 private:
  const int socket_;
  std::string address_;
};

class SilentLeaderTest : public ForwarderTest {
 protected:
  SilentLeaderTest() {
    transport::Route route = leader_.AsLeader(raft::Term(2));
    route.peer_address = silence_.address();
    asked_.routes.Learn(route);
    context_.set_deadline(std::chrono::system_clock::now() + kPatience / 2);
  }

  const Silence silence_;
};

TEST_F(SilentLeaderTest, ARequestIsRefusedLongBeforeItsDeadline) {
  const grpc::Status status = Increment().get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
}

TEST_F(SilentLeaderTest, AStreamIsRefusedWhenItsHoldIsOver) {
  auto reader = Events();
  auto ended = std::async(std::launch::async, [&] {
    map::EventsResponse response;
    while (reader->Read(&response)) continue;
    return reader->Finish();
  });
  // One attempt after the other, until the hold is over.
  while (ended.wait_for(std::chrono::milliseconds(1)) !=
         std::future_status::ready) {
    if (asked_.timer.tasks() > 0) asked_.timer.RunOne();
  }
  EXPECT_EQ(ended.get().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ForwarderTest, WhatIsUnderWayIsBounded) {  // P56
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<map::EventsResponse>>> open;
  map::EventsRequest request;
  Address(*request.mutable_headers());
  request.mutable_input();
  for (int i = 0; i < 3; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    open.push_back(maps_->Events(contexts.back().get(), request));
    leader_.partition->TakeStream();
  }
  const grpc::Status status = Increment().get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("too much is under way"));
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
  for (size_t i = 0; i < open.size(); ++i) {
    contexts[i]->TryCancel();
    open[i]->Finish();
    leader_.partition->TakeClosed();
  }
  // There is room again.
  EXPECT_TRUE(WaitUntil([&] { return asked_.forwarder.calls() == 0; }));
}

TEST_F(ForwarderTest, BytesUnderWayAreBoundedToo) {  // P56
  map::PutRequest request;
  Address(*request.mutable_headers());
  request.mutable_input()->set_key("k");
  request.mutable_input()->set_value(std::string(1000, 'x'));
  map::PutResponse response;
  const grpc::Status status = maps_->Put(&context_, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("too much is under way"));
}

// Each takes the other for the leader: the one that is asked second refuses.
TEST_F(ForwarderTest, TwoNodesThatBelieveInEachOtherMakeNoLoop) {
  leader_.partition->set_serving(false);
  leader_.routes.Learn(asked_.AsLeader());
  auto status = Increment();
  std::move(leader_.partition->TakeProposal().completion)
      .Refuse({.status = absl::UnavailableError("this replica does not lead"),
               .outcome = Outcome::kNotProposed,
               .leader = asked_.clients.address()});
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
  EXPECT_EQ(Trailer("multiraft-leader"), asked_.clients.address());
  EXPECT_TRUE(asked_.partition->nothing_proposed());
  EXPECT_TRUE(leader_.partition->nothing_proposed());
}

TEST(OutputNumberTest, OutputsAreNumberedByTheirHeaders) {
  EXPECT_EQ(OutputNumberOf(EncodeResponse(HeaderKind::kCommand, /*index=*/9,
                                          /*output_number=*/7, {})),
            7u);
  EXPECT_EQ(OutputNumberOf(""), 0u);
  EXPECT_EQ(OutputNumberOf("\xff\xff\xff\xff"), 0u);
  EXPECT_EQ(OutputNumberOf("\x0a\x7f"), 0u);
}

}  // namespace
}  // namespace server::service
