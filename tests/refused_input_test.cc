// Requests that are well-formed and cannot be done, as things are: a table of
// what each RPC of indexed maps and lists, and of transactions, answers, over
// real gRPC, and that nothing changes. (What is malformed: every_rpc_test.)

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/any_rpc.h"
#include "tests/client_fixture.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using Header = v1::OperationResponseHeaders;

struct Refused {
  const char* rpc;    // "list.Get"
  const char* input;  // In protobuf's text form.
  Header::Status status;
};

class RefusedInputTest : public RealClientTest {
 protected:
  AnyEnd Send(const std::string& rpc_name, uint64_t primitive,
              const std::string& input) {
    for (const AnyRpc& rpc : AnyRpc::All()) {
      if (rpc.name() != rpc_name) continue;
      const auto request = rpc.MakeRequest(raw_, primitive);
      AnyRpc::SetInput(*request, input);
      return rpc.Send(*channel_, *request);
    }
    ADD_FAILURE() << "no RPC " << rpc_name;
    return {};
  }

  void ExpectRefused(uint64_t primitive, const std::vector<Refused>& table) {
    for (const Refused& row : table) {
      SCOPED_TRACE(absl::StrCat(row.rpc, " {", row.input, "}"));
      const AnyEnd end = Send(row.rpc, primitive, row.input);
      EXPECT_EQ(end.code, grpc::StatusCode::OK) << end.message;
      EXPECT_EQ(end.header, row.status) << end.message;
      EXPECT_NE(end.message, "");
      EXPECT_FALSE(end.has_output);
      EXPECT_EQ(end.responses, 1u);
    }
  }

  std::shared_ptr<grpc::Channel> channel_ = server_.Connect();
  RawSession raw_{channel_};
};

TEST_F(RefusedInputTest, IndexedMaps) {
  auto map = Open<client::IndexedMap>("m");
  const uint64_t id =
      raw_.Create("atomix.runtime.indexedmap.v1.IndexedMap", "m");
  ExpectRefused(id, {
                        {"indexedmap.FirstEntry", "", Header::NOT_FOUND},
                        {"indexedmap.LastEntry", "", Header::NOT_FOUND},
                        {"indexedmap.NextEntry", "", Header::NOT_FOUND},
                        {"indexedmap.PrevEntry", "", Header::NOT_FOUND},
                        {"indexedmap.PrevEntry", "index: 18446744073709551615",
                         Header::NOT_FOUND},
                    });
  ASSERT_OK(map.Append("a", "1"));
  ASSERT_OK(map.Append("b", "1"));
  ASSERT_OK(map.Append("c", "1"));
  ASSERT_OK(map.Remove("b", 0));
  const auto listed = [&map] {
    std::vector<std::string> texts;
    const auto entries = map.List();
    CHECK(entries.ok());
    for (const client::IndexedMapEntry& entry : *entries) {
      texts.push_back(absl::StrCat(entry.index, entry.key, entry.value, "@",
                                   entry.version));
    }
    return texts;
  };
  const std::vector<std::string> before = listed();
  ExpectRefused(
      id,
      {
          {"indexedmap.Append", "key: 'a' value: '2'", Header::ALREADY_EXISTS},
          {"indexedmap.Append", "key: 'a' value: '1' ttl {}",
           Header::ALREADY_EXISTS},
          {"indexedmap.Update", "", Header::INVALID},
          {"indexedmap.Update", "value: '2' prev_version: 1", Header::INVALID},
          {"indexedmap.Update", "key: 'b' value: '2'", Header::NOT_FOUND},
          {"indexedmap.Update", "index: 2 value: '2'", Header::NOT_FOUND},
          {"indexedmap.Update", "key: 'b' index: 2", Header::NOT_FOUND},
          {"indexedmap.Update", "index: 18446744073709551615",
           Header::NOT_FOUND},
          {"indexedmap.Update", "key: 'b' prev_version: 1", Header::NOT_FOUND},
          {"indexedmap.Update", "key: 'c' index: 1", Header::INVALID},
          {"indexedmap.Update", "key: 'b' index: 1", Header::INVALID},
          {"indexedmap.Update", "key: 'a' prev_version: 1", Header::CONFLICT},
          {"indexedmap.Update", "index: 1 prev_version: 1", Header::CONFLICT},
          {"indexedmap.Remove", "", Header::NOT_FOUND},
          {"indexedmap.Remove", "key: 'b'", Header::NOT_FOUND},
          {"indexedmap.Remove", "index: 2", Header::NOT_FOUND},
          {"indexedmap.Remove", "index: 2 key: 'a'", Header::NOT_FOUND},
          {"indexedmap.Remove", "key: 'b' prev_version: 1", Header::NOT_FOUND},
          {"indexedmap.Remove", "key: 'a' prev_version: 1", Header::CONFLICT},
          {"indexedmap.Remove", "index: 3 prev_version: 1", Header::CONFLICT},
          {"indexedmap.Get", "", Header::NOT_FOUND},
          {"indexedmap.Get", "key: 'b'", Header::NOT_FOUND},
          {"indexedmap.Get", "index: 2", Header::NOT_FOUND},
          {"indexedmap.Get", "index: 4 key: 'a'", Header::NOT_FOUND},
          {"indexedmap.NextEntry", "index: 3", Header::NOT_FOUND},
          {"indexedmap.NextEntry", "index: 18446744073709551615",
           Header::NOT_FOUND},
          {"indexedmap.PrevEntry", "index: 0", Header::NOT_FOUND},
          {"indexedmap.PrevEntry", "index: 1", Header::NOT_FOUND},
      });
  EXPECT_EQ(listed(), before);
}

TEST_F(RefusedInputTest, Lists) {
  auto list = Open<client::List>("l");
  const uint64_t id = raw_.Create("atomix.runtime.list.v1.List", "l");
  ExpectRefused(id, {
                        {"list.Get", "", Header::INVALID},
                        {"list.Set", "value { value: 'x' }", Header::INVALID},
                        {"list.Remove", "", Header::INVALID},
                        {"list.Insert", "index: 1", Header::INVALID},
                    });
  ASSERT_OK(list.Append("a"));
  ASSERT_OK(list.Append("b"));
  ExpectRefused(
      id, {
              {"list.Get", "index: 2", Header::INVALID},
              {"list.Get", "index: 4294967295", Header::INVALID},
              {"list.Set", "index: 2 value { value: 'x' }", Header::INVALID},
              {"list.Set", "index: 4294967295", Header::INVALID},
              {"list.Remove", "index: 2", Header::INVALID},
              {"list.Remove", "index: 4294967295", Header::INVALID},
              {"list.Insert", "index: 3 value { value: 'x' }", Header::INVALID},
              {"list.Insert", "index: 4294967295", Header::INVALID},
          });
  EXPECT_THAT(*list.Items(), ElementsAre("a", "b"));
}

TEST_F(RefusedInputTest, TransactionsOfMaps) {
  auto map = Open<client::Map>("t");
  const uint64_t id = raw_.Create("atomix.runtime.map.v1.Map", "t");
  ASSERT_OK(map.Put("a", "1"));
  ASSERT_OK(map.Put("held", "1"));
  EXPECT_EQ(Send("map.Prepare", id,
                 "sequence_num: 7 inputs { put { key: 'held' value: '2' } }")
                .header,
            Header::OK);
  const std::vector<std::pair<const char*, Header::Status>> changes = {
      {"inputs { insert { key: 'a' } }", Header::ALREADY_EXISTS},
      {"inputs { update { key: 'b' } }", Header::NOT_FOUND},
      {"inputs { remove { key: 'b' } }", Header::NOT_FOUND},
      {"inputs { put { key: 'a' prev_index: 1 } }", Header::CONFLICT},
      {"inputs { put { key: 'b' prev_index: 1 } }", Header::CONFLICT},
      {"inputs { update { key: 'a' prev_index: 1 } }", Header::CONFLICT},
      {"inputs { remove { key: 'a' prev_index: 1 } }", Header::CONFLICT},
      {"inputs { put { key: 'held' } }", Header::CONFLICT},
      {"inputs { put { key: 'x' } } inputs { remove { key: 'x' } }",
       Header::CONFLICT},
      {"inputs { put { key: 'x' } } inputs { insert { key: 'a' } }",
       Header::ALREADY_EXISTS},
  };
  for (const auto& [input, status] : changes) {
    const std::string prepare = absl::StrCat("sequence_num: 8 ", input);
    ExpectRefused(id, {{"map.Apply", input, status},
                       {"map.Prepare", prepare.c_str(), status}});
  }
  ExpectRefused(id, {
                        {"map.Prepare", "sequence_num: 7", Header::CONFLICT},
                        {"map.Commit", "sequence_num: 8", Header::NOT_FOUND},
                        {"map.Commit", "", Header::NOT_FOUND},
                        {"map.Put", "key: 'held'", Header::CONFLICT},
                        {"map.Insert", "key: 'held'", Header::CONFLICT},
                        {"map.Update", "key: 'held'", Header::CONFLICT},
                        {"map.Remove", "key: 'held'", Header::CONFLICT},
                        {"map.Clear", "", Header::CONFLICT},
                    });
  for (const char* wrong :
       {"inputs {}", "inputs { size {} }", "inputs { get { key: 'a' } }",
        "inputs { clear {} }", "inputs { lock {} }", "inputs { unlock {} }",
        "inputs { entries {} }", "inputs { events {} }",
        "inputs { prepare {} }", "inputs { commit {} }", "inputs { abort {} }",
        "inputs { apply {} }"}) {
    for (const char* rpc : {"map.Apply", "map.Prepare"}) {
      const AnyEnd end = Send(rpc, id, wrong);
      EXPECT_EQ(end.code, grpc::StatusCode::INVALID_ARGUMENT) << wrong;
      EXPECT_EQ(end.outcome, "not-proposed");
    }
  }
  EXPECT_EQ(Send("map.Abort", id, "sequence_num: 99").header, Header::OK);
  EXPECT_EQ(map.Get("a")->value, "1");
  EXPECT_EQ(map.Get("held")->value, "1");
  EXPECT_EQ(*map.Size(), 2u);
}

// What is left out is empty, or 0, and what nobody knows is not looked at.
TEST_F(RefusedInputTest, WhatIsLeftOutIsEmpty) {
  const uint64_t map =
      raw_.Create("atomix.runtime.indexedmap.v1.IndexedMap", "m");
  const uint64_t list = raw_.Create("atomix.runtime.list.v1.List", "l");
  for (const char* rpc : {"indexedmap.Append", "indexedmap.Size",
                          "indexedmap.Entries", "indexedmap.FirstEntry"}) {
    const AnyEnd end = Send(rpc, map, "");
    EXPECT_EQ(end.header, Header::OK) << rpc << ": " << end.message;
    EXPECT_TRUE(end.has_output) << rpc;
  }
  for (const char* rpc : {"list.Append", "list.Insert", "list.Set", "list.Get",
                          "list.Size", "list.Items"}) {
    const AnyEnd end = Send(rpc, list, "");
    EXPECT_EQ(end.header, Header::OK) << rpc << ": " << end.message;
    EXPECT_TRUE(end.has_output) << rpc;
  }
  EXPECT_THAT(*Open<client::List>("l").Items(), ElementsAre("", ""));
}

// None, or less, is over with the next moment.
TEST_F(RefusedInputTest, ATimeToLiveOfNothingEndsAtOnce) {
  auto map = Open<client::IndexedMap>("m");
  const uint64_t id =
      raw_.Create("atomix.runtime.indexedmap.v1.IndexedMap", "m");
  const auto events = map.Events("");
  std::thread writer = OnceOpen(1, [&] {
    for (const char* input :
         {"key: 'a' ttl {}", "key: 'b' ttl { seconds: -5 nanos: -1 }"}) {
      EXPECT_EQ(Send("indexedmap.Append", id, input).header, Header::OK);
    }
  });
  std::vector<std::string> expired;
  while (expired.size() < 2) {
    const client::IndexedMapEvent event = Next(*events);
    if (event.expired) expired.push_back(event.entry.key);
  }
  writer.join();
  EXPECT_THAT(expired, UnorderedElementsAre("a", "b"));
  EXPECT_EQ(*map.Size(), 0u);
}

}  // namespace
}  // namespace tests
