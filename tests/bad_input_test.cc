// Every bad request gets a status that names what is wrong; nothing changes,
// nothing leaks, and the server goes on.

#include "tests/bad_input.h"

#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

using ::testing::HasSubstr;

TEST_F(BadInputTest, MissingHeadersAreNamed) {
  for (const auto& [rpc, seen] :
       requests_.SendEach([](auto& request) { request.clear_headers(); })) {
    EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT) << rpc;
    EXPECT_THAT(seen.message, HasSubstr("headers")) << rpc;
    EXPECT_EQ(seen.outcome, "not-proposed") << rpc;
  }
  ExpectNothingApplied();
}

TEST_F(BadInputTest, AMissingInputIsNamedOrNotSupported) {
  for (const auto& [rpc, seen] :
       requests_.SendEach([](auto& request) { request.clear_input(); })) {
    EXPECT_THAT(seen.message, HasSubstr("input")) << rpc;
    if (IsOfPrimitive(rpc)) {
      EXPECT_EQ(seen.code, StatusCode::OK) << rpc;
      EXPECT_EQ(seen.header, Header::NOT_SUPPORTED) << rpc;
      EXPECT_FALSE(seen.has_output) << rpc;
    } else {
      EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT) << rpc;
    }
  }
  ExpectNothingApplied();
}

TEST_F(BadInputTest, PartitionZeroIsInvalid) {
  for (const auto& [rpc, seen] : requests_.SendEach([](auto& request) {
         SetPartition(*request.mutable_headers(), 0);
       })) {
    EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT) << rpc;
    EXPECT_THAT(seen.message, HasSubstr("partition_id")) << rpc;
  }
  Call call;
  v1::WatchPartitionRequest watch;
  const Seen seen = Stream(requests_.session.partitions(),
                           &v1::Partition::Stub::Watch, watch);
  EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(seen.message, HasSubstr("partition_id"));
  ExpectNothingApplied();
}

TEST_F(BadInputTest, APartitionThatIsNotHereIsUnavailable) {
  for (const auto& [rpc, seen] : requests_.SendEach([](auto& request) {
         SetPartition(*request.mutable_headers(), 99);
       })) {
    EXPECT_EQ(seen.code, StatusCode::UNAVAILABLE) << rpc;
    EXPECT_THAT(seen.message, HasSubstr("partition 99")) << rpc;
    EXPECT_EQ(seen.outcome, "not-proposed") << rpc;
  }
  ExpectNothingApplied();
}

TEST_F(BadInputTest, AnUnknownSessionIsAGrpcStatus) {
  for (uint64_t id : {uint64_t{0}, uint64_t{999'999}, UINT64_MAX}) {
    for (const auto& [rpc, seen] :
         requests_.SendEach([id](auto& request) { SetSession(request, id); })) {
      if (rpc == "OpenSession") continue;
      EXPECT_EQ(seen.code, rpc == "KeepAlive" ? StatusCode::DATA_LOSS
                                              : StatusCode::PERMISSION_DENIED)
          << rpc;
      EXPECT_EQ(seen.message, "session not found") << rpc;
    }
  }
}

TEST_F(BadInputTest, AnExpiredSessionIsUnknown) {
  RawSession brief(server_.Connect(), 0.1);
  const uint64_t id = brief.Create(kCounterType, "counter");
  EXPECT_EQ(id, requests_.counter_id);
  // An idle partition expires it by itself.
  while (server_.Status().sessions() > 1) {
  }
  EXPECT_EQ(brief.KeepAlive().error_code(), StatusCode::DATA_LOSS);
  EXPECT_EQ(brief.Increment(id, 1), -1);
  EXPECT_EQ(brief.Close().error_code(), StatusCode::PERMISSION_DENIED);
}

TEST_F(BadInputTest, AnUnknownPrimitiveIsForbidden) {
  RawSession& session = requests_.session;
  counter::SetRequest set = requests_.Set();
  SetPrimitive(set, 999'999);
  counter::GetRequest get = requests_.Get();
  SetPrimitive(get, 999'999);
  map::EventsRequest events = requests_.Events();
  SetPrimitive(events, 0);
  map::EntriesRequest entries = requests_.Entries();
  SetPrimitive(entries, UINT64_MAX);
  v1::ClosePrimitiveRequest close = requests_.ClosePrimitive();
  close.mutable_input()->set_primitive_id(999'999);
  for (const Seen& seen :
       {Unary(session.counters(), &counter::Counter::Stub::Set, set),
        Unary(session.counters(), &counter::Counter::Stub::Get, get),
        Stream(session.maps(), &map::Map::Stub::Events, events),
        Stream(session.maps(), &map::Map::Stub::Entries, entries),
        Unary(session.sessions(), &v1::Session::Stub::ClosePrimitive, close)}) {
    EXPECT_EQ(seen.code, StatusCode::OK);
    EXPECT_EQ(seen.header, Header::FORBIDDEN);
    EXPECT_FALSE(seen.has_output);
    EXPECT_THAT(seen.message, HasSubstr("primitive"));
  }
}

TEST_F(BadInputTest, APrimitiveTheSessionHasNotOpenedIsForbidden) {
  RawSession other(server_.Connect());
  counter::SetRequest set;
  *set.mutable_headers() = other.CommandHeaders(requests_.counter_id);
  set.mutable_input()->set_value(1);
  counter::GetRequest get;
  *get.mutable_headers() = other.QueryHeaders(requests_.counter_id);
  get.mutable_input();
  map::EventsRequest events;
  *events.mutable_headers() = other.CommandHeaders(requests_.map_id);
  events.mutable_input();
  for (const Seen& seen :
       {Unary(other.counters(), &counter::Counter::Stub::Set, set),
        Unary(other.counters(), &counter::Counter::Stub::Get, get),
        Stream(other.maps(), &map::Map::Stub::Events, events)}) {
    EXPECT_EQ(seen.code, StatusCode::OK);
    EXPECT_EQ(seen.header, Header::FORBIDDEN);
    EXPECT_FALSE(seen.has_output);
  }
  EXPECT_TRUE(other.Close().ok());
}

TEST_F(BadInputTest, AnOperationOfAnotherTypeIsForbidden) {
  RawSession& session = requests_.session;
  counter::SetRequest set = requests_.Set();
  SetPrimitive(set, requests_.map_id);
  counter::GetRequest get = requests_.Get();
  SetPrimitive(get, requests_.map_id);
  map::PutRequest put = requests_.Put();
  SetPrimitive(put, requests_.counter_id);
  map::EventsRequest events = requests_.Events();
  SetPrimitive(events, requests_.counter_id);
  map::EntriesRequest entries = requests_.Entries();
  SetPrimitive(entries, requests_.counter_id);
  for (const Seen& seen :
       {Unary(session.counters(), &counter::Counter::Stub::Set, set),
        Unary(session.counters(), &counter::Counter::Stub::Get, get),
        Unary(session.maps(), &map::Map::Stub::Put, put),
        Stream(session.maps(), &map::Map::Stub::Events, events),
        Stream(session.maps(), &map::Map::Stub::Entries, entries)}) {
    EXPECT_EQ(seen.code, StatusCode::OK);
    EXPECT_EQ(seen.header, Header::FORBIDDEN);
    EXPECT_FALSE(seen.has_output);
  }
}

TEST_F(BadInputTest, AnUnknownOrOtherTypeOfAPrimitiveIsForbidden) {
  for (const char* type : {"", "no.such.Type", kCounterType}) {
    v1::CreatePrimitiveRequest request = requests_.Create();
    request.mutable_input()->mutable_spec()->set_service(type);
    const Seen seen = Unary(requests_.session.sessions(),
                            &v1::Session::Stub::CreatePrimitive, request);
    EXPECT_EQ(seen.code, StatusCode::OK) << type;
    EXPECT_EQ(seen.header, Header::FORBIDDEN) << type;
  }
}

TEST_F(BadInputTest, TimeoutsAreCheckedBeforeTheyAreProposed) {
  struct Case {
    bool present;
    int64_t seconds;
    int32_t nanos;
  };
  for (const Case& bad :
       {Case{false, 0, 0}, Case{true, 0, 0}, Case{true, -5, 0},
        Case{true, 0, -5}, Case{true, 5, -1}, Case{true, 0, 1},
        Case{true, 0, 2'000'000'000}, Case{true, 86'401, 0},
        Case{true, INT64_MAX, 999'999'999}, Case{true, INT64_MIN, 0}}) {
    v1::OpenSessionRequest request = requests_.Open();
    request.mutable_input()->clear_timeout();
    if (bad.present) {
      request.mutable_input()->mutable_timeout()->set_seconds(bad.seconds);
      request.mutable_input()->mutable_timeout()->set_nanos(bad.nanos);
    }
    const Seen seen = Unary(requests_.session.partitions(),
                            &v1::Partition::Stub::OpenSession, request);
    EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT)
        << bad.seconds << " " << bad.nanos;
    EXPECT_THAT(seen.message, HasSubstr("input.timeout"));
  }
  ExpectNothingApplied();
}

TEST_F(BadInputTest, FiltersThatDoNotDecodeOrAreHostileAreInvalid) {
  const std::string large(2 << 20, ' ');
  for (const std::string& filter : std::vector<std::string>{
           "", "null", "{}", "[]", "{", "\xff\xfe",
           R"({"m":7,"k":5,"b":"????"})", R"({"m":7,"k":5})",
           R"({"m":0,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAFQ=="})",
           R"({"m":7,"k":9223372036854775808,"b":"AAAAAAAAAAf//////////w=="})",
           R"({"m":7,"k":5,"b":"f/////////8AAAAAAAAAFQ=="})",
           R"({"m":-1,"k":5,"b":"AAAAAAAAAAcAAAAAAAAAFQ=="})",
           R"({"m":99999999999999999999,"k":5,"b":"AAAAAAAAAAA="})", large}) {
    v1::KeepAliveRequest request = requests_.KeepAlive();
    request.mutable_input()->set_input_filter(filter);
    const Seen seen = Unary(requests_.session.partitions(),
                            &v1::Partition::Stub::KeepAlive, request);
    EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT) << filter.substr(0, 80);
    EXPECT_THAT(seen.message, HasSubstr("input.input_filter"));
  }
  ExpectNothingApplied();
}

TEST_F(BadInputTest, NamesKeysAndValuesHaveLimits) {
  RawSession& session = requests_.session;
  const session::Limits limits;
  map::PutRequest key = requests_.Put();
  key.mutable_input()->set_key(std::string(limits.key_bytes_max + 1, 'k'));
  map::PutRequest value = requests_.Put();
  value.mutable_input()->set_value(
      std::string(limits.value_bytes_max + 1, 'v'));
  map::EventsRequest events = requests_.Events();
  events.mutable_input()->set_key(std::string(limits.key_bytes_max + 1, 'k'));
  v1::CreatePrimitiveRequest name = requests_.Create();
  name.mutable_input()->mutable_spec()->set_name(
      std::string(limits.name_bytes_max + 1, 'n'));
  struct Case {
    Seen seen;
    std::string field;
  };
  for (const auto& [seen, field] : std::vector<Case>{
           {Unary(session.maps(), &map::Map::Stub::Put, key), "key"},
           {Unary(session.maps(), &map::Map::Stub::Put, value), "value"},
           {Stream(session.maps(), &map::Map::Stub::Events, events), "key"},
           {Unary(session.sessions(), &v1::Session::Stub::CreatePrimitive,
                  name),
            "name"}}) {
    EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_THAT(seen.message, HasSubstr(field));
    EXPECT_EQ(seen.outcome, "not-proposed") << field;
  }
  ExpectNothingApplied();
}

TEST_F(BadInputTest, ANumberUsedWithAnotherContentIsRefused) {
  RawSession& session = requests_.session;
  counter::IncrementRequest request;
  *request.mutable_headers() = session.CommandHeaders(requests_.counter_id);
  request.mutable_input()->set_delta(0);
  const auto send = [&] {
    return Unary(session.counters(), &counter::Counter::Stub::Increment,
                 request);
  };
  EXPECT_EQ(send().code, StatusCode::OK);
  request.mutable_input()->set_delta(1000);
  const Seen seen = send();
  EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(seen.message, HasSubstr("sequence_num"));
  request.mutable_input()->set_delta(0);
  EXPECT_EQ(send().code, StatusCode::OK);  // The first content replays.
}

TEST_F(BadInputTest, ANumberThatWasGivenUpIsCancelled) {
  RawSession& session = requests_.session;
  counter::SetRequest request = requests_.Set();
  EXPECT_TRUE(session.KeepAlive().ok());  // Says it waits for nothing.
  const Seen seen =
      Unary(session.counters(), &counter::Counter::Stub::Set, request);
  EXPECT_EQ(seen.code, StatusCode::CANCELLED);
}

TEST_F(BadInputTest, ADeadlineThatPassesWhileWaitingEndsTheCallOnly) {
  RawSession& session = requests_.session;
  // A query that waits for an index far away.
  counter::GetRequest get = requests_.Get();
  get.mutable_headers()->set_max_received_index(1'000'000);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(50));
  counter::GetResponse response;
  EXPECT_EQ(session.counters().Get(&context, get, &response).error_code(),
            StatusCode::DEADLINE_EXCEEDED);

  // A lock that another session holds.
  RawSession holder(server_.Connect());
  EXPECT_EQ(holder.Create(kMapType, "map"), requests_.map_id);
  map::LockRequest lock;
  lock.mutable_input()->add_keys("other");
  lock.mutable_input()->mutable_timeout()->set_seconds(100);
  *lock.mutable_headers() = holder.CommandHeaders(requests_.map_id);
  EXPECT_EQ(Unary(holder.maps(), &map::Map::Stub::Lock, lock).header,
            Header::OK);
  *lock.mutable_headers() = session.CommandHeaders(requests_.map_id);
  grpc::ClientContext waiting;
  waiting.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(50));
  map::LockResponse locked;
  EXPECT_EQ(session.maps().Lock(&waiting, lock, &locked).error_code(),
            StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(holder.Close().ok());
}

TEST_F(BadInputTest, BytesThatAreNoMessageAreInvalid) {
  grpc::GenericStub stub(server_.Connect());
  const auto send = [&](const std::string& method, const std::string& bytes) {
    Call call;
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> status;
    stub.UnaryCall(&call, method, {}, &request, &response,
                   [&](grpc::Status s) { status.set_value(std::move(s)); });
    return status.get_future().get();
  };
  const std::string garbage = "\x0a\xff\xff\xff garbage";
  for (const char* method :
       {"/atomix.multiraft.v1.Partition/OpenSession",
        "/atomix.multiraft.v1.Session/CreatePrimitive",
        "/atomix.multiraft.counter.v1.Counter/Set",
        "/atomix.multiraft.map.v1.Map/Get", "/grpc.health.v1.Health/Check"}) {
    EXPECT_EQ(send(method, garbage).error_code(), StatusCode::INVALID_ARGUMENT)
        << method;
  }
  EXPECT_EQ(send("/atomix.multiraft.map.v1.Map/NoSuch", "").error_code(),
            StatusCode::UNIMPLEMENTED);
  // A key that is not UTF-8.
  map::GetRequest get;
  *get.mutable_headers() = requests_.session.QueryHeaders(requests_.map_id);
  EXPECT_EQ(send("/atomix.multiraft.map.v1.Map/Get",
                 get.SerializeAsString() + "\x12\x03\x0a\x01\xff")
                .error_code(),
            StatusCode::INVALID_ARGUMENT);
  ExpectNothingApplied();
}

}  // namespace
}  // namespace tests
