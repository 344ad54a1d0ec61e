#include "tests/any_rpc.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/text_format.h"
#include "primitive/registry.h"

namespace tests {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

const FieldDescriptor* Field(const Message& message, const char* name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  CHECK(field != nullptr) << message.GetTypeName() << " has no " << name;
  return field;
}

Message& Mutable(Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  return field->is_repeated() ? *reflection->AddMessage(&message, field)
                              : *reflection->MutableMessage(&message, field);
}

std::unique_ptr<Message> NewMessage(const Descriptor* type) {
  const Message* prototype =
      MessageFactory::generated_factory()->GetPrototype(type);
  CHECK(prototype != nullptr) << type->full_name();
  return std::unique_ptr<Message>(prototype->New());
}

bool IsDuration(const FieldDescriptor* field) {
  return field->message_type() != nullptr &&
         field->message_type()->full_name() == "google.protobuf.Duration";
}

void Collect(const Descriptor* type,
             const std::function<bool(const FieldDescriptor*)>& wanted,
             FieldPath& path, std::vector<FieldPath>& found) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    path.push_back(field);
    if (wanted(field)) {
      found.push_back(path);
    } else if (field->message_type() != nullptr && path.size() < 4) {
      Collect(field->message_type(), wanted, path, found);
    }
    path.pop_back();
  }
}

std::vector<FieldPath> FieldsOf(
    const MethodDescriptor& method,
    const std::function<bool(const FieldDescriptor*)>& wanted) {
  FieldPath path;
  std::vector<FieldPath> found;
  Collect(method.input_type()->FindFieldByName("input")->message_type(), wanted,
          path, found);
  return found;
}

// The message that holds the last field of `path`.
Message& HolderOf(Message& request, const FieldPath& path) {
  Message* message = &Mutable(request, Field(request, "input"));
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    message = &Mutable(*message, path[i]);
  }
  return *message;
}

std::string Bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  CHECK(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace

std::vector<AnyRpc> AnyRpc::All() {
  std::vector<AnyRpc> all;
  for (const session::Generation generation :
       {session::Generation::kMultiRaft, session::Generation::kRsm}) {
    for (const auto& type : primitive::BuiltinRegistry().types()) {
      const std::string name = type.ServiceIn(generation);
      if (name.empty()) continue;
      const ServiceDescriptor* service =
          DescriptorPool::generated_pool()->FindServiceByName(name);
      CHECK(service != nullptr) << name;
      for (const auto& operation : type.operations) {
        const MethodDescriptor* method =
            service->FindMethodByName(operation.rpc);
        CHECK(method != nullptr) << operation.rpc;
        all.push_back(AnyRpc(type, operation, generation, *method));
      }
    }
  }
  return all;
}

std::string AnyRpc::name() const {
  return absl::StrCat(
      generation_ == session::Generation::kMultiRaft ? "" : "rsm ", type_->name,
      ".", operation_->rpc);
}

std::unique_ptr<Message> AnyRpc::MakeRequest(RawSession& session,
                                             uint64_t primitive) const {
  std::unique_ptr<Message> request = NewMessage(method_->input_type());
  const bool command =
      operation_->kind == session::OperationKind::kCommand ||
      operation_->kind == session::OperationKind::kStreamCommand;
  if (command) {
    SetHeaders(*request, session.CommandHeaders(primitive));
  } else {
    SetHeaders(*request, session.QueryHeaders(primitive));
  }
  Mutable(*request, Field(*request, "input"));
  return request;
}

void AnyRpc::ClearHeaders(Message& request) {
  request.GetReflection()->ClearField(&request, Field(request, "headers"));
}

void AnyRpc::ClearInput(Message& request) {
  request.GetReflection()->ClearField(&request, Field(request, "input"));
}

void AnyRpc::SetInput(Message& request, const std::string& text) {
  CHECK(google::protobuf::TextFormat::ParseFromString(
      text, &Mutable(request, Field(request, "input"))))
      << text;
}

std::vector<FieldPath> AnyRpc::TextFields() const {
  return FieldsOf(*method_, [](const FieldDescriptor* field) {
    return field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  });
}

std::vector<FieldPath> AnyRpc::DurationFields() const {
  return FieldsOf(*method_, IsDuration);
}

void AnyRpc::SetText(Message& request, const FieldPath& path,
                     const std::string& text) {
  Message& holder = HolderOf(request, path);
  const auto* reflection = holder.GetReflection();
  if (path.back()->is_repeated()) {
    reflection->AddString(&holder, path.back(), text);
  } else {
    reflection->SetString(&holder, path.back(), text);
  }
}

void AnyRpc::SetDuration(Message& request, const FieldPath& path,
                         int64_t seconds, int32_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  Mutable(HolderOf(request, path), path.back()).CopyFrom(duration);
}

AnyEnd AnyRpc::Send(grpc::Channel& channel, const Message& request) const {
  return SendBytes(channel, request.SerializeAsString());
}

AnyEnd AnyRpc::SendBytes(grpc::Channel& channel,
                         const std::string& bytes) const {
  // The channel outlives the stub.
  grpc::GenericStub stub(
      std::shared_ptr<grpc::Channel>(&channel, [](grpc::Channel*) {}));
  Call call;
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    CHECK(queue.Next(&tag, &ok));
    return ok;
  };
  auto stream = stub.PrepareCall(
      &call,
      absl::StrCat("/", method_->service()->full_name(), "/", operation_->rpc),
      &queue);
  stream->StartCall(nullptr);
  next();
  grpc::Slice slice(bytes);
  stream->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  next();

  AnyEnd end;
  std::string last;
  while (true) {
    grpc::ByteBuffer buffer;
    stream->Read(&buffer, nullptr);
    if (!next()) break;
    ++end.responses;
    last = Bytes(buffer);
  }
  grpc::Status status;
  stream->Finish(&status, nullptr);
  next();
  queue.Shutdown();
  end.code = status.error_code();
  end.message = status.error_message();
  end.outcome = call.Trailer("multiraft-outcome");
  if (end.responses == 0) return end;

  const std::unique_ptr<Message> response = NewMessage(method_->output_type());
  CHECK(response->ParseFromString(last)) << name();
  const auto* reflection = response->GetReflection();
  end.has_output = reflection->HasField(*response, Field(*response, "output"));
  v1::QueryResponseHeaders headers;
  CHECK(headers.ParseFromString(
      reflection->GetMessage(*response, Field(*response, "headers"))
          .SerializeAsString()));
  end.header = headers.operation().status();
  if (end.header != v1::OperationResponseHeaders::OK) {
    end.message = headers.operation().message();
  }
  return end;
}

v1::QueryRequestHeaders AnyRpc::HeadersOf(const Message& request) {
  v1::QueryRequestHeaders headers;
  CHECK(headers.ParseFromString(
      request.GetReflection()
          ->GetMessage(request, Field(request, "headers"))
          .SerializeAsString()));
  return headers;
}

void AnyRpc::SetHeaders(Message& request, const Message& headers) {
  CHECK(Mutable(request, Field(request, "headers"))
            .ParseFromString(headers.SerializeAsString()));
}

}  // namespace tests
