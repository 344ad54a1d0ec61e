#include "server/service/envelope.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "atomix/multiraft/v1/headers.pb.h"

namespace server::service {
namespace {

namespace v1 = ::atomix::multiraft::v1;
using ::google::protobuf::internal::WireFormatLite;
using ::google::protobuf::io::CodedInputStream;

constexpr int kHeadersField = 1;
constexpr int kPayloadField = 2;

constexpr uint32_t kHeadersTag = WireFormatLite::MakeTag(
    kHeadersField, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
constexpr uint32_t kPayloadTag = WireFormatLite::MakeTag(
    kPayloadField, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

// Where the two fields of an envelope are.
struct Parts {
  bool has_headers = false;
  std::string headers;  // Pieces joined, which is how messages merge.
};

void FlattenOperation(const v1::OperationRequestHeaders& operation,
                      RequestHeaders& headers) {
  const v1::PrimitiveRequestHeaders& primitive = operation.session();
  const v1::SessionRequestHeaders& session = primitive.session();
  headers.partition = base::PartitionId(session.partition().partition_id());
  headers.session = session::SessionId(session.session_id());
  headers.primitive = session::PrimitiveId(primitive.primitive_id());
}

bool ParseHeaders(const std::string& bytes, HeaderKind kind,
                  RequestHeaders& headers) {
  if (kind == HeaderKind::kCommand) {
    v1::CommandRequestHeaders message;
    if (!message.ParseFromString(bytes)) return false;
    FlattenOperation(message.operation(), headers);
    headers.sequence = session::SequenceNum(message.sequence_num());
    return true;
  }
  v1::QueryRequestHeaders message;
  if (!message.ParseFromString(bytes)) return false;
  FlattenOperation(message.operation(), headers);
  headers.sequence = session::SequenceNum(message.sequence_num());
  headers.max_received_index = message.max_received_index();
  return true;
}

// Reads a length and that many bytes as a view into `bytes`.
bool ReadView(CodedInputStream& stream, absl::string_view bytes,
              absl::string_view& view) {
  uint32_t length = 0;
  if (!stream.ReadVarint32(&length)) return false;
  const size_t start = stream.CurrentPosition();
  if (length > bytes.size() - start || !stream.Skip(length)) return false;
  view = bytes.substr(start, length);
  return true;
}

bool SplitRequest(absl::string_view bytes, Parts& parts, Request& request) {
  CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                          static_cast<int>(bytes.size()));
  while (const uint32_t tag = stream.ReadTag()) {
    absl::string_view view;
    if (tag == kHeadersTag) {
      if (!ReadView(stream, bytes, view)) return false;
      parts.has_headers = true;
      parts.headers.append(view.data(), view.size());
    } else if (tag == kPayloadTag) {
      if (!ReadView(stream, bytes, view)) return false;
      if (request.has_input) {
        if (request.joined.empty()) request.joined = std::string(request.input);
        request.joined.append(view.data(), view.size());
        request.input = request.joined;
      } else {
        request.input = view;
      }
      request.has_input = true;
    } else if (!WireFormatLite::SkipField(&stream, tag)) {
      return false;
    }
  }
  // A tag of 0 is the end only at the end.
  return stream.ConsumedEntireMessage();
}

void FillOperation(uint64_t index, const session::Result& result,
                   v1::OperationResponseHeaders& headers) {
  headers.mutable_session()->mutable_session()->mutable_partition()->set_index(
      index);
  headers.set_status(
      static_cast<v1::OperationResponseHeaders::Status>(result.status));
  if (result.status != session::OperationStatus::kOk) {
    headers.set_message(result.message);
  }
}

void AppendField(uint32_t tag, absl::string_view bytes, std::string& out) {
  uint8_t prefix[10];
  uint8_t* end =
      google::protobuf::io::CodedOutputStream::WriteTagToArray(tag, prefix);
  end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(bytes.size()), end);
  out.append(reinterpret_cast<char*>(prefix), end - prefix);
  out.append(bytes.data(), bytes.size());
}

}  // namespace

absl::Status DecodeRequest(absl::string_view bytes, HeaderKind kind,
                           Request& request) {
  Parts parts;
  if (!SplitRequest(bytes, parts, request)) {
    return absl::InvalidArgumentError("the request does not decode");
  }
  if (!parts.has_headers) {
    return absl::InvalidArgumentError("headers are missing");
  }
  if (!ParseHeaders(parts.headers, kind, request.headers)) {
    return absl::InvalidArgumentError("headers do not decode");
  }
  if (request.headers.partition == base::PartitionId(0)) {
    return absl::InvalidArgumentError(
        "headers.operation.session.session.partition.partition_id is 0: "
        "partitions count from 1");
  }
  return absl::OkStatus();
}

std::string EncodeResponse(HeaderKind kind, uint64_t index,
                           uint64_t output_number,
                           const session::Result& result) {
  std::string headers;
  if (kind == HeaderKind::kCommand) {
    v1::CommandResponseHeaders message;
    FillOperation(index, result, *message.mutable_operation());
    message.set_output_sequence_num(output_number);
    message.SerializeToString(&headers);
  } else {
    v1::QueryResponseHeaders message;
    FillOperation(index, result, *message.mutable_operation());
    message.SerializeToString(&headers);
  }
  std::string response;
  response.reserve(headers.size() + result.output.size() + 16);
  AppendField(kHeadersTag, headers, response);
  if (result.status == session::OperationStatus::kOk) {
    AppendField(kPayloadTag, result.output, response);
  }
  return response;
}

}  // namespace server::service
