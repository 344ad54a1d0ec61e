// What meets a limit is refused, and what waits behind it is not harmed.

#include <string>
#include <utility>

#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bad_input.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::HasSubstr;

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

TEST(HeldStreamTest, AStreamThatMeetsAFullCacheIsServedWhenThereIsRoom) {
  server::Options options = TestServer::DefaultOptions();
  options.partition.limits.session_records_max = 8;
  // Longer than any test lasts: refused, it would fail.
  options.partition.stream_hold_ns = 600'000'000'000;
  TestServer server(std::move(options));
  RawSession session(server.Connect());
  const uint64_t map = session.Create(kMapType, "map");
  for (int i = 1; i < 8; ++i) ASSERT_TRUE(session.Put(map, "key", "value"));
  RawSession before(session, server.Connect());

  map::EventsRequest events;
  *events.mutable_headers() = session.CommandHeaders(map);
  events.mutable_input();
  Call stream;
  auto reader = session.maps().Events(&stream, events);
  ASSERT_TRUE(
      base::WaitUntil([&] { return server.server().open_streams() > 0; }));
  EXPECT_TRUE(before.KeepAlive().ok());
  ASSERT_TRUE(
      base::WaitUntil([&] { return server.Status().open_commands() > 0; }));
  EXPECT_TRUE(session.Put(map, "held", "1"));
  map::EventsResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.output().event().key(), "held");
}

TEST(QueryStreamsTest, OfANodeAreBounded) {
  server::Options options = TestServer::DefaultOptions();
  options.service.query_streams_max = 1;
  TestServer server(std::move(options));
  RawSession session(server.Connect());
  const uint64_t map = session.Create(kMapType, "map");
  ASSERT_TRUE(session.Put(map, "key", "value"));
  const auto open = [&](Call& call) {
    map::EntriesRequest entries;
    *entries.mutable_headers() = session.QueryHeaders(map);
    entries.mutable_input()->set_watch(true);
    return session.maps().Entries(&call, entries);
  };
  map::EntriesResponse entry;
  Call first_call;
  auto first = open(first_call);
  ASSERT_TRUE(first->Read(&entry));
  Call second_call;
  auto second = open(second_call);
  EXPECT_FALSE(second->Read(&entry));
  EXPECT_EQ(second->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(second_call.Trailer("multiraft-outcome"), "not-proposed");

  first_call->TryCancel();
  while (first->Read(&entry)) {
  }
  ASSERT_TRUE(
      base::WaitUntil([&] { return server.server().open_streams() == 0; }));
  Call third_call;
  EXPECT_TRUE(open(third_call)->Read(&entry));
  third_call->TryCancel();
}

}  // namespace
}  // namespace tests
