// Both generations of the API on one port, in one session: docs/generations.md.

#include <grpcpp/client_context.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "atomix/multiraft/election/v1/service.grpc.pb.h"
#include "atomix/multiraft/set/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/counter/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/countermap/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/election/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/indexedmap/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/map/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/multimap/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/set/v1/service.grpc.pb.h"
#include "atomix/protocols/rsm/v1/partition.grpc.pb.h"
#include "atomix/protocols/rsm/value/v1/service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/raw_session.h"
#include "tests/rsm_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace election = ::atomix::multiraft::election::v1;
namespace set = ::atomix::multiraft::set::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kSetType[] = "atomix.runtime.set.v1.Set";
constexpr char kElectionType[] = "atomix.runtime.election.v1.LeaderElection";

class GenerationsTest : public ::testing::Test {
 protected:
  // What a stream of events of map `id` has next: its number, and "greeting k"
  // or what happened to a key. "the end" if there is no more.
  template <class Response>
  static std::string Next(grpc::ClientReader<Response>& events) {
    Response response;
    if (!events.Read(&response)) return "the end";
    const auto& event = response.output().event();
    const std::string number =
        std::to_string(response.headers().output_sequence_num());
    if (event.has_inserted()) return number + " inserted " + event.key();
    if (event.has_updated()) return number + " updated " + event.key();
    if (event.has_removed()) return number + " removed " + event.key();
    return number + " greeting " + event.key();
  }

  rsm::map::v1::EventsRequest EventsOf(uint64_t map,
                                       const std::string& key = "") {
    rsm::map::v1::EventsRequest request;
    *request.mutable_headers() = second_.ProposalHeaders(map);
    request.mutable_input()->set_key(key);
    return request;
  }

  // Of `request`, through the first generation.
  static map::EventsRequest InFirst(
      const rsm::map::v1::EventsRequest& request) {
    map::EventsRequest first;
    EXPECT_TRUE(first.ParseFromString(request.SerializeAsString()));
    return first;
  }

  bool Put(uint64_t map, const std::string& key, const std::string& value) {
    rsm::map::v1::PutRequest request;
    *request.mutable_headers() = second_.ProposalHeaders(map);
    request.mutable_input()->set_key(key);
    request.mutable_input()->set_value(value);
    rsm::map::v1::PutResponse response;
    Call call;
    return maps_->Put(&call, request, &response).ok() && response.has_output();
  }

  TestServer server_;
  std::shared_ptr<grpc::Channel> channel_ = server_.Connect();
  RawSession first_{channel_};
  RsmSession second_{first_, channel_};
  std::unique_ptr<rsm::map::v1::Map::Stub> maps_ =
      second_.Stub<rsm::map::v1::Map>();
};

// --- Sessions and primitives
// --------------------------------------------------

TEST_F(GenerationsTest, BothNameTheSamePrimitives) {
  const uint64_t map = first_.Create(kMapType, "m");
  ASSERT_NE(map, 0u);
  EXPECT_EQ(second_.Create("Map", "m"), map);
  EXPECT_TRUE(first_.Put(map, "k", "one"));

  rsm::map::v1::GetRequest get;
  *get.mutable_headers() = second_.QueryHeaders(map);
  get.mutable_input()->set_key("k");
  rsm::map::v1::GetResponse got;
  Call call;
  ASSERT_TRUE(maps_->Get(&call, get, &got).ok());
  EXPECT_EQ(got.output().value().value(), "one");
  EXPECT_TRUE(Put(map, "k", "two"));
  EXPECT_EQ(first_.Get(map, "k"), "two");

  // And by the other one first.
  const uint64_t other = second_.Create("Map", "n");
  ASSERT_NE(other, 0u);
  EXPECT_EQ(first_.Create(kMapType, "n"), other);
}

TEST_F(GenerationsTest, ATypeMustBeKnownAndTheSame) {
  using Header = rsm::v1::CallResponseHeaders;
  ASSERT_NE(second_.Create("Map", "m"), 0u);
  struct Bad {
    const char* type;
    const char* version;
  };
  for (const Bad& bad : {Bad{"Set", "v1"}, Bad{"Heap", "v1"}, Bad{"Map", "v2"},
                         Bad{"Map", ""}, Bad{"", ""}, Bad{"List", "v1"},
                         Bad{"atomix.runtime.map.v1.Map", "v1"}}) {
    SCOPED_TRACE(bad.type);
    const auto response = second_.CreatePrimitive(bad.type, bad.version, "m");
    EXPECT_EQ(response.headers().operation().status(), Header::FORBIDDEN);
    EXPECT_FALSE(response.has_output());
  }
}

TEST_F(GenerationsTest, ASessionOfTheSecondIsOneOfTheFirst) {
  auto partitions = second_.Stub<rsm::v1::Partition>();
  rsm::v1::OpenSessionRequest open;
  open.mutable_headers()->set_partition_id(1);
  open.mutable_input()->mutable_timeout()->set_seconds(60);
  rsm::v1::OpenSessionResponse opened;
  Call call;
  ASSERT_TRUE(partitions->OpenSession(&call, open, &opened).ok());
  v1::CloseSessionRequest close;
  close.mutable_headers()->set_partition_id(1);
  close.mutable_input()->set_session_id(opened.output().session_id());
  v1::CloseSessionResponse closed;
  Call close_call;
  EXPECT_TRUE(
      first_.partitions().CloseSession(&close_call, close, &closed).ok());

  // Gone for both.
  rsm::v1::KeepAliveRequest keep;
  keep.mutable_headers()->set_partition_id(1);
  keep.mutable_input()->set_session_id(opened.output().session_id());
  keep.mutable_input()->set_input_filter(kEmptyFilter);
  rsm::v1::KeepAliveResponse kept;
  Call keep_call;
  EXPECT_EQ(partitions->KeepAlive(&keep_call, keep, &kept).error_code(),
            grpc::StatusCode::DATA_LOSS);
}

TEST_F(GenerationsTest, ACommandIsAppliedOnceWhicheverBringsIt) {
  const uint64_t counter = second_.Create("Counter", "c");
  rsm::counter::v1::IncrementRequest request;
  *request.mutable_headers() = second_.ProposalHeaders(counter);
  request.mutable_input()->set_delta(3);
  auto counters = second_.Stub<rsm::counter::v1::Counter>();
  for (int i = 0; i < 2; ++i) {
    rsm::counter::v1::IncrementResponse response;
    Call call;
    ASSERT_TRUE(counters->Increment(&call, request, &response).ok());
    EXPECT_EQ(response.output().value(), 3);
  }
  counter::IncrementRequest same;
  ASSERT_TRUE(same.ParseFromString(request.SerializeAsString()));
  counter::IncrementResponse response;
  Call call;
  ASSERT_TRUE(first_.counters().Increment(&call, same, &response).ok());
  EXPECT_EQ(response.output().value(), 3);
  EXPECT_EQ(first_.Read(counter), 3);
}

// --- Events
// -------------------------------------------------------------------

TEST_F(GenerationsTest, OnlyStreamsOfTheSecondAreGreeted) {
  const uint64_t map = second_.Create("Map", "m");
  Call of_all, of_key, of_first;
  const auto all = maps_->Events(&of_all, EventsOf(map));
  EXPECT_EQ(Next(*all), "1 greeting ");
  const auto key = maps_->Events(&of_key, EventsOf(map, "k"));
  EXPECT_EQ(Next(*key), "1 greeting k");
  const auto ungreeted =
      first_.maps().Events(&of_first, InFirst(EventsOf(map)));
  // A later command is answered when the stream is open.
  ASSERT_TRUE(Put(map, "k", "1"));
  EXPECT_EQ(Next(*all), "2 inserted k");
  EXPECT_EQ(Next(*key), "2 inserted k");
  EXPECT_EQ(Next(*ungreeted), "1 inserted k");
  of_all->TryCancel();
  of_key->TryCancel();
  of_first->TryCancel();
}

TEST_F(GenerationsTest, AStreamIsGreetedOnceHoweverOftenItIsOpened) {
  const uint64_t map = second_.Create("Map", "m");
  const rsm::map::v1::EventsRequest request = EventsOf(map);
  {
    Call call;
    const auto events = maps_->Events(&call, request);
    EXPECT_EQ(Next(*events), "1 greeting ");
    ASSERT_TRUE(Put(map, "a", "1"));
    EXPECT_EQ(Next(*events), "2 inserted a");
    call->TryCancel();
  }
  ASSERT_TRUE(Put(map, "b", "1"));
  {
    // What is not acknowledged comes again, under the numbers it had.
    Call call;
    const auto events = maps_->Events(&call, request);
    EXPECT_EQ(Next(*events), "1 greeting ");
    EXPECT_EQ(Next(*events), "2 inserted a");
    EXPECT_EQ(Next(*events), "3 inserted b");
    call->TryCancel();
  }
  // Of which the greeting is one: acknowledged, it is gone.
  rsm::v1::KeepAliveRequest keep;
  keep.mutable_headers()->set_partition_id(1);
  keep.mutable_input()->set_session_id(first_.id());
  keep.mutable_input()->set_input_filter(kEmptyFilter);
  keep.mutable_input()->set_last_input_sequence_num(
      request.headers().sequence_num() - 1);
  (*keep.mutable_input()->mutable_last_output_sequence_nums())
      [request.headers().sequence_num()] = 2;
  rsm::v1::KeepAliveResponse kept;
  {
    Call call;
    ASSERT_TRUE(
        second_.Stub<rsm::v1::Partition>()->KeepAlive(&call, keep, &kept).ok());
  }
  // Nor do a restart, or a client of the first generation, bring another one.
  server_.Restart();
  channel_ = server_.Connect();
  {
    Call call;
    const auto events =
        rsm::map::v1::Map::NewStub(channel_)->Events(&call, request);
    EXPECT_EQ(Next(*events), "3 inserted b");
    call->TryCancel();
  }
  Call call;
  const auto events =
      map::Map::NewStub(channel_)->Events(&call, InFirst(request));
  EXPECT_EQ(Next(*events), "3 inserted b");
  call->TryCancel();
}

TEST_F(GenerationsTest, AStreamThatTheFirstOpenedStaysUngreeted) {
  const uint64_t map = second_.Create("Map", "m");
  const rsm::map::v1::EventsRequest request = EventsOf(map);
  {
    Call call;
    const auto events = first_.maps().Events(&call, InFirst(request));
    ASSERT_TRUE(Put(map, "a", "1"));
    EXPECT_EQ(Next(*events), "1 inserted a");
    call->TryCancel();
  }
  Call call;
  const auto events = maps_->Events(&call, request);
  EXPECT_EQ(Next(*events), "1 inserted a");
  call->TryCancel();
}

// The greeting of a stream, in its bytes; then the stream is closed.
template <class Service, class Request, class Response>
std::string GreetingOf(RsmSession& session, const std::string& type) {
  Request request;
  *request.mutable_headers() =
      session.ProposalHeaders(session.Create(type, type));
  request.mutable_input();
  const auto stub = session.Stub<Service>();
  Call call;
  const auto events = stub->Events(&call, request);
  Response response;
  EXPECT_TRUE(events->Read(&response)) << type;
  EXPECT_EQ(response.headers().output_sequence_num(), 1u);
  call->TryCancel();
  return response.output().SerializeAsString();
}

TEST_F(GenerationsTest, EveryPrimitiveWithEventsGreets) {
  const std::string no_kind("\x0a\x00", 2);  // {event {}}
  EXPECT_EQ(
      (GreetingOf<rsm::countermap::v1::CounterMap,
                  rsm::countermap::v1::EventsRequest,
                  rsm::countermap::v1::EventsResponse>(second_, "CounterMap")),
      no_kind);
  EXPECT_EQ(
      (GreetingOf<rsm::indexedmap::v1::IndexedMap,
                  rsm::indexedmap::v1::EventsRequest,
                  rsm::indexedmap::v1::EventsResponse>(second_, "IndexedMap")),
      no_kind);
  EXPECT_EQ((GreetingOf<rsm::map::v1::Map, rsm::map::v1::EventsRequest,
                        rsm::map::v1::EventsResponse>(second_, "Map")),
            no_kind);
  EXPECT_EQ(
      (GreetingOf<rsm::multimap::v1::MultiMap, rsm::multimap::v1::EventsRequest,
                  rsm::multimap::v1::EventsResponse>(second_, "MultiMap")),
      no_kind);
  EXPECT_EQ((GreetingOf<rsm::set::v1::Set, rsm::set::v1::EventsRequest,
                        rsm::set::v1::EventsResponse>(second_, "Set")),
            no_kind);
  EXPECT_EQ((GreetingOf<rsm::value::v1::Value, rsm::value::v1::EventsRequest,
                        rsm::value::v1::EventsResponse>(second_, "Value")),
            no_kind);
}

// --- Answers
// ------------------------------------------------------------------

TEST_F(GenerationsTest, SetsSayInTheSecondWhetherAnythingChanged) {
  const uint64_t id = first_.Create(kSetType, "s");
  ASSERT_EQ(second_.Create("Set", "s"), id);
  const auto sets = second_.Stub<rsm::set::v1::Set>();
  const auto add = [&] {
    rsm::set::v1::AddRequest request;
    *request.mutable_headers() = second_.ProposalHeaders(id);
    request.mutable_input()->mutable_element()->set_value("e");
    rsm::set::v1::AddResponse response;
    Call call;
    EXPECT_TRUE(sets->Add(&call, request, &response).ok());
    EXPECT_TRUE(response.has_output());
    return response.output().added();
  };
  const auto remove = [&] {
    rsm::set::v1::RemoveRequest request;
    *request.mutable_headers() = second_.ProposalHeaders(id);
    request.mutable_input()->mutable_element()->set_value("e");
    rsm::set::v1::RemoveResponse response;
    Call call;
    EXPECT_TRUE(sets->Remove(&call, request, &response).ok());
    EXPECT_TRUE(response.has_output());
    return response.output().removed();
  };
  EXPECT_TRUE(add());
  EXPECT_FALSE(add());

  set::AddRequest request;
  *request.mutable_headers() = first_.CommandHeaders(id);
  request.mutable_input()->mutable_element()->set_value("e");
  set::AddResponse response;
  Call call;
  EXPECT_TRUE(set::Set::NewStub(channel_)->Add(&call, request, &response).ok());
  EXPECT_EQ(response.headers().operation().status(),
            v1::OperationResponseHeaders::ALREADY_EXISTS);

  EXPECT_TRUE(remove());
  EXPECT_FALSE(remove());
}

TEST_F(GenerationsTest, AWatchOfAnElectionBeginsInTheSecondWithTheTerm) {
  const uint64_t id = first_.Create(kElectionType, "e");
  const auto enter = [&](const std::string& name) {
    election::EnterRequest request;
    *request.mutable_headers() = first_.CommandHeaders(id);
    request.mutable_input()->set_candidate(name);
    election::EnterResponse response;
    Call call;
    EXPECT_TRUE(election::LeaderElection::NewStub(channel_)
                    ->Enter(&call, request, &response)
                    .ok());
  };
  enter("a");
  const auto stub = second_.Stub<rsm::election::v1::LeaderElection>();
  rsm::election::v1::WatchRequest watch;
  *watch.mutable_headers() = second_.QueryHeaders(id);
  watch.mutable_input();
  Call call;
  const auto terms = stub->Watch(&call, watch);
  rsm::election::v1::WatchResponse response;
  ASSERT_TRUE(terms->Read(&response));
  EXPECT_EQ(response.output().term().leader(), "a");
  EXPECT_EQ(response.output().term().index(), 1u);
  EXPECT_THAT(response.output().term().candidates(), IsEmpty());
  enter("b");
  ASSERT_TRUE(terms->Read(&response));
  EXPECT_THAT(response.output().term().candidates(), ElementsAre("b"));
  call->TryCancel();
}

TEST_F(GenerationsTest, APartitionThatIsNotHereIsUnavailable) {
  auto partitions = second_.Stub<rsm::v1::Partition>();
  rsm::v1::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(9);
  request.mutable_input()->mutable_timeout()->set_seconds(60);
  rsm::v1::OpenSessionResponse response;
  Call call;
  EXPECT_EQ(partitions->OpenSession(&call, request, &response).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace tests
