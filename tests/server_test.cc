// One server over real gRPC: what is on the wire, who leads, health,
// reflection, and what a restart keeps.

#include <grpcpp/generic/generic_stub.h>

#include <future>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "primitive/registry.h"
#include "server/descriptors.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::ElementsAre;

template <size_t N>
std::string Bytes(const char (&text)[N]) {
  return std::string(text, N - 1);
}

// Sends bytes and returns the bytes of the answer.
std::string Exchange(const TestServer& server, const std::string& method,
                     const std::string& bytes) {
  grpc::GenericStub stub(server.Connect());
  Call call;
  grpc::Slice slice(bytes);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&call, method, {}, &request, &response,
                 [&](grpc::Status status) { done.set_value(status); });
  const grpc::Status status = done.get_future().get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  grpc::Slice whole;
  response.DumpToSingleSlice(&whole);
  return std::string(reinterpret_cast<const char*>(whole.begin()),
                     whole.size());
}

// The first exchange of a driver, byte for byte. Headers nest one layer in
// another (field 1 each): operation, primitive, session, partition.
TEST(ServerTest, TheFirstExchangeOfADriverIsTheseBytes) {
  TestServer server;
  // {headers {partition_id 1}, input {timeout {60 s}}}
  EXPECT_EQ(Exchange(server, "/atomix.multiraft.v1.Partition/OpenSession",
                     Bytes("\x0a\x02\x08\x01\x12\x04\x0a\x02\x08\x3c")),
            // {headers {index 1}, output {session_id 1}}
            Bytes("\x0a\x02\x08\x01\x12\x02\x08\x01"));

  // {headers {operation {primitive {session {partition {1}, session_id 1}}},
  //           sequence_num 1}, input {spec {service, name "c"}}}
  EXPECT_EQ(
      Exchange(server, "/atomix.multiraft.v1.Session/CreatePrimitive",
               Bytes("\x0a\x0e\x0a\x0a\x0a\x08\x0a\x06\x0a\x02\x08\x01\x10\x01"
                     "\x10\x01"
                     "\x12\x28\x0a\x26\x0a\x21"
                     "atomix.runtime.counter.v1.Counter"
                     "\x1a\x01"
                     "c")),
      // {headers {operation {... {index 2}}}, output {primitive_id 2}}; no
      // number: these answers have none.
      Bytes("\x0a\x0a\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x08\x02"
            "\x12\x02\x08\x02"));

  // Increment {headers {... primitive_id 2, sequence_num 2}, input {delta 5}}
  const std::string increment = Bytes(
      "\x0a\x10\x0a\x0c\x0a\x0a\x0a\x06\x0a\x02\x08\x01\x10\x01\x10\x02"
      "\x10\x02\x12\x02\x08\x05");
  const std::string method = "/atomix.multiraft.counter.v1.Counter/Increment";
  // {headers {operation {... {index 3}}, output_sequence_num 1},
  //  output {value 5}}
  EXPECT_EQ(Exchange(server, method, increment),
            Bytes("\x0a\x0c\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x08\x03\x10\x01"
                  "\x12\x02\x08\x05"));
  // Sent again: the same answer at a later index.
  EXPECT_EQ(Exchange(server, method, increment),
            Bytes("\x0a\x0c\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x08\x04\x10\x01"
                  "\x12\x02\x08\x05"));

  // Clear of a map that is empty answers with an output that is empty, and
  // there.
  RawSession session(server.Connect());
  map::ClearRequest clear;
  *clear.mutable_headers() =
      session.CommandHeaders(session.Create(kMapType, "m"));
  clear.mutable_input();
  const std::string answer = Exchange(
      server, "/atomix.multiraft.map.v1.Map/Clear", clear.SerializeAsString());
  EXPECT_EQ(answer.substr(answer.size() - 2), Bytes("\x12\x00"));
}

TEST(ServerTest, TheFirstExchangeInTheSecondGenerationIsTheseBytes) {
  TestServer server;
  const std::string shared = "/atomix.protocols.rsm.v1.";
  EXPECT_EQ(Exchange(server, shared + "Partition/OpenSession",
                     Bytes("\x0a\x02\x08\x01\x12\x04\x0a\x02\x08\x3c")),
            Bytes("\x0a\x02\x08\x01\x12\x02\x08\x01"));

  // {headers as above, input {spec {type {name "Set", apiVersion "v1"},
  //                                 name {name "s"}}}}
  EXPECT_EQ(
      Exchange(server, shared + "Session/CreatePrimitive",
               Bytes("\x0a\x0e\x0a\x0a\x0a\x08\x0a\x06\x0a\x02\x08\x01\x10\x01"
                     "\x10\x01"
                     "\x12\x12\x0a\x10\x0a\x09\x0a\x03"
                     "Set"
                     "\x12\x02"
                     "v1"
                     "\x12\x03\x12\x01"
                     "s")),
      Bytes("\x0a\x0a\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x08\x02"
            "\x12\x02\x08\x02"));

  // Add {headers {... primitive_id 2, sequence_num}, input {element "e"}}
  const auto add = [](char sequence) {
    return Bytes(
               "\x0a\x10\x0a\x0c\x0a\x0a\x0a\x06\x0a\x02\x08\x01\x10\x01\x10"
               "\x02"
               "\x10") +
           sequence +
           Bytes(
               "\x12\x05\x0a\x03\x0a\x01"
               "e");
  };
  const std::string method = "/atomix.protocols.rsm.set.v1.Set/Add";
  // {headers {operation {... {index}}, output_sequence_num 1},
  //  output {added true}}
  EXPECT_EQ(Exchange(server, method, add(2)),
            Bytes("\x0a\x0c\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x08\x03\x10\x01"
                  "\x12\x02\x08\x01"));
  // It is there already: {added false}, which is an output that is empty.
  EXPECT_EQ(Exchange(server, method, add(3)),
            Bytes("\x0a\x0c\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x08\x04\x10\x01"
                  "\x12\x00"));
}

TEST(ServerTest, WatchTellsTheLeaderAtOnce) {
  TestServer server;
  auto stub = v1::Partition::NewStub(server.Connect());
  v1::WatchPartitionRequest request;
  request.set_partition_id(1);
  grpc::ClientContext context;
  auto reader = stub->Watch(&context, request);
  v1::WatchPartitionResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_GT(response.timestamp().seconds(), 0);
  const auto& event = response.leader_updated();
  EXPECT_EQ(event.member().group_id(), 1u);
  EXPECT_EQ(event.member().member_id(), 1u);
  EXPECT_GT(event.term(), 0u);
  EXPECT_EQ(event.leader(), 1u);
  context.TryCancel();
  EXPECT_FALSE(reader->Read(&response));
}

TEST(ServerTest, EachStartOfANodeIsANewTermForWatchers) {
  TestServer server;
  const auto term = [&] {
    auto stub = v1::Partition::NewStub(server.Connect());
    v1::WatchPartitionRequest request;
    request.set_partition_id(1);
    grpc::ClientContext context;
    auto reader = stub->Watch(&context, request);
    v1::WatchPartitionResponse response;
    EXPECT_TRUE(reader->Read(&response));
    context.TryCancel();
    return response.leader_updated().term();
  };
  const uint64_t before = term();
  server.Restart();
  EXPECT_GT(term(), before);
}

TEST(ServerTest, HealthIsServingForEachServiceAndPartition) {
  TestServer server;
  auto stub = grpc::health::v1::Health::NewStub(server.Connect());
  const auto check = [&](const std::string& service) {
    Call call;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = stub->Check(&call, request, &response);
    return status.ok() &&
           response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  };
  for (const char* service :
       {"", "atomix.multiraft.v1.Partition", "atomix.multiraft.v1.Session",
        "atomix.multiraft.counter.v1.Counter", "atomix.multiraft.map.v1.Map",
        "grpc.health.v1.Health", "multiraft.admin.v1.Admin", "partition/1"}) {
    EXPECT_TRUE(check(service)) << service;
  }
  EXPECT_FALSE(check("partition/2"));
}

TEST(ServerTest, AStoppingServerTellsHealthWatchersAndEndsStreams) {
  auto server = std::make_unique<TestServer>();
  auto channel = server->Connect();
  auto health = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  auto watch = health->Watch(&context, {});
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);

  RawSession session(channel);
  map::EventsRequest request;
  *request.mutable_headers() =
      session.CommandHeaders(session.Create(kMapType, "map"));
  request.mutable_input();
  Call call;
  auto events = session.maps().Events(&call, request);
  // Answers to a later command mean that the stream is open.
  ASSERT_GT(session.Create(kMapType, "other"), 0u);

  server.reset();
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  map::EventsResponse event;
  EXPECT_FALSE(events->Read(&event));
  EXPECT_EQ(events->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(ServerTest, ReflectionCanDescribeEveryServiceOfTheRegistry) {
  for (const auto& type : primitive::BuiltinRegistry().types()) {
    EXPECT_TRUE(server::CanDescribe(type.service)) << type.service;
    const std::string second = type.ServiceIn(session::Generation::kRsm);
    EXPECT_TRUE(second.empty() || server::CanDescribe(second)) << second;
  }
  EXPECT_TRUE(server::CanDescribe("atomix.protocols.rsm.v1.Partition"));
  EXPECT_TRUE(server::CanDescribe("atomix.protocols.rsm.v1.Session"));
  EXPECT_TRUE(server::CanDescribe("atomix.multiraft.v1.Partition"));
  EXPECT_TRUE(server::CanDescribe("atomix.multiraft.v1.Session"));
  EXPECT_TRUE(server::CanDescribe("multiraft.admin.v1.Admin"));
  EXPECT_FALSE(server::CanDescribe("no.such.Service"));
}

TEST(ServerTest, ReflectionListsTheServices) {
  TestServer server;
  grpc::GenericStub stub(server.Connect());
  // ServerReflectionRequest {list_services "*"}; one answer has all names.
  Call call;
  grpc::CompletionQueue queue;
  auto stream = stub.PrepareCall(
      &call, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      &queue);
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  stream->StartCall(nullptr);
  ASSERT_TRUE(next());
  grpc::Slice slice(Bytes("\x3a\x01*"));
  stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer response;
  stream->Read(&response, nullptr);
  ASSERT_TRUE(next());
  grpc::Slice whole;
  response.DumpToSingleSlice(&whole);
  const std::string text(reinterpret_cast<const char*>(whole.begin()),
                         whole.size());
  for (const char* name :
       {"atomix.multiraft.v1.Partition", "atomix.multiraft.map.v1.Map",
        "atomix.protocols.rsm.v1.Session", "atomix.protocols.rsm.set.v1.Set",
        "multiraft.admin.v1.Admin", "grpc.health.v1.Health"}) {
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
  call->TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  next();
  queue.Shutdown();
  while (next()) {
  }
}

TEST(ServerTest, ARestartKeepsSessionsDataAndAnswers) {
  TestServer server;
  RawSession before(server.Connect());
  const uint64_t counter_id = before.Create(kCounterType, "c");
  const uint64_t map_id = before.Create(kMapType, "m");
  counter::IncrementRequest increment;
  *increment.mutable_headers() = before.CommandHeaders(counter_id);
  increment.mutable_input()->set_delta(7);
  counter::IncrementResponse first;
  {
    Call call;
    ASSERT_TRUE(before.counters().Increment(&call, increment, &first).ok());
  }
  ASSERT_TRUE(before.Put(map_id, "k", "v"));

  server.Restart();
  RawSession after(before, server.Connect());
  counter::IncrementResponse again;
  {
    Call call;
    ASSERT_TRUE(after.counters().Increment(&call, increment, &again).ok());
  }
  EXPECT_EQ(again.output().value(), 7);  // Not applied twice.
  EXPECT_EQ(again.headers().output_sequence_num(), 1u);
  EXPECT_EQ(after.Read(counter_id), 7);
  EXPECT_EQ(after.Get(map_id, "k"), "v");
  EXPECT_TRUE(after.KeepAlive().ok());
  EXPECT_EQ(after.Create(kMapType, "m"), map_id);
}

TEST(ServerTest, ThereAreAsManyPartitionsAsAsked) {
  server::Options options = TestServer::DefaultOptions();
  options.partitions = 5;
  TestServer server(options);
  auto stub = ::multiraft::admin::v1::Admin::NewStub(server.Connect());
  ::multiraft::admin::v1::StatusResponse response;
  Call call;
  ASSERT_TRUE(stub->Status(&call, {}, &response).ok());
  ASSERT_EQ(response.partitions_size(), 5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(response.partitions(i).partition_id(), i + 1u);
    EXPECT_EQ(response.partitions(i).role(),
              ::multiraft::admin::v1::ROLE_LEADER);
  }
  EXPECT_EQ(response.node_id(), 1u);
  EXPECT_EQ(response.mode(), "single");
  EXPECT_EQ(response.data_format(), 1u);
}

// The events of one map, read over streams that break.
class EventsTest : public ::testing::Test {
 protected:
  EventsTest() : session_(server_.Connect()) {
    map_ = session_.Create(kMapType, "map");
    *request_.mutable_headers() = session_.CommandHeaders(map_);
    request_.mutable_input();
  }

  void Put(int key) {
    ASSERT_TRUE(session_.Put(map_, std::to_string(key), "v"));
  }

  // Opens the stream, the same each time, and reads `count` outputs:
  // "number:key".
  std::vector<std::string> Read(int count) {
    RawSession session(session_, server_.Connect());
    Call call;
    auto reader = session.maps().Events(&call, request_);
    std::vector<std::string> outputs;
    map::EventsResponse response;
    while (count-- > 0 && reader->Read(&response)) {
      outputs.push_back(
          std::to_string(response.headers().output_sequence_num()) + ":" +
          response.output().event().key());
    }
    call->TryCancel();
    return outputs;
  }

  // The stream is open in the state when a command behind it was applied.
  void Open() {
    std::promise<void> opened;
    RawSession session(session_, server_.Connect());
    Call call;
    auto reader = session.maps().Events(&call, request_);
    while (server_.Status().open_commands() == 0) {
    }
    call->TryCancel();
  }

  TestServer server_;
  RawSession session_;
  uint64_t map_ = 0;
  map::EventsRequest request_;
};

TEST_F(EventsTest, AStreamOpenedAgainWithItsNumberHasNoGap) {
  Open();
  Put(1);
  Put(2);
  EXPECT_THAT(Read(2), ElementsAre("1:1", "2:2"));
  Put(3);  // While nobody listens.
  EXPECT_THAT(Read(3), ElementsAre("1:1", "2:2", "3:3"));
}

TEST_F(EventsTest, NorAfterARestart) {
  Open();
  Put(1);
  Put(2);
  EXPECT_THAT(Read(1), ElementsAre("1:1"));
  server_.Restart();
  session_ = RawSession(session_, server_.Connect());
  Put(3);
  EXPECT_THAT(Read(3), ElementsAre("1:1", "2:2", "3:3"));
  server_.Restart();
  EXPECT_THAT(Read(3), ElementsAre("1:1", "2:2", "3:3"));
}

TEST_F(EventsTest, AcknowledgedOutputsAreNotSentAgain) {
  Open();
  for (int key : {1, 2, 3}) Put(key);
  EXPECT_THAT(Read(3), ElementsAre("1:1", "2:2", "3:3"));

  v1::KeepAliveRequest keep_alive;
  keep_alive.mutable_headers()->set_partition_id(1);
  auto& input = *keep_alive.mutable_input();
  input.set_session_id(session_.id());
  // {2}: the stream's number, by the driver's own filter.
  ASSERT_EQ(request_.headers().sequence_num(), 2u);
  input.set_input_filter(R"({"m":7,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAXA=="})");
  input.set_last_input_sequence_num(session_.last_sequence());
  (*input.mutable_last_output_sequence_nums())[2] = 2;
  v1::KeepAliveResponse response;
  Call call;
  ASSERT_TRUE(
      session_.partitions().KeepAlive(&call, keep_alive, &response).ok());

  server_.Restart();
  EXPECT_THAT(Read(1), ElementsAre("3:3"));
}

TEST_F(EventsTest, TheLaterOfTwoCallersGetsTheStream) {
  Open();
  Call first;
  auto old = session_.maps().Events(&first, request_);
  Put(1);
  map::EventsResponse response;
  ASSERT_TRUE(old->Read(&response));
  EXPECT_THAT(Read(1), ElementsAre("1:1"));
  EXPECT_FALSE(old->Read(&response));
  EXPECT_EQ(old->Finish().error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(EventsTest, ASessionThatClosesEndsItsStreamsCleanly) {
  Call call;
  auto reader = session_.maps().Events(&call, request_);
  while (server_.Status().open_commands() == 0) {
  }
  ASSERT_TRUE(session_.Close().ok());
  map::EventsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(EventsTest, AWatchListsAndThenFollows) {
  Put(1);
  map::EntriesRequest entries;
  *entries.mutable_headers() = session_.QueryHeaders(map_);
  entries.mutable_input()->set_watch(true);
  Call call;
  auto reader = session_.maps().Entries(&call, entries);
  map::EntriesResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.output().entry().key(), "1");
  EXPECT_TRUE(response.output().entry().has_value());
  Put(2);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.output().entry().key(), "2");
  EXPECT_GT(
      response.headers().operation().session().session().partition().index(),
      0u);
  call->TryCancel();
}

TEST(ServerTest, StatusTellsOfTheDisk) {
  TestServer server;
  auto stub = ::multiraft::admin::v1::Admin::NewStub(server.Connect());
  ::multiraft::admin::v1::StatusResponse response;
  Call call;
  ASSERT_TRUE(stub->Status(&call, {}, &response).ok());
  EXPECT_GT(response.disk().free_bytes(), 0u);
  EXPECT_GT(response.disk().reserve_bytes(), 0u);
  EXPECT_GT(response.disk().fsyncs(), 0u);
  EXPECT_GT(response.disk().bytes_written(), 0u);
}

}  // namespace
}  // namespace tests
