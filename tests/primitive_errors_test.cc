// What a counter map, an election, a lock and a value answer to requests that
// are well-formed and cannot be done, or are too large, over gRPC: the status
// that the documentation says, and nothing changes. (every_rpc_test has what is
// wrong with a request of any primitive.)

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/countermap/v1/service.grpc.pb.h"
#include "atomix/multiraft/election/v1/service.grpc.pb.h"
#include "atomix/multiraft/lock/v1/service.grpc.pb.h"
#include "atomix/multiraft/value/v1/service.grpc.pb.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/limits.h"
#include "tests/bad_input.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace countermap = ::atomix::multiraft::countermap::v1;
namespace election = ::atomix::multiraft::election::v1;
namespace lock = ::atomix::multiraft::lock::v1;
namespace value = ::atomix::multiraft::value::v1;
using ::testing::HasSubstr;

class PrimitiveErrorsTest : public ::testing::Test {
 protected:
  // A request that cannot be done, and what it is answered.
  struct Row {
    std::string name;
    Seen seen;
    StatusCode code = StatusCode::OK;
    Header::Status header = Header::OK;
    std::string message = "";
  };

  template <class Request, class Change>
  static Request With(Change change) {
    Request request;
    change(*request.mutable_input());
    return request;
  }

  // A request of `session` for the primitive `id`, sent.
  template <class Stub, class Request, class Response>
  Seen Call(RawSession& session, Stub& stub, uint64_t id,
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                         Response*),
            Request request) {
    SetHeaders(session, id, *request.mutable_headers());
    return Unary(stub, method, request);
  }
  static void SetHeaders(RawSession& session, uint64_t id,
                         v1::CommandRequestHeaders& headers) {
    headers = session.CommandHeaders(id);
  }
  static void SetHeaders(RawSession& session, uint64_t id,
                         v1::QueryRequestHeaders& headers) {
    headers = session.QueryHeaders(id);
  }

  // Each row is as it says, and `state` was what it is.
  void Expect(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      EXPECT_EQ(row.seen.code, row.code) << row.seen.message;
      EXPECT_EQ(row.seen.header, row.header) << row.seen.message;
      EXPECT_THAT(row.seen.message, HasSubstr(row.message));
      if (row.code != StatusCode::OK) {
        EXPECT_EQ(row.seen.outcome, "not-proposed");
      }
      EXPECT_EQ(row.seen.has_output,
                row.code == StatusCode::OK && row.header == Header::OK);
    }
    const auto status = server_.Status();
    EXPECT_TRUE(status.healthy()) << status.problem();
    EXPECT_EQ(status.open_commands(), 0u);
    EXPECT_EQ(server_.server().open_streams(), 0u);
  }

  static std::string TooLong() {
    return std::string(session::Limits().key_bytes_max + 1, 'k');
  }

  TestServer server_;
  std::shared_ptr<grpc::Channel> channel_ = server_.Connect();
  RawSession session_{channel_};
  RawSession other_{channel_};
};

TEST_F(PrimitiveErrorsTest, CounterMap) {
  using Stub = countermap::CounterMap::Stub;
  const auto stub = countermap::CounterMap::NewStub(channel_);
  const uint64_t id =
      session_.Create("atomix.runtime.countermap.v1.CounterMap", "countermap");
  ASSERT_EQ(
      other_.Create("atomix.multiraft.countermap.v1.CounterMap", "countermap"),
      id);
  const auto call = [&](auto method, auto request) {
    return Call(session_, *stub, id, method, std::move(request));
  };
  ASSERT_EQ(call(&Stub::Set, With<countermap::SetRequest>([](auto& input) {
              input.set_key("a");
              input.set_value(5);
            })).header,
            Header::OK);
  ASSERT_EQ(call(&Stub::Lock, With<countermap::LockRequest>([](auto& input) {
              input.add_keys("held");
            })).header,
            Header::OK);

  const auto update = [&](const std::string& key, int64_t prev) {
    return call(&Stub::Update, With<countermap::UpdateRequest>([&](auto& in) {
      in.set_key(key);
      in.set_value(9);
      in.set_prev_value(prev);
    }));
  };
  const auto remove = [&](const std::string& key, int64_t prev) {
    return call(&Stub::Remove, With<countermap::RemoveRequest>([&](auto& in) {
      in.set_key(key);
      in.set_prev_value(prev);
    }));
  };
  const auto get = [&](const std::string& key) {
    return call(&Stub::Get, With<countermap::GetRequest>(
                                [&](auto& input) { input.set_key(key); }));
  };
  const auto insert = [&](const std::string& key) {
    return call(&Stub::Insert, With<countermap::InsertRequest>(
                                   [&](auto& input) { input.set_key(key); }));
  };
  const auto increment = [&](const std::string& key) {
    return call(&Stub::Increment,
                With<countermap::IncrementRequest>(
                    [&](auto& input) { input.set_key(key); }));
  };
  const auto decrement = [&](const std::string& key) {
    return call(&Stub::Decrement,
                With<countermap::DecrementRequest>(
                    [&](auto& input) { input.set_key(key); }));
  };
  const auto set = [&](const std::string& key) {
    return call(&Stub::Set, With<countermap::SetRequest>(
                                [&](auto& input) { input.set_key(key); }));
  };
  const auto lock_keys = [&](RawSession& session, int64_t seconds,
                             int32_t nanos, const std::string& key, int count) {
    return Call(session, *stub, id, &Stub::Lock,
                With<countermap::LockRequest>([&](auto& input) {
                  for (int i = 0; i < count; ++i) input.add_keys(key);
                  input.mutable_timeout()->set_seconds(seconds);
                  input.mutable_timeout()->set_nanos(nanos);
                }));
  };
  const auto unlock = [&](RawSession& session, const std::string& key,
                          int count) {
    return Call(session, *stub, id, &Stub::Unlock,
                With<countermap::UnlockRequest>([&](auto& input) {
                  for (int i = 0; i < count; ++i) input.add_keys(key);
                }));
  };
  const auto invalid = StatusCode::INVALID_ARGUMENT;
  const auto ok = StatusCode::OK;
  Expect({
      {"Get absent", get("z"), ok, Header::NOT_FOUND},
      {"Get long", get(TooLong()), invalid, Header::OK, "input.key"},
      {"Set long", set(TooLong()), invalid, Header::OK, "input.key"},
      {"Insert present", insert("a"), ok, Header::ALREADY_EXISTS},
      {"Insert long", insert(TooLong()), invalid, Header::OK, "input.key"},
      {"Update absent", update("z", 0), ok, Header::NOT_FOUND},
      {"Update differs", update("a", 0), ok, Header::CONFLICT, "value is 5"},
      {"Update long", update(TooLong(), 0), invalid, Header::OK, "input.key"},
      {"Increment long", increment(TooLong()), invalid, Header::OK,
       "input.key"},
      {"Decrement long", decrement(TooLong()), invalid, Header::OK,
       "input.key"},
      {"Remove absent", remove("z", 0), ok, Header::NOT_FOUND},
      {"Remove differs", remove("a", 0), ok, Header::CONFLICT, "value is 5"},
      {"Remove long", remove(TooLong(), 0), invalid, Header::OK, "input.key"},
      {"Lock at once", lock_keys(other_, 0, 0, "held", 1), ok,
       Header::CONFLICT},
      {"Lock below zero", lock_keys(other_, -5, 0, "held", 1), ok,
       Header::CONFLICT},
      {"Lock not re-entrant", lock_keys(session_, 0, 0, "held", 1), ok,
       Header::CONFLICT},
      {"Lock for a moment", lock_keys(other_, 0, 1, "held", 1), ok,
       Header::CONFLICT},
      {"Lock malformed", lock_keys(other_, 1, -1, "held", 1), invalid,
       Header::OK, "input.timeout"},
      {"Lock for ever and a day", lock_keys(other_, INT64_MAX, 0, "held", 1),
       invalid, Header::OK, "input.timeout"},
      {"Lock long", lock_keys(other_, 0, 0, TooLong(), 1), invalid, Header::OK,
       "input.keys"},
      {"Lock many", lock_keys(other_, 0, 0, "k", 257), invalid, Header::OK,
       "input.keys"},
      {"Unlock other's", unlock(other_, "held", 1), ok, Header::CONFLICT},
      {"Unlock free", unlock(session_, "free", 1), ok, Header::CONFLICT},
      {"Unlock many", unlock(session_, "held", 257), invalid, Header::OK,
       "input.keys"},
  });

  countermap::EventsRequest events;
  *events.mutable_headers() = session_.CommandHeaders(id);
  events.mutable_input()->set_key(TooLong());
  Expect({{"Events long", Stream(*stub, &Stub::Events, events), invalid,
           Header::OK, "input.key"}});

  // As it was.
  countermap::EntriesRequest entries;
  *entries.mutable_headers() = session_.QueryHeaders(id);
  entries.mutable_input();
  tests::Call list;
  const auto reader = stub->Entries(&list, entries);
  countermap::EntriesResponse entry;
  std::vector<std::string> texts;
  while (reader->Read(&entry)) {
    texts.push_back(absl::StrCat(entry.output().entry().key(), " ",
                                 entry.output().entry().value()));
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(texts, ::testing::ElementsAre("a 5"));
  EXPECT_EQ(unlock(session_, "held", 1).header, Header::OK);
}

TEST_F(PrimitiveErrorsTest, Election) {
  using Stub = election::LeaderElection::Stub;
  const auto stub = election::LeaderElection::NewStub(channel_);
  const uint64_t id =
      session_.Create("atomix.runtime.election.v1.LeaderElection", "election");
  ASSERT_EQ(
      other_.Create("atomix.multiraft.election.v1.LeaderElection", "election"),
      id);
  const auto call = [&](RawSession& session, auto method, auto request,
                        const std::string& candidate) {
    request.mutable_input()->set_candidate(candidate);
    return Call(session, *stub, id, method, std::move(request));
  };
  for (const char* name : {"a", "b"}) {
    ASSERT_EQ(
        call(session_, &Stub::Enter, election::EnterRequest(), name).header,
        Header::OK);
  }

  const auto each = [&](RawSession& session, const std::string& candidate) {
    return std::vector<std::pair<std::string, Seen>>{
        {"Withdraw", call(session, &Stub::Withdraw, election::WithdrawRequest(),
                          candidate)},
        {"Anoint",
         call(session, &Stub::Anoint, election::AnointRequest(), candidate)},
        {"Promote",
         call(session, &Stub::Promote, election::PromoteRequest(), candidate)},
        {"Demote",
         call(session, &Stub::Demote, election::DemoteRequest(), candidate)},
        {"Evict",
         call(session, &Stub::Evict, election::EvictRequest(), candidate)}};
  };
  // What is not possible is no error.
  for (const std::string candidate : {"z", ""}) {
    for (const auto& [rpc, seen] : each(session_, candidate)) {
      Expect({{rpc + " of nobody", seen, StatusCode::OK, Header::OK}});
    }
  }
  Expect({
      {"Withdraw other's",
       call(other_, &Stub::Withdraw, election::WithdrawRequest(), "a")},
      {"Enter twice",
       call(other_, &Stub::Enter, election::EnterRequest(), "a")},
      {"Enter without a name",
       call(other_, &Stub::Enter, election::EnterRequest(), "")},
      {"Anoint the leader",
       call(other_, &Stub::Anoint, election::AnointRequest(), "a")},
      {"Promote the leader",
       call(other_, &Stub::Promote, election::PromoteRequest(), "a")},
      {"Demote the last",
       call(other_, &Stub::Demote, election::DemoteRequest(), "b")},
  });
  for (const auto& [rpc, seen] : each(session_, TooLong())) {
    Expect({{rpc + " long", seen, StatusCode::INVALID_ARGUMENT, Header::OK,
             "input.candidate"}});
  }
  Expect({{"Enter long",
           call(session_, &Stub::Enter, election::EnterRequest(), TooLong()),
           StatusCode::INVALID_ARGUMENT, Header::OK, "input.candidate"}});

  election::GetTermRequest request;
  *request.mutable_headers() = session_.QueryHeaders(id);
  request.mutable_input();
  election::GetTermResponse response;
  tests::Call get;
  ASSERT_TRUE(stub->GetTerm(&get, request, &response).ok());
  EXPECT_EQ(response.output().term().leader(), "a");
  EXPECT_THAT(response.output().term().candidates(),
              ::testing::ElementsAre("b"));
  EXPECT_EQ(response.output().term().index(), 1u);
}

TEST_F(PrimitiveErrorsTest, Lock) {
  using Stub = lock::Lock::Stub;
  const auto stub = lock::Lock::NewStub(channel_);
  const uint64_t id = session_.Create("atomix.runtime.lock.v1.Lock", "lock");
  ASSERT_EQ(other_.Create("atomix.multiraft.lock.v1.Lock", "lock"), id);
  const auto acquire = [&](RawSession& session, int64_t seconds,
                           int32_t nanos) {
    return Call(session, *stub, id, &Stub::Acquire,
                With<lock::AcquireRequest>([&](auto& input) {
                  input.mutable_timeout()->set_seconds(seconds);
                  input.mutable_timeout()->set_nanos(nanos);
                }));
  };
  const auto release = [&](RawSession& session) {
    return Call(session, *stub, id, &Stub::Release,
                With<lock::ReleaseRequest>([](auto&) {}));
  };
  const auto get = [&] {
    return Call(session_, *stub, id, &Stub::Get,
                With<lock::GetRequest>([](auto&) {}));
  };
  const auto ok = StatusCode::OK;
  const auto invalid = StatusCode::INVALID_ARGUMENT;
  Expect({
      {"Get free", get(), ok, Header::NOT_FOUND},
      {"Release free", release(session_), ok, Header::CONFLICT},
  });
  ASSERT_EQ(acquire(session_, 60, 0).header, Header::OK);
  Expect({
      {"Acquire at once", acquire(other_, 0, 0), ok, Header::CONFLICT},
      {"Acquire below zero", acquire(other_, -1, -1), ok, Header::CONFLICT},
      {"Acquire for a moment", acquire(other_, 0, 1), ok, Header::CONFLICT},
      {"Acquire again", acquire(session_, 0, 0), ok, Header::CONFLICT},
      {"Acquire malformed", acquire(other_, -1, 1), invalid, Header::OK,
       "input.timeout"},
      {"Acquire too many nanos", acquire(other_, 0, 1'000'000'000), invalid,
       Header::OK, "input.timeout"},
      {"Acquire too long", acquire(other_, INT64_MAX, 0), invalid, Header::OK,
       "input.timeout"},
      {"Release other's", release(other_), ok, Header::CONFLICT},
      {"Get", get(), ok, Header::OK},
  });
  EXPECT_EQ(release(session_).header, Header::OK);
  Expect({{"Release twice", release(session_), ok, Header::CONFLICT}});
}

TEST_F(PrimitiveErrorsTest, Value) {
  using Stub = value::Value::Stub;
  const auto stub = value::Value::NewStub(channel_);
  const uint64_t id = session_.Create("atomix.runtime.value.v1.Value", "value");
  const auto call = [&](auto method, auto request) {
    return Call(session_, *stub, id, method, std::move(request));
  };
  const auto get = [&] {
    return call(&Stub::Get, With<value::GetRequest>([](auto&) {}));
  };
  const auto set = [&](const std::string& bytes, int64_t seconds,
                       int32_t nanos) {
    return call(&Stub::Set, With<value::SetRequest>([&](auto& input) {
      input.set_value(bytes);
      input.mutable_ttl()->set_seconds(seconds);
      input.mutable_ttl()->set_nanos(nanos);
    }));
  };
  const auto insert = [&](const std::string& bytes, int32_t nanos) {
    return call(&Stub::Insert, With<value::InsertRequest>([&](auto& input) {
      input.set_value(bytes);
      input.mutable_ttl()->set_seconds(-1);
      input.mutable_ttl()->set_nanos(nanos);
    }));
  };
  const auto update = [&](const std::string& bytes, uint64_t prev_index,
                          int64_t seconds) {
    return call(&Stub::Update, With<value::UpdateRequest>([&](auto& input) {
      input.set_value(bytes);
      input.set_prev_index(prev_index);
      input.mutable_ttl()->set_seconds(seconds);
    }));
  };
  const auto remove = [&](uint64_t prev_index) {
    return call(&Stub::Delete, With<value::DeleteRequest>([&](auto& input) {
      input.set_prev_index(prev_index);
    }));
  };
  const std::string large(session::Limits().value_bytes_max + 1, 'v');
  const auto ok = StatusCode::OK;
  const auto invalid = StatusCode::INVALID_ARGUMENT;
  Expect({
      {"Get absent", get(), ok, Header::NOT_FOUND},
      {"Update absent", update("x", 0, 60), ok, Header::NOT_FOUND},
      {"Update absent, index", update("x", 7, 60), ok, Header::NOT_FOUND},
      {"Delete absent", remove(0), ok, Header::NOT_FOUND},
      {"Insert malformed", insert("x", 1), invalid, Header::OK, "input.ttl"},
      {"Insert large", insert(large, 0), invalid, Header::OK, "input.value"},
  });
  ASSERT_EQ(call(&Stub::Set, With<value::SetRequest>([](auto& input) {
              input.set_value("kept");
            })).header,
            Header::OK);
  Expect({
      {"Set large", set(large, 60, 0), invalid, Header::OK, "input.value"},
      {"Set malformed", set("x", 60, -1), invalid, Header::OK, "input.ttl"},
      {"Set too long", set("x", INT64_MIN, 0), invalid, Header::OK,
       "input.ttl"},
      {"Insert present", insert("x", 0), ok, Header::ALREADY_EXISTS},
      {"Update differs", update("x", UINT64_MAX, 60), ok, Header::CONFLICT},
      {"Update large", update(large, 0, 60), invalid, Header::OK,
       "input.value"},
      {"Update too long", update("x", 0, INT64_MAX), invalid, Header::OK,
       "input.ttl"},
      {"Delete differs", remove(1), ok, Header::CONFLICT},
  });
  value::GetRequest request;
  *request.mutable_headers() = session_.QueryHeaders(id);
  request.mutable_input();
  value::GetResponse response;
  tests::Call call_get;
  ASSERT_TRUE(stub->Get(&call_get, request, &response).ok());
  EXPECT_EQ(response.output().value().value(), "kept");
  // No time to live, or less, is over with the next later entry.
  EXPECT_EQ(set("brief", -5, 0).header, Header::OK);
  EXPECT_TRUE(
      base::WaitUntil([&] { return get().header == Header::NOT_FOUND; }));
}

}  // namespace
}  // namespace tests
