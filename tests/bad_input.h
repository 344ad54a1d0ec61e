// What the tests of bad requests share: how a call ended, requests that are
// right and can be spoilt, and a fixture that checks in the end that nothing
// changed and the server goes on.

#ifndef TESTS_BAD_INPUT_H_
#define TESTS_BAD_INPUT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {

using ::grpc::StatusCode;
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
inline void SeeHeaders(const v1::OpenSessionResponse&, Seen&) {}
inline void SeeHeaders(const v1::KeepAliveResponse&, Seen&) {}
inline void SeeHeaders(const v1::CloseSessionResponse&, Seen&) {}
inline void SeeHeaders(const v1::WatchPartitionResponse&, Seen&) {}

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

inline bool IsOfPrimitive(const std::string& rpc) {
  return rpc == "Set" || rpc == "Get" || rpc == "Put" || rpc == "Events" ||
         rpc == "Entries";
}

// Changes the partition, session or primitive in the headers of any request.
inline void SetPartition(v1::PartitionRequestHeaders& headers, uint32_t id) {
  headers.set_partition_id(id);
}
inline void SetPartition(v1::CommandRequestHeaders& headers, uint32_t id) {
  headers.mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->mutable_partition()
      ->set_partition_id(id);
}
inline void SetPartition(v1::QueryRequestHeaders& headers, uint32_t id) {
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
inline void SetSession(v1::OpenSessionRequest&, uint64_t) {}
inline void SetSession(v1::KeepAliveRequest& request, uint64_t id) {
  request.mutable_input()->set_session_id(id);
}
inline void SetSession(v1::CloseSessionRequest& request, uint64_t id) {
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

}  // namespace tests

#endif  // TESTS_BAD_INPUT_H_
