// What sets and multimaps answer over gRPC to requests that are well made and
// do not fit their state, or are out of their own bounds. (every_rpc_test has
// what is wrong with any primitive's requests.)

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "atomix/multiraft/multimap/v1/service.grpc.pb.h"
#include "atomix/multiraft/set/v1/service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/limits.h"
#include "tests/bad_input.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

namespace set = ::atomix::multiraft::set::v1;
namespace multimap = ::atomix::multiraft::multimap::v1;
using ::testing::HasSubstr;
using SetStub = set::Set::Stub;
using MultiMapStub = multimap::MultiMap::Stub;

constexpr int kItemsMax = 1 << 14;

// A set with the element "a", a multimap with the value "1" of the key "a", and
// what a call of either says.
class SetMultiMapInputTest : public BadInputTest {
 protected:
  SetMultiMapInputTest() {
    EXPECT_EQ(Run(&SetStub::Add, Element<set::AddRequest>("a")).header,
              Header::OK);
    EXPECT_EQ(
        Run(&MultiMapStub::Put, Pair<multimap::PutRequest>("a", "1")).header,
        Header::OK);
    before_ = server_.Status();
  }

  // Whatever was sent, both are as they were.
  ~SetMultiMapInputTest() override {
    set::SizeRequest size;
    set::SizeResponse elements;
    *size.mutable_headers() = session().QueryHeaders(set_id_);
    size.mutable_input();
    Call call;
    EXPECT_TRUE(sets_->Size(&call, size, &elements).ok());
    EXPECT_EQ(elements.output().size(), 1u);

    multimap::EntriesRequest entries;
    multimap::EntriesResponse entry;
    *entries.mutable_headers() = session().QueryHeaders(multimap_id_);
    entries.mutable_input();
    Call listing;
    const auto reader = multimaps_->Entries(&listing, entries);
    EXPECT_TRUE(reader->Read(&entry));
    EXPECT_EQ(entry.output().entry().key(), "a");
    EXPECT_EQ(entry.output().entry().values_size(), 1);
    EXPECT_FALSE(reader->Read(&entry));
    EXPECT_TRUE(reader->Finish().ok());
  }

  RawSession& session() { return requests_.session; }

  template <class Request, class Response>
  Seen Run(grpc::Status (SetStub::*method)(grpc::ClientContext*, const Request&,
                                           Response*),
           Request request) {
    *request.mutable_headers() = session().CommandHeaders(set_id_);
    return Unary(*sets_, method, request);
  }
  template <class Request, class Response>
  Seen Run(grpc::Status (MultiMapStub::*method)(grpc::ClientContext*,
                                                const Request&, Response*),
           Request request) {
    *request.mutable_headers() = session().CommandHeaders(multimap_id_);
    return Unary(*multimaps_, method, request);
  }

  template <class Request>
  static Request Element(const std::string& element) {
    Request request;
    request.mutable_input()->mutable_element()->set_value(element);
    return request;
  }
  template <class Request>
  static Request Pair(const std::string& key, const std::string& value) {
    Request request;
    request.mutable_input()->set_key(key);
    request.mutable_input()->set_value(value);
    return request;
  }
  template <class Request>
  static Request Values(const std::string& key,
                        const std::vector<std::string>& values) {
    Request request;
    request.mutable_input()->set_key(key);
    for (const std::string& value : values) {
      request.mutable_input()->add_values(value);
    }
    return request;
  }
  template <class Request>
  static Request Entries(const std::string& key,
                         const std::vector<std::string>& values) {
    Request request;
    auto& entry = *request.mutable_input()->add_entries();
    entry.set_key(key);
    for (const std::string& value : values) entry.add_values(value);
    return request;
  }

  static void ExpectHeader(const Seen& seen, Header::Status header) {
    EXPECT_EQ(seen.code, StatusCode::OK) << seen.message;
    EXPECT_EQ(seen.header, header);
    EXPECT_EQ(seen.has_output, header == Header::OK);
    EXPECT_EQ(seen.message.empty(), header == Header::OK);
  }
  static void ExpectInvalid(const Seen& seen, const std::string& field) {
    EXPECT_EQ(seen.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(seen.message, HasSubstr(field));
    EXPECT_EQ(seen.outcome, "not-proposed");
  }

  std::unique_ptr<SetStub> sets_ = set::Set::NewStub(server_.Connect());
  std::unique_ptr<MultiMapStub> multimaps_ =
      multimap::MultiMap::NewStub(server_.Connect());
  uint64_t set_id_ = session().Create("atomix.runtime.set.v1.Set", "set");
  uint64_t multimap_id_ =
      session().Create("atomix.runtime.multimap.v1.MultiMap", "multimap");
};

TEST_F(SetMultiMapInputTest, SetsSayWhatDoesNotFit) {
  ExpectHeader(Run(&SetStub::Add, Element<set::AddRequest>("a")),
               Header::ALREADY_EXISTS);
  ExpectHeader(Run(&SetStub::Remove, Element<set::RemoveRequest>("b")),
               Header::NOT_FOUND);
  // No element is the empty one.
  set::RemoveRequest remove;
  remove.mutable_input();
  ExpectHeader(Run(&SetStub::Remove, remove), Header::NOT_FOUND);
}

TEST_F(SetMultiMapInputTest, ATimeToLiveOfNothingOrLessEndsAtOnce) {
  for (const int seconds : {0, -1}) {
    set::AddRequest add = Element<set::AddRequest>("brief");
    add.mutable_input()->mutable_ttl()->set_seconds(seconds);
    ExpectHeader(Run(&SetStub::Add, add), Header::OK);
    // It goes by itself: until then it is there.
    while (Run(&SetStub::Add, Element<set::AddRequest>("brief")).header !=
           Header::OK) {
    }
    ExpectHeader(Run(&SetStub::Remove, Element<set::RemoveRequest>("brief")),
                 Header::OK);
  }
}

TEST_F(SetMultiMapInputTest, MultimapsSayWhatDoesNotFit) {
  ExpectHeader(Run(&MultiMapStub::Put, Pair<multimap::PutRequest>("a", "1")),
               Header::ALREADY_EXISTS);
  ExpectHeader(
      Run(&MultiMapStub::Remove, Pair<multimap::RemoveRequest>("a", "2")),
      Header::NOT_FOUND);
  ExpectHeader(
      Run(&MultiMapStub::Remove, Pair<multimap::RemoveRequest>("b", "1")),
      Header::NOT_FOUND);
  ExpectHeader(Run(&MultiMapStub::RemoveAll,
                   Values<multimap::RemoveAllRequest>("b", {"1"})),
               Header::NOT_FOUND);
  ExpectHeader(Run(&MultiMapStub::RemoveAll,
                   Values<multimap::RemoveAllRequest>("a", {"2"})),
               Header::OK);
  ExpectHeader(Run(&MultiMapStub::RemoveEntries,
                   Entries<multimap::RemoveEntriesRequest>("b", {"1"})),
               Header::OK);
  // No values make no key.
  ExpectHeader(
      Run(&MultiMapStub::PutAll, Values<multimap::PutAllRequest>("b", {})),
      Header::OK);
  ExpectHeader(Run(&MultiMapStub::PutEntries,
                   Entries<multimap::PutEntriesRequest>("b", {})),
               Header::OK);
  ExpectHeader(
      Run(&MultiMapStub::Replace, Values<multimap::ReplaceRequest>("b", {})),
      Header::OK);
}

TEST_F(SetMultiMapInputTest, TheValuesOfAKeyHaveBounds) {
  std::vector<std::string> values;
  for (char c = 'a'; c < 's'; ++c) values.push_back(std::string(60'000, c));
  for (const char* key : {"a", "b"}) {
    ExpectHeader(Run(&MultiMapStub::PutAll,
                     Values<multimap::PutAllRequest>(key, values)),
                 Header::INVALID);
    ExpectHeader(Run(&MultiMapStub::PutEntries,
                     Entries<multimap::PutEntriesRequest>(key, values)),
                 Header::INVALID);
    ExpectHeader(Run(&MultiMapStub::Replace,
                     Values<multimap::ReplaceRequest>(key, values)),
                 Header::INVALID);
  }
}

TEST_F(SetMultiMapInputTest, WhatOneRequestNamesHasABound) {
  const std::vector<std::string> values(kItemsMax + 1, "v");
  ExpectInvalid(
      Run(&MultiMapStub::PutAll, Values<multimap::PutAllRequest>("b", values)),
      "input.values");
  ExpectInvalid(Run(&MultiMapStub::Replace,
                    Values<multimap::ReplaceRequest>("b", values)),
                "input.values");
  ExpectInvalid(Run(&MultiMapStub::RemoveAll,
                    Values<multimap::RemoveAllRequest>("b", values)),
                "input.values");
  ExpectInvalid(Run(&MultiMapStub::PutEntries,
                    Entries<multimap::PutEntriesRequest>("b", values)),
                "input.entries");
  ExpectInvalid(Run(&MultiMapStub::RemoveEntries,
                    Entries<multimap::RemoveEntriesRequest>("b", values)),
                "input.entries");
  ExpectNothingApplied();
}

TEST_F(SetMultiMapInputTest, AMemberLongerThanAKeyIsNamed) {
  const std::string text(session::Limits().key_bytes_max + 1, 'x');
  ExpectInvalid(Run(&SetStub::Add, Element<set::AddRequest>(text)),
                "input.element.value");
  ExpectInvalid(Run(&MultiMapStub::Put, Pair<multimap::PutRequest>("b", text)),
                "input.value");
  ExpectInvalid(Run(&MultiMapStub::PutAll,
                    Values<multimap::PutAllRequest>("b", {"1", text})),
                "input.values");
  ExpectInvalid(Run(&MultiMapStub::PutEntries,
                    Entries<multimap::PutEntriesRequest>(text, {"1"})),
                "input.entries.key");
  ExpectNothingApplied();
}

}  // namespace
}  // namespace tests
