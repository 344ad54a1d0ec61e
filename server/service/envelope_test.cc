#include "server/service/envelope.h"

#include "atomix/multiraft/counter/v1/service.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server::service {
namespace {

namespace counter = ::atomix::multiraft::counter::v1;
using ::base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Bytes as a literal with zeros in it.
template <size_t N>
std::string Bytes(const char (&text)[N]) {
  return std::string(text, N - 1);
}

// {headers {operation {session {session {partition {3}, session_id 9},
//                               primitive_id 11}}, sequence_num 5}}
const std::string kCommandHeaders = Bytes(
    "\x0a\x10\x0a\x0c\x0a\x0a\x0a\x06\x0a\x02\x08\x03\x10\x09\x10\x0b"
    "\x10\x05");

std::string WithSession(const std::string& tail) {
  counter::IncrementRequest request;
  auto& headers = *request.mutable_headers();
  auto& primitive = *headers.mutable_operation()->mutable_session();
  primitive.set_primitive_id(11);
  primitive.mutable_session()->set_session_id(9);
  primitive.mutable_session()->mutable_partition()->set_partition_id(3);
  headers.set_sequence_num(5);
  return request.SerializeAsString() + tail;
}

TEST(EnvelopeTest, HeadersAreReadLayerByLayer) {
  Request request;
  ASSERT_OK(DecodeRequest(kCommandHeaders, HeaderKind::kCommand, request));
  EXPECT_EQ(request.headers.partition, base::PartitionId(3));
  EXPECT_EQ(request.headers.session, session::SessionId(9));
  EXPECT_EQ(request.headers.primitive, session::PrimitiveId(11));
  EXPECT_EQ(request.headers.sequence, session::SequenceNum(5));
  EXPECT_FALSE(request.has_input);
}

TEST(EnvelopeTest, TheInputIsAViewOfTheRequest) {
  const std::string bytes = WithSession(Bytes("\x12\x02\x08\x07"));
  Request request;
  ASSERT_OK(DecodeRequest(bytes, HeaderKind::kCommand, request));
  EXPECT_TRUE(request.has_input);
  EXPECT_EQ(request.input, "\x08\x07");
  EXPECT_EQ(request.input.data(), bytes.data() + bytes.size() - 2);
}

TEST(EnvelopeTest, AnEmptyInputIsThere) {
  Request request;
  const std::string bytes = WithSession(Bytes("\x12\x00"));
  ASSERT_OK(DecodeRequest(bytes, HeaderKind::kCommand, request));
  EXPECT_TRUE(request.has_input);
  EXPECT_EQ(request.input, "");
}

TEST(EnvelopeTest, RepeatedFieldsMergeAsProtobufSays) {
  // A second headers message with sequence_num 6 only, and the input in pieces.
  const std::string bytes = WithSession(
      Bytes("\x12\x02\x08\x07\x0a\x02\x10\x06\x12\x02\x08\x09\x12\x00"));
  Request request;
  ASSERT_OK(DecodeRequest(bytes, HeaderKind::kCommand, request));
  EXPECT_EQ(request.headers.sequence, session::SequenceNum(6));
  EXPECT_EQ(request.headers.session, session::SessionId(9));
  EXPECT_EQ(request.input, "\x08\x07\x08\x09");
}

TEST(EnvelopeTest, UnknownFieldsAreIgnored) {
  Request request;
  const std::string bytes =
      WithSession(Bytes("\x18\x2a\x22\x01x\x2d\x01\x02\x03\x04\x12\x00"));
  ASSERT_OK(DecodeRequest(bytes, HeaderKind::kCommand, request));
  EXPECT_TRUE(request.has_input);
}

TEST(EnvelopeTest, QueriesCarryTheHighestIndexSeen) {
  counter::GetRequest get;
  get.mutable_headers()
      ->mutable_operation()
      ->mutable_session()
      ->mutable_session()
      ->mutable_partition()
      ->set_partition_id(1);
  get.mutable_headers()->set_max_received_index(77);
  Request request;
  ASSERT_OK(
      DecodeRequest(get.SerializeAsString(), HeaderKind::kQuery, request));
  EXPECT_EQ(request.headers.max_received_index, 77u);
}

TEST(EnvelopeTest, WhatDoesNotDecodeIsInvalid) {
  const std::string good = WithSession(Bytes("\x12\x02\x08\x07"));
  for (size_t size = 1; size < good.size(); ++size) {
    Request request;
    const absl::Status status =
        DecodeRequest(good.substr(0, size), HeaderKind::kCommand, request);
    // Cut between the fields it is a whole request without input.
    if (status.ok()) {
      EXPECT_EQ(size, good.size() - 4);
    } else {
      EXPECT_THAT(status, StatusIs(kInvalid));
    }
  }
  Request request;
  EXPECT_THAT(DecodeRequest(Bytes("\x00"), HeaderKind::kCommand, request),
              StatusIs(kInvalid, HasSubstr("request does not decode")));
  EXPECT_THAT(
      DecodeRequest(Bytes("\x0a\x02\xff\xff"), HeaderKind::kCommand, request),
      StatusIs(kInvalid, HasSubstr("headers do not decode")));
  EXPECT_THAT(DecodeRequest(Bytes("\x12\xff\xff\xff\xff\x0f"),
                            HeaderKind::kCommand, request),
              StatusIs(kInvalid));
}

TEST(EnvelopeTest, MissingHeadersAndPartitionZeroAreNamed) {
  Request request;
  EXPECT_THAT(DecodeRequest("", HeaderKind::kCommand, request),
              StatusIs(kInvalid, HasSubstr("headers are missing")));
  EXPECT_THAT(
      DecodeRequest(Bytes("\x0a\x02\x10\x05"), HeaderKind::kCommand, request),
      StatusIs(kInvalid, HasSubstr("partition_id is 0")));
}

TEST(EnvelopeTest, AnAnswerHasItsHeadersAndAnOutputEvenIfEmpty) {
  EXPECT_EQ(
      EncodeResponse(HeaderKind::kCommand, 300, 1, session::Ok("\x08\x2a")),
      // headers {operation {session {session {partition {300}}}}, number 1}
      Bytes("\x0a\x0d\x0a\x09\x0a\x07\x0a\x05\x0a\x03\x08\xac\x02\x10\x01"
            "\x12\x02\x08\x2a"));
  EXPECT_EQ(EncodeResponse(HeaderKind::kQuery, 0, 9, session::Ok("")),
            // Every layer is there, and no number: it is a query.
            Bytes("\x0a\x08\x0a\x06\x0a\x04\x0a\x02\x0a\x00\x12\x00"));
}

TEST(EnvelopeTest, AFailureHasStatusAndMessageAndNoOutput) {
  session::Result result =
      session::Failure(session::OperationStatus::kNotFound, "no key");
  result.output = "ignored";
  EXPECT_EQ(EncodeResponse(HeaderKind::kQuery, 2, 0, result),
            Bytes("\x0a\x14\x0a\x12\x0a\x06\x0a\x04\x0a\x02\x08\x02\x10\x04"
                  "\x1a\x06no key"));
}

}  // namespace
}  // namespace server::service
