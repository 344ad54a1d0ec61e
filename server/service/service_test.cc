// The services over real gRPC, in front of a partition that the test plays.

#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/multiraft/map/v1/service.grpc.pb.h"
#include "atomix/multiraft/v1/partition.grpc.pb.h"
#include "atomix/multiraft/v1/session.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "server/service/gateway.h"
#include "server/service/testing/fake_partition.h"
#include "server/service/testing/manual_executor.h"
#include "server/service/testing/service_fixture.h"

namespace server::service {
namespace {

using ::testing::HasSubstr;

TEST_F(ServiceTest, ACommandReachesTheLogWithEverythingItSays) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementOutput output;
  output.set_value(10);
  counter::IncrementResponse response;
  const grpc::Status status = Answering(
      {.outcome = Applied::Outcome::kAnswered,
       .index = 20,
       .output = {.number = 1,
                  .index = 20,
                  .result = session::Ok(output.SerializeAsString())}},
      [&] { return stub->Increment(&context_, Increment(), &response); });
  ASSERT_TRUE(status.ok()) << status.error_message();

  const auto& command = command_.session_command();
  EXPECT_EQ(command.session_id(), 9u);
  EXPECT_EQ(command.sequence_num(), 5u);
  EXPECT_EQ(command.generation(), 1u);
  EXPECT_NE(command.input_hash(), 0u);
  EXPECT_EQ(command.primitive().primitive_id(), 11u);
  EXPECT_EQ(command.primitive().type(), "counter");
  EXPECT_EQ(command.primitive().input(),
            Increment().input().SerializeAsString());

  EXPECT_EQ(response.output().value(), 10);
  EXPECT_EQ(response.headers().output_sequence_num(), 1u);
  const auto& primitive = response.headers().operation().session();
  EXPECT_EQ(primitive.session().partition().index(), 20u);
}

TEST_F(ServiceTest, AFailureOfThePrimitiveIsInTheHeadersWithoutOutput) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementResponse response;
  const grpc::Status status = Answering(
      {.outcome = Applied::Outcome::kAnswered,
       .index = 20,
       .output = {.number = 1,
                  .result = session::Failure(
                      session::OperationStatus::kForbidden, "no primitive")}},
      [&] { return stub->Increment(&context_, Increment(), &response); });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(response.headers().operation().status(),
            v1::OperationResponseHeaders::FORBIDDEN);
  EXPECT_EQ(response.headers().operation().message(), "no primitive");
  EXPECT_FALSE(response.has_output());
}

TEST_F(ServiceTest, TheSameNumberWithAnotherInputHasAnotherHash) {
  auto stub = counter::Counter::NewStub(channel_);
  std::set<uint64_t> hashes;
  for (int64_t delta : {1, 2, 1}) {
    grpc::ClientContext context;
    counter::IncrementRequest request = Increment();
    request.mutable_input()->set_delta(delta);
    counter::IncrementResponse response;
    Answering({.outcome = Applied::Outcome::kAnswered},
              [&] { return stub->Increment(&context, request, &response); });
    hashes.insert(command_.session_command().input_hash());
  }
  EXPECT_EQ(hashes.size(), 2u);
}

TEST_F(ServiceTest, RefusalsCarryOutcomeAndHint) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementResponse response;
  const grpc::Status status = Refusing(
      {.status = absl::UnavailableError("busy"),
       .outcome = partition::Outcome::kNotProposed,
       .retry_after_ms = 250,
       .leader = "10.0.0.7:5678"},
      [&] { return stub->Increment(&context_, Increment(), &response); });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "busy");
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
  EXPECT_EQ(Trailer("multiraft-retry-after-ms"), "250");
  EXPECT_EQ(Trailer("multiraft-leader"), "10.0.0.7:5678");

  const Error decoded =
      DecodeError(status, context_.GetServerTrailingMetadata());
  EXPECT_TRUE(absl::IsUnavailable(decoded.refusal.status));
  EXPECT_EQ(decoded.refusal.outcome, partition::Outcome::kNotProposed);
  EXPECT_EQ(decoded.refusal.retry_after_ms, 250u);
  EXPECT_EQ(decoded.refusal.leader, "10.0.0.7:5678");
}

TEST_F(ServiceTest, ADroppedCommandHasAnUnknownOutcome) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementResponse response;
  auto status = std::async(std::launch::async, [&] {
    return stub->Increment(&context_, Increment(), &response);
  });
  { FakePartition::Proposed dropped = partition_->TakeProposal(); }
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Trailer("multiraft-outcome"), "unknown");
}

TEST_F(ServiceTest, AnUnknownOutcomeOfOpenSessionIsNotRetriedByDrivers) {
  auto stub = v1::Partition::NewStub(channel_);
  v1::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->mutable_timeout()->set_seconds(60);
  v1::OpenSessionResponse response;
  const grpc::Status status = Refusing(
      {.status = absl::UnavailableError("leadership was lost"),
       .outcome = partition::Outcome::kUnknown},
      [&] { return stub->OpenSession(&context_, request, &response); });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(Trailer("multiraft-outcome"), "unknown");
}

TEST_F(ServiceTest, OpenSessionAnswersWithTheSession) {
  auto stub = v1::Partition::NewStub(channel_);
  v1::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->mutable_timeout()->set_nanos(500'000'000);
  v1::OpenSessionResponse response;
  const grpc::Status status = Answering(
      {.outcome = Applied::Outcome::kSessionOpened,
       .index = 31,
       .session = session::SessionId(31)},
      [&] { return stub->OpenSession(&context_, request, &response); });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(kind_, partition::CommandRequest::Kind::kOpenSession);
  EXPECT_EQ(command_.open_session().timeout_ns(), 500'000'000u);
  EXPECT_EQ(response.output().session_id(), 31u);
  EXPECT_EQ(response.headers().index(), 31u);
}

TEST_F(ServiceTest, AnUnknownSessionIsDataLossForKeepAliveOnly) {
  auto partitions = v1::Partition::NewStub(channel_);
  v1::KeepAliveRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->set_session_id(9);
  request.mutable_input()->set_input_filter(
      R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})");
  (*request.mutable_input()->mutable_last_output_sequence_nums())[70] = 2;
  (*request.mutable_input()->mutable_last_output_sequence_nums())[8] = 5;
  v1::KeepAliveResponse response;
  grpc::Status status = Answering(
      {.outcome = Applied::Outcome::kUnknownSession},
      [&] { return partitions->KeepAlive(&context_, request, &response); });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(status.error_message(), "session not found");
  ASSERT_EQ(command_.keep_alive().acknowledgements_size(), 2);
  EXPECT_EQ(command_.keep_alive().acknowledgements(0).sequence_num(), 8u);
  EXPECT_EQ(command_.keep_alive().acknowledgements(1).sequence_num(), 70u);

  auto counters = counter::Counter::NewStub(channel_);
  counter::IncrementResponse increment;
  grpc::ClientContext context;
  status = Answering({.outcome = Applied::Outcome::kUnknownSession}, [&] {
    return counters->Increment(&context, Increment(), &increment);
  });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "session not found");
}

TEST_F(ServiceTest, CreatePrimitiveAnswersWithoutAnOutputNumber) {
  auto stub = v1::Session::NewStub(channel_);
  v1::CreatePrimitiveRequest request;
  Address(*request.mutable_headers()->mutable_operation());
  request.mutable_headers()->set_sequence_num(1);
  request.mutable_input()->mutable_spec()->set_service(
      "atomix.runtime.counter.v1.Counter");
  request.mutable_input()->mutable_spec()->set_name("hits");
  v1::CreatePrimitiveOutput output;
  output.set_primitive_id(12);
  v1::CreatePrimitiveResponse response;
  const grpc::Status status = Answering(
      {.outcome = Applied::Outcome::kAnswered,
       .index = 12,
       .output = {.number = 1,
                  .result = session::Ok(output.SerializeAsString())}},
      [&] { return stub->CreatePrimitive(&context_, request, &response); });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(command_.session_command().create_primitive().name(), "hits");
  EXPECT_EQ(response.output().primitive_id(), 12u);
  EXPECT_EQ(response.headers().output_sequence_num(), 0u);
}

TEST_F(ServiceTest, ADeadlineEndsTheCallAndItsLateAnswerIsIgnored) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementResponse response;
  context_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::milliseconds(50));
  auto status = std::async(std::launch::async, [&] {
    return stub->Increment(&context_, Increment(), &response);
  });
  FakePartition::Proposed proposed = partition_->TakeProposal();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  std::move(proposed.completion)
      .Complete({.outcome = Applied::Outcome::kAnswered});
}

TEST_F(ServiceTest, AnAnswerAfterTheServerIsGoneTouchesNothing) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementResponse response;
  auto status = std::async(std::launch::async, [&] {
    return stub->Increment(&context_, Increment(), &response);
  });
  FakePartition::Proposed proposed = partition_->TakeProposal();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  EXPECT_FALSE(status.get().ok());
  std::move(proposed.completion)
      .Complete({.outcome = Applied::Outcome::kAnswered});
}

TEST_F(ServiceTest, AStreamWritesTheNextOutputWhenTheLastWasTaken) {
  auto stub = map::Map::NewStub(channel_);
  auto reader = stub->Events(&context_, Events());
  FakePartition::Opened opened = partition_->TakeStream();
  EXPECT_EQ(opened.command.kind, partition::CommandRequest::Kind::kStream);
  EXPECT_EQ(opened.command.key.sequence, session::SequenceNum(8));
  for (uint64_t number : {1, 2, 3}) {
    opened.sink->Write({.number = number, .index = 40 + number});
    map::EventsResponse response;
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.headers().output_sequence_num(), number);
    EXPECT_EQ(partition_->TakeWritable(), opened.id);
  }
  opened.sink->End({});
  map::EventsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServiceTest, AStreamThatEndsBehindAWriteDeliversTheWrite) {
  auto stub = map::Map::NewStub(channel_);
  auto reader = stub->Events(&context_, Events());
  FakePartition::Opened opened = partition_->TakeStream();
  opened.sink->Write({.number = 1,
                      .result = session::Failure(
                          session::OperationStatus::kForbidden, "closed")});
  opened.sink->End({.status = absl::AbortedError("replaced")});
  map::EventsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.headers().operation().status(),
            v1::OperationResponseHeaders::FORBIDDEN);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(ServiceTest, ACancelledStreamIsClosedOnceAndItsSinkMayLiveOn) {
  auto stub = map::Map::NewStub(channel_);
  auto reader = stub->Events(&context_, Events());
  FakePartition::Opened opened = partition_->TakeStream();
  context_.TryCancel();
  EXPECT_EQ(partition_->TakeClosed(), opened.id);
  opened.sink->Write({.number = 1});
  opened.sink->End({});
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServiceTest, AStreamOfAPartitionElsewhereIsHeldBeforeItIsRefused) {
  auto stub = map::Map::NewStub(channel_);
  map::EventsRequest request = Events();
  request.mutable_headers()
      ->mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->mutable_partition()
      ->set_partition_id(2);
  auto reader = stub->Events(&context_, request);
  timer_.RunOne();  // Nothing is answered before.
  map::EventsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("partition 2"));
}

// A driver opens a stream that ends at once again at once, until the process is
// gone.
TEST_F(ServiceTest, AStreamIsHeldAlsoWhenAllOthersEnd) {
  auto stub = map::Map::NewStub(channel_);
  map::EventsRequest request = Events();
  request.mutable_headers()
      ->mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->mutable_partition()
      ->set_partition_id(2);
  auto before = stub->Events(&context_, request);
  timer_.WaitForTasks(1);
  gateway_.streams().EndAll(
      {.refusal = {.status = absl::DataLossError("the end")}});
  grpc::ClientContext context;
  auto after = stub->Events(&context, request);
  timer_.WaitForTasks(2);
  timer_.RunOne();
  timer_.RunOne();
  for (auto* const reader : {before.get(), after.get()}) {
    map::EventsResponse response;
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_THAT(reader->Finish().error_message(), HasSubstr("partition 2"));
  }
}

TEST_F(ServiceTest, AStreamRefusedSoonAfterItsOpeningIsHeldBeforeItEnds) {
  auto stub = map::Map::NewStub(channel_);
  auto reader = stub->Events(&context_, Events());
  FakePartition::Opened opened = partition_->TakeStream();
  opened.sink->End({.status = absl::UnavailableError("the mailbox is full")});
  map::EventsResponse response;
  auto end =
      std::async(std::launch::async, [&] { return reader->Read(&response); });
  // Nothing ends it but the timer: without one this would hang.
  timer_.RunOne();
  EXPECT_FALSE(end.get());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServiceTest, ABadFilterOfAnUnknownSessionIsAnUnknownSession) {
  auto stub = v1::Partition::NewStub(channel_);
  v1::KeepAliveRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->set_session_id(9);
  request.mutable_input()->set_input_filter("no filter");
  for (const bool unknown : {true, false}) {
    grpc::ClientContext context;
    v1::KeepAliveResponse response;
    auto status = std::async(std::launch::async, [&] {
      return stub->KeepAlive(&context, request, &response);
    });
    FakePartition::Asked asked = partition_->TakeQuery();
    EXPECT_EQ(asked.request.query.session, session::SessionId(9));
    std::move(asked.completion).Complete({.unknown_session = unknown});
    EXPECT_EQ(status.get().error_code(),
              unknown ? grpc::StatusCode::DATA_LOSS
                      : grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_TRUE(partition_->nothing_proposed());
}

TEST_F(ServiceTest, AnAbsentInputIsJudgedBehindTheSession) {
  auto stub = counter::Counter::NewStub(channel_);
  counter::IncrementRequest request = Increment();
  request.clear_input();
  counter::IncrementResponse response;
  auto status = std::async(std::launch::async, [&] {
    return stub->Increment(&context_, request, &response);
  });
  FakePartition::Asked asked = partition_->TakeQuery();
  EXPECT_EQ(asked.request.query.operation, nullptr);
  std::move(asked.completion).Complete({.unknown_session = true});
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ServiceTest, ClosingEndsStreamsAndRefusesNewWork) {
  auto stub = map::Map::NewStub(channel_);
  auto reader = stub->Events(&context_, Events());
  FakePartition::Opened opened = partition_->TakeStream();
  gateway_.Close();
  map::EventsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(partition_->TakeClosed(), opened.id);

  auto counters = counter::Counter::NewStub(channel_);
  counter::IncrementResponse increment;
  grpc::ClientContext context;
  EXPECT_EQ(counters->Increment(&context, Increment(), &increment).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(partition_->nothing_proposed());
}

TEST_F(ServiceTest, NothingPassesTheAuthorizerThatItRefuses) {
  authorizer_.refused = "Increment";
  auto stub = counter::Counter::NewStub(channel_);
  context_.AddMetadata("x-request-id", "abc");
  counter::IncrementResponse response;
  const grpc::Status status =
      stub->Increment(&context_, Increment(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "not you");
  EXPECT_EQ(Trailer("multiraft-outcome"), "not-proposed");
  EXPECT_TRUE(partition_->nothing_proposed());
  base::MutexLock lock(authorizer_.mu_);
  EXPECT_EQ(authorizer_.request_id, "abc");
  EXPECT_EQ(authorizer_.primitive, session::PrimitiveId(11));
  EXPECT_TRUE(authorizer_.writes);
}

TEST_F(ServiceTest, WatchSendsTheLeaderNowAndEachChange) {
  partition_->SetLeader({.term = raft::Term(2), .leader = raft::ReplicaId(7)});
  auto stub = v1::Partition::NewStub(channel_);
  v1::WatchPartitionRequest request;
  request.set_partition_id(1);
  auto reader = stub->Watch(&context_, request);
  v1::WatchPartitionResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_GT(response.timestamp().seconds(), 0);
  EXPECT_EQ(response.leader_updated().term(), 2u);
  EXPECT_EQ(response.leader_updated().leader(), 7u);
  EXPECT_EQ(response.leader_updated().member().group_id(), 1u);
  EXPECT_EQ(response.leader_updated().member().member_id(), 7u);

  partition_->SetLeader({.term = raft::Term(3), .leader = raft::ReplicaId(8)});
  partition_->SetLeader({.term = raft::Term(4), .leader = raft::ReplicaId(9)});
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.leader_updated().leader(), 8u);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.leader_updated().leader(), 9u);

  context_.TryCancel();
  EXPECT_FALSE(reader->Read(&response));
  partition_->WaitForListeners(0);
}

// Its client asks again, and is passed on to where the partition is.
TEST_F(ServiceTest, WatchEndsWhenThePartitionLeavesTheNode) {
  auto stub = v1::Partition::NewStub(channel_);
  v1::WatchPartitionRequest request;
  request.set_partition_id(1);
  auto reader = stub->Watch(&context_, request);
  v1::WatchPartitionResponse response;
  ASSERT_TRUE(reader->Read(&response));
  partition_->Stop(partition::StopReason::kRemoved);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// It was found, and is gone before it is asked.
TEST_F(ServiceTest, WatchEndsWhenThePartitionLeavesBeforeItSaidAnything) {
  partition_->Stop(partition::StopReason::kRemoved);
  auto stub = v1::Partition::NewStub(channel_);
  v1::WatchPartitionRequest request;
  request.set_partition_id(1);
  auto reader = stub->Watch(&context_, request);
  v1::WatchPartitionResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServiceTest, HealthFollowsThePartitions) {
  namespace health = ::grpc::health::v1;
  auto stub = health::Health::NewStub(channel_);
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    health::HealthCheckRequest request;
    request.set_service(service);
    health::HealthCheckResponse response;
    const grpc::Status status = stub->Check(&context, request, &response);
    return status.ok() ? static_cast<int>(response.status())
                       : -static_cast<int>(status.error_code());
  };
  for (const char* name :
       {"", "atomix.multiraft.v1.Partition", "partition/1"}) {
    partition_->set_serving(true);
    EXPECT_EQ(check(name), health::HealthCheckResponse::SERVING) << name;
    partition_->set_serving(false);
    EXPECT_EQ(check(name), health::HealthCheckResponse::NOT_SERVING) << name;
  }
  EXPECT_EQ(check("partition/2"), -grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(check("no.such.Service"), -grpc::StatusCode::NOT_FOUND);

  health::HealthCheckRequest request;
  health::HealthCheckResponse response;
  auto reader = stub->Watch(&context_, request);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::NOT_SERVING);
  partition_->set_serving(true);
  // The first write may still be in flight when the watch looks.
  auto change =
      std::async(std::launch::async, [&] { return reader->Read(&response); });
  while (change.wait_for(std::chrono::milliseconds(1)) !=
         std::future_status::ready) {
    timer_.RunOne();
  }
  EXPECT_TRUE(change.get());
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING);
}

TEST_F(ServiceTest, HowManyWatchesAreOpenIsBounded) {
  partition_->SetLeader({.term = raft::Term(2), .leader = raft::ReplicaId(7)});
  auto partitions = v1::Partition::NewStub(channel_);
  v1::WatchPartitionRequest request;
  request.set_partition_id(1);
  v1::WatchPartitionResponse response;
  auto first = partitions->Watch(&context_, request);
  ASSERT_TRUE(first->Read(&response));

  namespace health = ::grpc::health::v1;
  auto healths = health::Health::NewStub(channel_);
  health::HealthCheckResponse state;
  grpc::ClientContext second_context;
  auto second = healths->Watch(&second_context, {});
  ASSERT_TRUE(second->Read(&state));

  // Both kinds take from the same places.
  grpc::ClientContext third_context;
  auto third = healths->Watch(&third_context, {});
  EXPECT_FALSE(third->Read(&state));
  EXPECT_EQ(third->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext fourth_context;
  auto fourth = partitions->Watch(&fourth_context, request);
  EXPECT_FALSE(fourth->Read(&response));
  EXPECT_EQ(fourth->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);

  context_.TryCancel();
  EXPECT_FALSE(first->Read(&response));
  partition_->WaitForListeners(0);
  grpc::ClientContext fifth_context;
  auto fifth = partitions->Watch(&fifth_context, request);
  EXPECT_TRUE(fifth->Read(&response));
  for (auto* const context : {&second_context, &fifth_context}) {
    context->TryCancel();
  }
}

// A node has as much for all who come, themselves or through another node.
TEST_F(ServiceTest, TwoDoorsShareTheNodesPlaces) {
  NodePlaces places(Options{.query_streams_max = 1, .watches_max = 1});
  Gateway clients(gateway_.options(), {}, authorizer_, timer_,
                  base::SystemClock(), Door{.places = &places});
  Gateway nodes(gateway_.options(), {}, authorizer_, timer_,
                base::SystemClock(),
                Door{.for_nodes = true, .places = &places});
  for (const auto kind : {&Gateway::query_streams, &Gateway::watches}) {
    std::shared_ptr<const void> place = (clients.*kind)().Take();
    EXPECT_NE(place, nullptr);
    EXPECT_EQ((nodes.*kind)().Take(), nullptr);
    place = nullptr;
    EXPECT_NE((nodes.*kind)().Take(), nullptr);
  }
}

// However many watches there are, the timer has one task for them.
TEST_F(ServiceTest, AllHealthWatchesAreLookedAtTogether) {
  namespace health = ::grpc::health::v1;
  auto stub = health::Health::NewStub(channel_);
  health::HealthCheckResponse response;
  grpc::ClientContext second_context;
  auto first = stub->Watch(&context_, {});
  auto second = stub->Watch(&second_context, {});
  ASSERT_TRUE(first->Read(&response));
  ASSERT_TRUE(second->Read(&response));
  EXPECT_EQ(timer_.tasks(), 1u);
  for (auto* const context : {&context_, &second_context}) {
    context->TryCancel();
  }
  first->Finish();
  second->Finish();
  while (gateway_.streams().size() != 0) std::this_thread::yield();
  timer_.RunOne();
  EXPECT_EQ(timer_.tasks(), 0u);
}

TEST_F(ServiceTest, AdminTellsOfNodeAndPartitions) {
  auto stub = ::multiraft::admin::v1::Admin::NewStub(channel_);
  ::multiraft::admin::v1::StatusResponse response;
  ASSERT_TRUE(stub->Status(&context_, {}, &response).ok());
  EXPECT_EQ(response.node_id(), 3u);
  ASSERT_EQ(response.partitions_size(), 1);
  EXPECT_EQ(response.partitions(0).partition_id(), 1u);
  EXPECT_EQ(response.partitions(0).replica_id(), 7u);
  EXPECT_EQ(response.partitions(0).index(), 42u);
  EXPECT_TRUE(response.partitions(0).healthy());
}

// It would put back what it says within seconds.
TEST_F(ServiceTest, TheAddressOfANodeThatIsUpIsItsOwnMatter) {
  const raft::Member member{.replica = raft::ReplicaId(2),
                            .node = base::NodeId(2),
                            .incarnation = 5,
                            .peer_address = "old:1",
                            .api_address = "old:2"};
  raft::Configuration configuration;
  configuration.members = {member};
  configuration.voters = {member.replica};
  partition_->set_configuration(configuration);
  auto stub = ::multiraft::admin::v1::Admin::NewStub(channel_);
  ::multiraft::admin::v1::ChangeMembersRequest request;
  request.set_partition_id(1);
  request.mutable_update()->set_node_id(2);
  request.mutable_update()->set_peer_address("new:1");
  ::multiraft::admin::v1::ChangeMembersResponse response;
  const auto change = [&] {
    grpc::ClientContext context;
    return stub->ChangeMembers(&context, request, &response);
  };

  const NodeIdentity self{.node = member.node,
                          .incarnation = 5,
                          .peer_address = "old:1",
                          .api_address = "old:2"};
  for (const char* where : {"old:1", "new:1"}) {
    identities_ = {{where, self}};
    const grpc::Status refused = change();
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(refused.error_message(), HasSubstr("--advertise_peer"));
    EXPECT_FALSE(partition_->change().has_value());
  }
  // Somebody else, or nobody, is there; or it says the same.
  NodeIdentity moved = self;
  moved.peer_address = "new:1";
  NodeIdentity other = self;
  other.incarnation = 6;
  for (const auto& identities : {std::map<std::string, NodeIdentity>{},
                                 {{"old:1", other}},
                                 {{"new:1", moved}}}) {
    identities_ = identities;
    EXPECT_TRUE(change().ok());
    ASSERT_TRUE(partition_->change().has_value());
    EXPECT_EQ(partition_->change()->member.peer_address, "new:1");
    EXPECT_EQ(partition_->change()->member.api_address, "old:2");
  }
  // A priority has nothing to do with it.
  identities_ = {{"old:1", self}};
  request.mutable_update()->clear_peer_address();
  request.mutable_update()->set_priority(0);
  EXPECT_TRUE(change().ok());
}

TEST_F(ServiceTest, WhoJoinsMustBeStartedFirst) {
  auto stub = ::multiraft::admin::v1::Admin::NewStub(channel_);
  ::multiraft::admin::v1::ChangeMembersRequest request;
  request.set_partition_id(1);
  request.mutable_add()->set_node_id(4);
  request.mutable_add()->set_peer_address("d:1");
  ::multiraft::admin::v1::ChangeMembersResponse response;
  EXPECT_THAT(
      stub->ChangeMembers(&context_, request, &response).error_message(),
      HasSubstr("start it with --join"));
}

// Nobody leads for long; operators' tools ask again and again.
TEST_F(ServiceTest, ATransferThatIsCancelledListensNoMore) {
  partition_->set_role(raft::Role::kLeader);
  auto stub = ::multiraft::admin::v1::Admin::NewStub(channel_);
  ::multiraft::admin::v1::TransferLeaderRequest request;
  request.set_partition_id(1);
  ::multiraft::admin::v1::TransferLeaderResponse response;
  auto status = std::async(std::launch::async, [&] {
    return stub->TransferLeader(&context_, request, &response);
  });
  partition_->WaitForListeners(1);
  context_.TryCancel();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
  partition_->WaitForListeners(0);
}

}  // namespace
}  // namespace server::service
