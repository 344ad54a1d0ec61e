// Every bad request gets a status that names what is wrong; nothing changes,
// nothing leaks, and the server goes on.

#include <grpcpp/generic/generic_stub.h>

#include <functional>
#include <future>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::grpc::StatusCode;
using ::testing::HasSubstr;
using Header = v1::OperationResponseHeaders;

// How a call ended.
struct Seen {
  StatusCode code = StatusCode::OK;
  std::string message;
  std::string outcome;  // multiraft-outcome
  Header::Status header = Header::OK;
  bool has_output = false;
};

template <class Response>
void SeeHeaders(const Response& response, Seen& seen) {
  seen.header = response.headers().operation().status();
  seen.has_output = response.has_output();
  if (seen.header != Header::OK) {
    seen.message = response.headers().operation().message();
  }
}
// Partition's responses have no status in their headers.
void SeeHeaders(const v1::OpenSessionResponse&, Seen&) {}
void SeeHeaders(const v1::KeepAliveResponse&, Seen&) {}
void SeeHeaders(const v1::CloseSessionResponse&, Seen&) {}
void SeeHeaders(const v1::WatchPartitionResponse&, Seen&) {}

template <class Stub, class Request, class Response>
Seen Unary(Stub& stub,
           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                        Response*),
           const Request& request) {
  Call call;
  Response response;
  const grpc::Status status = (stub.*method)(&call, request, &response);
  Seen seen{.code = status.error_code(), .message = status.error_message()};
  if (status.ok()) SeeHeaders(response, seen);
  seen.outcome = call.Trailer("multiraft-outcome");
  return seen;
}

// A stream that should end by itself, after at most one message.
template <class Stub, class Request, class Response>
Seen Stream(Stub& stub,
            std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
                grpc::ClientContext*, const Request&),
            const Request& request) {
  Call call;
  auto reader = (stub.*method)(&call, request);
  Response response;
  int messages = 0;
  Seen seen;
  while (reader->Read(&response)) {
    ++messages;
    SeeHeaders(response, seen);
  }
  EXPECT_LE(messages, 1);
  const grpc::Status status = reader->Finish();
  seen.code = status.error_code();
  if (!status.ok()) seen.message = status.error_message();
  seen.outcome = call.Trailer("multiraft-outcome");
  return seen;
}

// Requests that are right, to be spoilt.
class Requests {
 public:
  explicit Requests(std::shared_ptr<grpc::Channel> channel)
      : session(std::move(channel)) {
    counter_id = session.Create(kCounterType, "counter");
    map_id = session.Create(kMapType, "map");
    // Nothing below changes these.
    EXPECT_EQ(session.Increment(counter_id, 41), 41);
    EXPECT_TRUE(session.Put(map_id, "key", "value"));
  }

  v1::OpenSessionRequest Open() {
    v1::OpenSessionRequest request;
    request.mutable_headers()->set_partition_id(1);
    request.mutable_input()->mutable_timeout()->set_seconds(60);
    return request;
  }
  v1::KeepAliveRequest KeepAlive() {
    v1::KeepAliveRequest request;
    request.mutable_headers()->set_partition_id(1);
    request.mutable_input()->set_session_id(session.id());
    request.mutable_input()->set_input_filter(kEmptyFilter);
    return request;
  }
  v1::CloseSessionRequest Close() {
    v1::CloseSessionRequest request;
    request.mutable_headers()->set_partition_id(1);
    request.mutable_input()->set_session_id(session.id());
    return request;
  }
  v1::CreatePrimitiveRequest Create() {
    v1::CreatePrimitiveRequest request;
    *request.mutable_headers() = session.CommandHeaders(0);
    request.mutable_input()->mutable_spec()->set_service(kMapType);
    request.mutable_input()->mutable_spec()->set_name("map");
    return request;
  }
  v1::ClosePrimitiveRequest ClosePrimitive() {
    v1::ClosePrimitiveRequest request;
    *request.mutable_headers() = session.CommandHeaders(map_id);
    request.mutable_input()->set_primitive_id(map_id);
    return request;
  }
  counter::SetRequest Set() {
    counter::SetRequest request;
    *request.mutable_headers() = session.CommandHeaders(counter_id);
    request.mutable_input()->set_value(1);
    return request;
  }
  counter::GetRequest Get() {
    counter::GetRequest request;
    *request.mutable_headers() = session.QueryHeaders(counter_id);
    request.mutable_input();
    return request;
  }
  map::PutRequest Put() {
    map::PutRequest request;
    *request.mutable_headers() = session.CommandHeaders(map_id);
    request.mutable_input()->set_key("key");
    request.mutable_input()->set_value("spoilt");
    return request;
  }
  map::EventsRequest Events() {
    map::EventsRequest request;
    *request.mutable_headers() = session.CommandHeaders(map_id);
    request.mutable_input();
    return request;
  }
  map::EntriesRequest Entries() {
    map::EntriesRequest request;
    *request.mutable_headers() = session.QueryHeaders(map_id);
    request.mutable_input()->set_watch(true);
    return request;
  }

  // Each request of every service, spoilt by `spoil` (a generic lambda), and
  // sent.
  template <class Spoil>
  std::vector<std::pair<std::string, Seen>> SendEach(Spoil spoil) {
    std::vector<std::pair<std::string, Seen>> all;
    const auto unary = [&](const char* name, auto& stub, auto method,
                           auto request) {
      spoil(request);
      all.emplace_back(name, Unary(stub, method, request));
    };
    const auto stream = [&](const char* name, auto& stub, auto method,
                            auto request) {
      spoil(request);
      all.emplace_back(name, Stream(stub, method, request));
    };
    using P = v1::Partition::Stub;
    using S = v1::Session::Stub;
    using C = counter::Counter::Stub;
    using M = map::Map::Stub;
    unary("OpenSession", session.partitions(), &P::OpenSession, Open());
    unary("KeepAlive", session.partitions(), &P::KeepAlive, KeepAlive());
    unary("CloseSession", session.partitions(), &P::CloseSession, Close());
    unary("CreatePrimitive", session.sessions(), &S::CreatePrimitive, Create());
    unary("ClosePrimitive", session.sessions(), &S::ClosePrimitive,
          ClosePrimitive());
    unary("Set", session.counters(), &C::Set, Set());
    unary("Get", session.counters(), &C::Get, Get());
    unary("Put", session.maps(), &M::Put, Put());
    stream("Events", session.maps(), &M::Events, Events());
    stream("Entries", session.maps(), &M::Entries, Entries());
    return all;
  }

  RawSession session;
  uint64_t counter_id = 0;
  uint64_t map_id = 0;
};

bool IsOfPrimitive(const std::string& rpc) {
  return rpc == "Set" || rpc == "Get" || rpc == "Put" || rpc == "Events" ||
         rpc == "Entries";
}

// Changes the partition, session or primitive in the headers of any request.
void SetPartition(v1::PartitionRequestHeaders& headers, uint32_t id) {
  headers.set_partition_id(id);
}
void SetPartition(v1::CommandRequestHeaders& headers, uint32_t id) {
  headers.mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->mutable_partition()
      ->set_partition_id(id);
}
void SetPartition(v1::QueryRequestHeaders& headers, uint32_t id) {
  headers.mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->mutable_partition()
      ->set_partition_id(id);
}
template <class Request>
void SetSession(Request& request, uint64_t id) {
  request.mutable_headers()
      ->mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->set_session_id(id);
}
void SetSession(v1::OpenSessionRequest&, uint64_t) {}
void SetSession(v1::KeepAliveRequest& request, uint64_t id) {
  request.mutable_input()->set_session_id(id);
}
void SetSession(v1::CloseSessionRequest& request, uint64_t id) {
  request.mutable_input()->set_session_id(id);
}
template <class Request>
void SetPrimitive(Request& request, uint64_t id) {
  request.mutable_headers()
      ->mutable_operation()
      ->mutable_session()
      ->set_primitive_id(id);
}

class BadInputTest : public ::testing::Test {
 protected:
  explicit BadInputTest(server::Options options = TestServer::DefaultOptions())
      : server_(std::move(options)), requests_(server_.Connect()) {
    before_ = server_.Status();
  }

  // Whatever was sent, everything is as it was and works.
  ~BadInputTest() override {
    RawSession& session = requests_.session;
    EXPECT_EQ(session.Read(requests_.counter_id), 41);
    EXPECT_EQ(session.Get(requests_.map_id, "key"), "value");
    EXPECT_EQ(session.Size(requests_.map_id), 1);
    EXPECT_EQ(session.Increment(requests_.counter_id, 1), 42);
    EXPECT_TRUE(session.KeepAlive().ok());
    const auto after = server_.Status();
    EXPECT_TRUE(after.healthy()) << after.problem();
    EXPECT_EQ(after.primitives(), before_.primitives());
    EXPECT_EQ(after.open_commands(), 0u);
    EXPECT_EQ(server_.server().open_streams(), 0u);
  }

  // That nothing was proposed since the fixture began: not even a session
  // learned of it. (Ticks move the log, not this index.)
  void ExpectNothingApplied() {
    EXPECT_EQ(server_.Status().index(), before_.index());
  }

  TestServer server_;
  Requests requests_;
  ::multiraft::admin::v1::PartitionStatus before_;
};

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

// With limits that are easy to reach.
class SmallLimitsTest : public BadInputTest {
 protected:
  static server::Options Small() {
    server::Options options = TestServer::DefaultOptions();
    options.partition.limits.sessions_max = 3;
    options.partition.limits.primitives_max = 3;
    options.partition.limits.session_records_max = 8;
    options.partition.raft.entry_bytes_max = 64 << 10;
    options.partition.mailbox_bytes_max = 32 << 10;
    options.request_bytes_max = 1 << 20;
    return options;
  }
  SmallLimitsTest() : BadInputTest(Small()) {}
};

TEST_F(SmallLimitsTest, ARequestAboveTheMessageLimitIsRefusedByGrpc) {
  map::PutRequest put = requests_.Put();
  put.mutable_input()->set_value(std::string((1 << 20) + 1, 'v'));
  EXPECT_EQ(Unary(requests_.session.maps(), &map::Map::Stub::Put, put).code,
            StatusCode::RESOURCE_EXHAUSTED);
  ExpectNothingApplied();
}

TEST_F(SmallLimitsTest, ACommandAboveTheEntryLimitIsRefused) {
  map::PutRequest put = requests_.Put();
  put.mutable_input()->set_value(std::string(100 << 10, 'v'));
  const Seen seen = Unary(requests_.session.maps(), &map::Map::Stub::Put, put);
  EXPECT_EQ(seen.code, StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(seen.message, HasSubstr("65536"));
  EXPECT_EQ(seen.outcome, "not-proposed");
  ExpectNothingApplied();
}

TEST_F(SmallLimitsTest, AFullMailboxIsUnavailableAndKeepAlivesStillPass) {
  map::PutRequest put = requests_.Put();
  put.mutable_input()->set_value(std::string(40 << 10, 'v'));
  const Seen seen = Unary(requests_.session.maps(), &map::Map::Stub::Put, put);
  EXPECT_EQ(seen.code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(seen.outcome, "not-proposed");
  ExpectNothingApplied();
  EXPECT_TRUE(requests_.session.KeepAlive().ok());
}

TEST_F(SmallLimitsTest, TooManySessionsAreRefused) {
  RawSession second(server_.Connect());
  RawSession third(server_.Connect());
  const Seen seen = Unary(second.partitions(),
                          &v1::Partition::Stub::OpenSession, requests_.Open());
  EXPECT_EQ(seen.code, StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(seen.message, HasSubstr("session"));
  EXPECT_TRUE(second.Close().ok());
  RawSession again(server_.Connect());  // One has left.
}

TEST_F(SmallLimitsTest, TooManyUnacknowledgedResultsAreHeldOffUntilAKeepAlive) {
  RawSession& session = requests_.session;
  ASSERT_TRUE(session.KeepAlive().ok());
  Seen seen;
  int sent = 0;
  do {
    counter::IncrementRequest request;
    *request.mutable_headers() = session.CommandHeaders(requests_.counter_id);
    request.mutable_input()->set_delta(0);
    seen =
        Unary(session.counters(), &counter::Counter::Stub::Increment, request);
  } while (seen.code == StatusCode::OK && ++sent < 100);
  EXPECT_EQ(sent, 8);
  EXPECT_EQ(seen.code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(seen.outcome, "not-proposed");
  EXPECT_TRUE(session.KeepAlive().ok());
  EXPECT_EQ(session.Increment(requests_.counter_id, 0), 41);
}

}  // namespace
}  // namespace tests
