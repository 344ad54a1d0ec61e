// What is different in the second generation of the API, as far as the services
// decide it.

#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <future>
#include <string>

#include "atomix/multiraft/counter/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/counter/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/map/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/v1/partition.grpc.pb.h"
#include "atomix/protocols/rsm/v1/session.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/caller.h"
#include "server/service/testing/fake_partition.h"
#include "server/service/testing/service_fixture.h"
#include "session/limits.h"
#include "session/types.h"

namespace server::service {
namespace {

namespace rsm = ::atomix::protocols::rsm;
using ::testing::HasSubstr;

class SecondGenerationTest : public ServiceTest {};

// What is sent in the first generation, as the second sends it: the same bytes.
template <class To, class From>
To InSecond(const From& from) {
  To to;
  EXPECT_TRUE(to.ParseFromString(from.SerializeAsString()));
  return to;
}

TEST_F(SecondGenerationTest, ACommandSaysWhichGenerationCarriedIt) {
  uint64_t hash = 0;
  {
    auto stub = counter::Counter::NewStub(channel_);
    counter::IncrementResponse response;
    Answering({.outcome = Applied::Outcome::kAnswered}, [&] {
      return stub->Increment(&context_, Increment(), &response);
    });
    EXPECT_EQ(command_.session_command().generation(), 1u);
    hash = command_.session_command().input_hash();
  }
  auto stub = rsm::counter::v1::Counter::NewStub(channel_);
  const auto request =
      InSecond<rsm::counter::v1::IncrementRequest>(Increment());
  rsm::counter::v1::IncrementResponse response;
  grpc::ClientContext context;
  const grpc::Status status = Answering(
      {.outcome = Applied::Outcome::kAnswered, .output = {.number = 1}},
      [&] { return stub->Increment(&context, request, &response); });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(response.has_output());
  const auto& command = command_.session_command();
  EXPECT_EQ(command.generation(), 2u);
  EXPECT_EQ(command.session_id(), 9u);
  EXPECT_EQ(command.primitive().type(), "counter");
  EXPECT_EQ(command.input_hash(), hash) << "it is the same command";
}

TEST_F(SecondGenerationTest, AStreamSaysWhichGenerationCarriedIt) {
  auto maps = rsm::map::v1::Map::NewStub(channel_);
  auto events =
      maps->Events(&context_, InSecond<rsm::map::v1::EventsRequest>(Events()));
  FakePartition::Opened opened = partition_->TakeStream();
  ASSERT_TRUE(command_.ParseFromString(opened.command.bytes));
  EXPECT_EQ(command_.session_command().generation(), 2u);

  rsm::map::v1::EntriesRequest request;
  *request.mutable_headers() =
      InSecond<rsm::v1::QueryRequestHeaders>(Events().headers());
  request.mutable_input();
  grpc::ClientContext context;
  auto entries = maps->Entries(&context, request);
  EXPECT_EQ(partition_->TakeStream().query.query.generation,
            session::Generation::kRsm);
  context_.TryCancel();
  context.TryCancel();
}

TEST_F(SecondGenerationTest, CreatePrimitiveOfTheSecondSaysTheSameInTheLog) {
  auto stub = rsm::v1::Session::NewStub(channel_);
  rsm::v1::CreatePrimitiveRequest request;
  *request.mutable_headers() =
      InSecond<rsm::v1::ProposalRequestHeaders>(Increment().headers());
  auto& spec = *request.mutable_input()->mutable_spec();
  spec.mutable_type()->set_name("Map");
  spec.mutable_type()->set_apiversion("v1");
  spec.mutable_name()->set_namespace_("ns");
  spec.mutable_name()->set_name("n");
  const auto create = [&] {
    grpc::ClientContext context;
    rsm::v1::CreatePrimitiveResponse response;
    const grpc::Status status = Answering(
        {.outcome = Applied::Outcome::kAnswered, .output = {.number = 1}},
        [&] { return stub->CreatePrimitive(&context, request, &response); });
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.headers().output_sequence_num(), 0u);
    return command_.session_command().create_primitive();
  };
  EXPECT_EQ(create().service(), "atomix.runtime.map.v1.Map");
  EXPECT_EQ(create().namespace_(), "ns");
  EXPECT_EQ(create().name(), "n");
  EXPECT_EQ(create().profile(), "");
  EXPECT_EQ(command_.session_command().generation(), 2u);
  // What the registry does not know stays so.
  spec.mutable_type()->set_apiversion("v2");
  EXPECT_EQ(create().service(), "Map/v2");
  spec.clear_type();
  EXPECT_EQ(create().service(), "/");
}

TEST_F(SecondGenerationTest, CreatePrimitiveOfTheSecondNamesItsOwnFields) {
  auto stub = rsm::v1::Session::NewStub(channel_);
  const std::string text(session::Limits().name_bytes_max + 1, 'n');
  const auto expect_invalid = [&](const rsm::v1::CreatePrimitiveInput& input,
                                  const std::string& field) {
    rsm::v1::CreatePrimitiveRequest request;
    *request.mutable_headers() =
        InSecond<rsm::v1::ProposalRequestHeaders>(Increment().headers());
    *request.mutable_input() = input;
    rsm::v1::CreatePrimitiveResponse response;
    grpc::ClientContext context;
    const grpc::Status status =
        stub->CreatePrimitive(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(field));
  };
  rsm::v1::CreatePrimitiveInput input;
  expect_invalid(input, "input.spec is missing");
  input.mutable_spec()->mutable_type()->set_name(text);
  expect_invalid(input, "input.spec.type.name has");
  input.mutable_spec()->mutable_type()->set_name("Map");
  input.mutable_spec()->mutable_type()->set_apiversion(text);
  expect_invalid(input, "input.spec.type.apiVersion has");
  input.mutable_spec()->mutable_type()->set_apiversion("v1");
  input.mutable_spec()->mutable_name()->set_namespace_(text);
  expect_invalid(input, "input.spec.name.namespace has");
  input.mutable_spec()->mutable_name()->set_namespace_("");
  input.mutable_spec()->mutable_name()->set_name(text);
  expect_invalid(input, "input.spec.name.name has");
  EXPECT_TRUE(partition_->nothing_proposed());
}

TEST_F(SecondGenerationTest, AnUnknownSessionIsDataLossInAllOfTheSecond) {
  auto partitions = rsm::v1::Partition::NewStub(channel_);
  const auto expect_lost = [](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
    EXPECT_EQ(status.error_message(), "session not found");
  };
  const Applied unknown{.outcome = Applied::Outcome::kUnknownSession};
  {
    rsm::v1::KeepAliveRequest request;
    request.mutable_headers()->set_partition_id(1);
    request.mutable_input()->set_session_id(9);
    request.mutable_input()->set_input_filter(
        R"({"m":1,"k":9223372036854775808,"b":"AAAAAAAAAAA="})");
    rsm::v1::KeepAliveResponse response;
    grpc::ClientContext context;
    expect_lost(Answering(unknown, [&] {
      return partitions->KeepAlive(&context, request, &response);
    }));
  }
  {
    rsm::v1::CloseSessionRequest request;
    request.mutable_headers()->set_partition_id(1);
    request.mutable_input()->set_session_id(9);
    rsm::v1::CloseSessionResponse response;
    grpc::ClientContext context;
    expect_lost(Answering(unknown, [&] {
      return partitions->CloseSession(&context, request, &response);
    }));
  }
  {
    rsm::v1::ClosePrimitiveRequest request;
    *request.mutable_headers() =
        InSecond<rsm::v1::ProposalRequestHeaders>(Increment().headers());
    request.mutable_input()->set_primitive_id(11);
    rsm::v1::ClosePrimitiveResponse response;
    grpc::ClientContext context;
    auto stub = rsm::v1::Session::NewStub(channel_);
    expect_lost(Answering(unknown, [&] {
      return stub->ClosePrimitive(&context, request, &response);
    }));
  }
  {
    auto stub = rsm::counter::v1::Counter::NewStub(channel_);
    const auto request =
        InSecond<rsm::counter::v1::IncrementRequest>(Increment());
    rsm::counter::v1::IncrementResponse response;
    grpc::ClientContext context;
    expect_lost(Answering(unknown, [&] {
      return stub->Increment(&context, request, &response);
    }));
  }
  auto maps = rsm::map::v1::Map::NewStub(channel_);
  auto request = InSecond<rsm::map::v1::EventsRequest>(Events());
  rsm::map::v1::EventsResponse response;
  {
    grpc::ClientContext context;
    auto events = maps->Events(&context, request);
    partition_->TakeStream().sink->End(partition::UnknownSession());
    EXPECT_FALSE(events->Read(&response));
    expect_lost(events->Finish());
  }
  // Or refused at the door.
  request.mutable_headers()
      ->mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->set_session_id(0);
  grpc::ClientContext context;
  auto events = maps->Events(&context, request);
  EXPECT_FALSE(events->Read(&response));
  expect_lost(events->Finish());
}

TEST_F(SecondGenerationTest, WhoLeadsIsNotAskedOfPartitionsInTheSecond) {
  grpc::GenericStub stub(channel_);
  for (const char* const method : {"/atomix.protocols.rsm.v1.Partition/Watch",
                                   "/atomix.protocols.rsm.list.v1.List/Size"}) {
    grpc::ClientContext context;
    const grpc::Slice empty;
    const grpc::ByteBuffer request(&empty, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, {}, &request, &response,
                   [&](const grpc::Status& status) { done.set_value(status); });
    EXPECT_EQ(done.get_future().get().error_code(),
              grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
}

}  // namespace
}  // namespace server::service
