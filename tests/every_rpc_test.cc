// What every RPC of every primitive, in both generations of the API, does with
// a bad request: a status that says what is wrong, and nothing changes.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "primitive/registry.h"
#include "session/limits.h"
#include "session/types.h"
#include "tests/any_rpc.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::google::protobuf::Message;
using ::grpc::StatusCode;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Header = v1::OperationResponseHeaders;

class EveryRpcTest : public ::testing::Test {
 protected:
  EveryRpcTest() {
    for (const auto& type : primitive::BuiltinRegistry().types()) {
      ids_[type.name] = session_.Create(type.type_strings[0], type.name);
      EXPECT_NE(ids_[type.name], 0u) << type.name;
    }
    before_ = server_.Status();
  }

  // Whatever was sent, nothing is left of it and the server goes on.
  ~EveryRpcTest() override {
    EXPECT_TRUE(session_.KeepAlive().ok());
    const auto after = server_.Status();
    EXPECT_TRUE(after.healthy()) << after.problem();
    EXPECT_EQ(after.primitives(), before_.primitives());
    EXPECT_EQ(after.open_commands(), 0u);
    EXPECT_EQ(server_.server().open_streams(), 0u);
  }

  // Sends each RPC, spoilt.
  void ForEach(
      const std::function<void(const AnyRpc&, Message&)>& spoil,
      const std::function<void(const AnyRpc&, const AnyEnd&)>& expect) {
    for (const AnyRpc& rpc : AnyRpc::All()) {
      SCOPED_TRACE(rpc.name());
      const auto request = rpc.MakeRequest(session_, IdOf(rpc));
      spoil(rpc, *request);
      const AnyEnd end = rpc.Send(*channel_, *request);
      EXPECT_LE(end.responses, 1u);
      EXPECT_FALSE(end.has_output);
      expect(rpc, end);
    }
  }
  void ForEach(const std::function<void(const AnyRpc&, Message&)>& spoil,
               StatusCode code, const std::string& message,
               const std::string& outcome) {
    ForEach(spoil, [&](const AnyRpc&, const AnyEnd& end) {
      EXPECT_EQ(end.code, code);
      EXPECT_THAT(end.message, HasSubstr(message));
      EXPECT_EQ(end.outcome, outcome);
      EXPECT_EQ(end.responses, 0u);
    });
  }
  void ForEachForbidden(
      const std::function<void(const AnyRpc&, Message&)>& spoil) {
    ForEach(spoil, [](const AnyRpc&, const AnyEnd& end) {
      EXPECT_EQ(end.code, StatusCode::OK) << end.message;
      EXPECT_EQ(end.header, Header::FORBIDDEN);
      EXPECT_NE(end.message, "");
    });
  }

  uint64_t IdOf(const AnyRpc& rpc) const { return ids_.at(rpc.type().name); }

  static void SetPrimitive(Message& request, uint64_t id) {
    AnyRpc::ChangeHeaders(request, [id](auto& operation) {
      operation.mutable_session()->set_primitive_id(id);
    });
  }
  static void SetSession(Message& request, uint64_t id) {
    AnyRpc::ChangeHeaders(request, [id](auto& operation) {
      operation.mutable_session()->mutable_session()->set_session_id(id);
    });
  }
  static void SetPartition(Message& request, uint32_t id) {
    AnyRpc::ChangeHeaders(request, [id](auto& operation) {
      operation.mutable_session()
          ->mutable_session()
          ->mutable_partition()
          ->set_partition_id(id);
    });
  }

  // Nothing was proposed since the fixture began.
  void ExpectNothingApplied() {
    EXPECT_EQ(server_.Status().index(), before_.index());
  }

  TestServer server_;
  std::shared_ptr<grpc::Channel> channel_ = server_.Connect();
  RawSession session_{channel_};
  std::map<std::string, uint64_t> ids_;  // By the names of types.
  ::multiraft::admin::v1::PartitionStatus before_;
};

TEST_F(EveryRpcTest, MissingHeadersAreNamed) {
  ForEach(
      [](const AnyRpc&, Message& request) { AnyRpc::ClearHeaders(request); },
      StatusCode::INVALID_ARGUMENT, "headers", "not-proposed");
  ExpectNothingApplied();
}

TEST_F(EveryRpcTest, AMissingInputIsNotSupported) {
  ForEach([](const AnyRpc&, Message& request) { AnyRpc::ClearInput(request); },
          [](const AnyRpc&, const AnyEnd& end) {
            EXPECT_EQ(end.code, StatusCode::OK);
            EXPECT_EQ(end.header, Header::NOT_SUPPORTED);
            EXPECT_THAT(end.message, HasSubstr("input"));
          });
  ExpectNothingApplied();
}

TEST_F(EveryRpcTest, APartitionMustBeHere) {
  ForEach([](const AnyRpc&, Message& request) { SetPartition(request, 0); },
          StatusCode::INVALID_ARGUMENT, "partition_id", "not-proposed");
  ForEach([](const AnyRpc&, Message& request) { SetPartition(request, 99); },
          StatusCode::UNAVAILABLE, "partition 99", "not-proposed");
  ExpectNothingApplied();
}

TEST_F(EveryRpcTest, AnUnknownSessionIsRefused) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{999'999}, UINT64_MAX}) {
    ForEach([id](const AnyRpc&, Message& request) { SetSession(request, id); },
            [](const AnyRpc& rpc, const AnyEnd& end) {
              EXPECT_EQ(end.code,
                        rpc.generation() == session::Generation::kMultiRaft
                            ? StatusCode::PERMISSION_DENIED
                            : StatusCode::DATA_LOSS);
              EXPECT_EQ(end.message, "session not found");
              EXPECT_EQ(end.responses, 0u);
            });
  }
}

TEST_F(EveryRpcTest, AnUnknownPrimitiveIsForbidden) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{999'999}, UINT64_MAX}) {
    ForEachForbidden(
        [id](const AnyRpc&, Message& request) { SetPrimitive(request, id); });
  }
}

TEST_F(EveryRpcTest, APrimitiveOfAnotherTypeIsForbidden) {
  for (const auto& [other, id] : ids_) {
    for (const AnyRpc& rpc : AnyRpc::All()) {
      if (rpc.type().name == other) continue;
      SCOPED_TRACE(absl::StrCat(rpc.name(), " of a ", other));
      const AnyEnd end = rpc.Send(*channel_, *rpc.MakeRequest(session_, id));
      EXPECT_EQ(end.code, StatusCode::OK) << end.message;
      EXPECT_EQ(end.header, Header::FORBIDDEN);
      EXPECT_FALSE(end.has_output);
      EXPECT_EQ(end.responses, 1u) << "and a stream ends";
    }
  }
}

TEST_F(EveryRpcTest, APrimitiveThatTheSessionHasNotOpenedIsForbidden) {
  RawSession other(channel_);
  ForEachForbidden([&](const AnyRpc&, Message& request) {
    SetSession(request, other.id());
  });
  EXPECT_TRUE(other.Close().ok());
}

TEST_F(EveryRpcTest, AClosedPrimitiveIsForbidden) {
  for (const auto& [name, id] : ids_) {
    v1::ClosePrimitiveRequest close;
    *close.mutable_headers() = session_.CommandHeaders(id);
    close.mutable_input()->set_primitive_id(id);
    v1::ClosePrimitiveResponse response;
    Call call;
    ASSERT_TRUE(
        session_.sessions().ClosePrimitive(&call, close, &response).ok());
  }
  ForEachForbidden([](const AnyRpc&, Message&) {});
}

TEST_F(EveryRpcTest, BytesThatAreNoRequestAreInvalid) {
  for (const AnyRpc& rpc : AnyRpc::All()) {
    SCOPED_TRACE(rpc.name());
    const std::string headers = [&] {
      const auto request = rpc.MakeRequest(session_, IdOf(rpc));
      AnyRpc::ClearInput(*request);
      return request->SerializeAsString();
    }();
    for (const std::string& bytes :
         {std::string("\x0a\xff\xff\xff garbage"),
          headers + "\x12\x02\x0a\x7f",  // The input breaks off.
          headers + "\x12\x02\x0b\x0b"}) {
      const AnyEnd end = rpc.SendBytes(*channel_, bytes);
      EXPECT_EQ(end.code, StatusCode::INVALID_ARGUMENT) << end.message;
      EXPECT_EQ(end.outcome, "not-proposed");
    }
  }
  ExpectNothingApplied();
}

TEST_F(EveryRpcTest, TextThatIsTooLongIsNamed) {
  const session::Limits limits;
  const std::string text(
      std::max(limits.key_bytes_max, limits.value_bytes_max) + 1, 't');
  size_t fields = 0;
  for (const AnyRpc& rpc : AnyRpc::All()) {
    for (const FieldPath& path : rpc.TextFields()) {
      SCOPED_TRACE(absl::StrCat(rpc.name(), " ", path.back()->full_name()));
      const auto request = rpc.MakeRequest(session_, IdOf(rpc));
      AnyRpc::SetText(*request, path, text);
      const AnyEnd end = rpc.Send(*channel_, *request);
      EXPECT_EQ(end.code, StatusCode::INVALID_ARGUMENT);
      EXPECT_THAT(end.message, HasSubstr("input."));
      EXPECT_THAT(end.message, HasSubstr(path.back()->name()));
      EXPECT_EQ(end.outcome, "not-proposed");
      ++fields;
    }
  }
  EXPECT_GT(fields, 10u);
  ExpectNothingApplied();
}

TEST_F(EveryRpcTest, ADurationThatIsNoneIsNamed) {
  struct Bad {
    int64_t seconds;
    int32_t nanos;
  };
  size_t fields = 0;
  for (const AnyRpc& rpc : AnyRpc::All()) {
    for (const FieldPath& path : rpc.DurationFields()) {
      SCOPED_TRACE(absl::StrCat(rpc.name(), " ", path.back()->full_name()));
      for (const Bad& bad : {Bad{1, -1}, Bad{-1, 1}, Bad{0, 1'000'000'000},
                             Bad{0, -1'000'000'000}, Bad{315'576'000'001, 0},
                             Bad{INT64_MIN, 0}, Bad{INT64_MAX, 999'999'999}}) {
        const auto request = rpc.MakeRequest(session_, IdOf(rpc));
        AnyRpc::SetDuration(*request, path, bad.seconds, bad.nanos);
        const AnyEnd end = rpc.Send(*channel_, *request);
        EXPECT_EQ(end.code, StatusCode::INVALID_ARGUMENT);
        // Some inputs are not allowed inside others, whatever they say.
        EXPECT_THAT(
            end.message,
            AnyOf(HasSubstr(absl::StrCat("input.", path.back()->name())),
                  HasSubstr("it changes no keys")));
        EXPECT_EQ(end.outcome, "not-proposed");
      }
      ++fields;
    }
  }
  EXPECT_GT(fields, 3u);
  ExpectNothingApplied();
}

}  // namespace
}  // namespace tests
