// AnyRpc is one RPC of one primitive in one generation of the API, as the
// registry and the descriptors know it: its messages are made by reflection,
// its call goes by its name. So a test can say something of every RPC that
// there is, those to come included.

#ifndef TESTS_ANY_RPC_H_
#define TESTS_ANY_RPC_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "atomix/multiraft/v1/headers.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "session/registry.h"
#include "session/types.h"
#include "tests/raw_session.h"

namespace tests {

// How a call ended.
struct AnyEnd {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;  // Of the call, or of the headers if they have one.
  std::string outcome;  // multiraft-outcome
  size_t responses = 0;
  // Of the last response.
  v1::OperationResponseHeaders::Status header =
      v1::OperationResponseHeaders::OK;
  bool has_output = false;
};

// A field of an input, from the outermost message to it.
using FieldPath = std::vector<const google::protobuf::FieldDescriptor*>;

class AnyRpc {
 public:
  // Every RPC of every primitive, in both generations. They live as long as the
  // process.
  static std::vector<AnyRpc> All();

  // "set.Add"; of the second generation "rsm set.Add".
  std::string name() const;
  const session::PrimitiveType& type() const { return *type_; }
  session::Generation generation() const { return generation_; }

  // A request of `session`, with its next number, for `primitive`, and an
  // empty input.
  std::unique_ptr<google::protobuf::Message> MakeRequest(
      RawSession& session, uint64_t primitive) const;
  static void ClearHeaders(google::protobuf::Message& request);
  static void ClearInput(google::protobuf::Message& request);
  // Changes the headers: `change` is called with OperationRequestHeaders.
  template <class Change>
  static void ChangeHeaders(google::protobuf::Message& request, Change change) {
    v1::QueryRequestHeaders headers = HeadersOf(request);
    change(*headers.mutable_operation());
    SetHeaders(request, headers);
  }

  // Sets the input to what `text` says, in protobuf's text form.
  static void SetInput(google::protobuf::Message& request,
                       const std::string& text);

  // Fields of the input, and of messages in it, that hold text or bytes; that
  // hold a Duration.
  std::vector<FieldPath> TextFields() const;
  std::vector<FieldPath> DurationFields() const;
  // Sets the field at `path` in the input of `request`, making the messages on
  // the way. A Duration if `text` is null.
  static void SetText(google::protobuf::Message& request, const FieldPath& path,
                      const std::string& text);
  static void SetDuration(google::protobuf::Message& request,
                          const FieldPath& path, int64_t seconds,
                          int32_t nanos);

  // Sends a request, or any bytes in its place, and reads until the call ends.
  AnyEnd Send(grpc::Channel& channel,
              const google::protobuf::Message& request) const;
  AnyEnd SendBytes(grpc::Channel& channel, const std::string& bytes) const;

 private:
  AnyRpc(const session::PrimitiveType& type,
         const session::Operation& operation, session::Generation generation,
         const google::protobuf::MethodDescriptor& method)
      : type_(&type),
        operation_(&operation),
        generation_(generation),
        method_(&method) {}

  // Command headers are query headers as far as both go.
  static v1::QueryRequestHeaders HeadersOf(
      const google::protobuf::Message& request);
  static void SetHeaders(google::protobuf::Message& request,
                         const google::protobuf::Message& headers);

  const session::PrimitiveType* type_;
  const session::Operation* operation_;
  session::Generation generation_;
  const google::protobuf::MethodDescriptor* method_;
};

}  // namespace tests

#endif  // TESTS_ANY_RPC_H_
