#include "tests/raw_session.h"

#include <chrono>
#include <utility>

#include "base/check.h"

namespace tests {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(20);

}  // namespace

Call::Call() {
  context_.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
}

std::string Call::Trailer(const std::string& key) const {
  const auto& trailers = context_.GetServerTrailingMetadata();
  auto found = trailers.find(key);
  if (found == trailers.end()) return "";
  return std::string(found->second.data(), found->second.size());
}

RawSession::RawSession(std::shared_ptr<grpc::Channel> channel,
                       double timeout_s) {
  Connect(std::move(channel));
  v1::OpenSessionRequest request;
  request.mutable_headers()->set_partition_id(1);
  auto& timeout = *request.mutable_input()->mutable_timeout();
  timeout.set_seconds(static_cast<int64_t>(timeout_s));
  timeout.set_nanos(static_cast<int32_t>(
      (timeout_s - static_cast<double>(timeout.seconds())) * 1e9));
  v1::OpenSessionResponse response;
  Call call;
  const grpc::Status status =
      partitions_->OpenSession(&call, request, &response);
  CHECK(status.ok()) << status.error_message();
  id_ = response.output().session_id();
  CHECK_NE(id_, 0u);
}

RawSession::RawSession(const RawSession& other,
                       std::shared_ptr<grpc::Channel> channel)
    : id_(other.id_), sequence_(other.sequence_) {
  Connect(std::move(channel));
}

void RawSession::Connect(std::shared_ptr<grpc::Channel> channel) {
  partitions_ = v1::Partition::NewStub(channel);
  sessions_ = v1::Session::NewStub(channel);
  counters_ = counter::Counter::NewStub(channel);
  maps_ = map::Map::NewStub(channel);
}

void RawSession::Address(uint64_t primitive,
                         v1::OperationRequestHeaders& operation) {
  auto& headers = *operation.mutable_session();
  headers.set_primitive_id(primitive);
  headers.mutable_session()->set_session_id(id_);
  headers.mutable_session()->mutable_partition()->set_partition_id(1);
}

v1::CommandRequestHeaders RawSession::CommandHeaders(uint64_t primitive) {
  v1::CommandRequestHeaders headers;
  Address(primitive, *headers.mutable_operation());
  headers.set_sequence_num(++sequence_);
  return headers;
}

v1::QueryRequestHeaders RawSession::QueryHeaders(uint64_t primitive) {
  v1::QueryRequestHeaders headers;
  Address(primitive, *headers.mutable_operation());
  headers.set_sequence_num(++sequence_);
  headers.set_max_received_index(id_);
  return headers;
}

uint64_t RawSession::Create(const std::string& type, const std::string& name) {
  v1::CreatePrimitiveRequest request;
  *request.mutable_headers() = CommandHeaders(0);
  request.mutable_input()->mutable_spec()->set_service(type);
  request.mutable_input()->mutable_spec()->set_name(name);
  v1::CreatePrimitiveResponse response;
  Call call;
  if (!sessions_->CreatePrimitive(&call, request, &response).ok()) return 0;
  return response.output().primitive_id();
}

grpc::Status RawSession::KeepAlive(const std::string& filter) {
  v1::KeepAliveRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->set_session_id(id_);
  request.mutable_input()->set_input_filter(filter);
  request.mutable_input()->set_last_input_sequence_num(sequence_);
  v1::KeepAliveResponse response;
  Call call;
  return partitions_->KeepAlive(&call, request, &response);
}

grpc::Status RawSession::Close() {
  v1::CloseSessionRequest request;
  request.mutable_headers()->set_partition_id(1);
  request.mutable_input()->set_session_id(id_);
  v1::CloseSessionResponse response;
  Call call;
  return partitions_->CloseSession(&call, request, &response);
}

int64_t RawSession::Increment(uint64_t counter, int64_t delta) {
  counter::IncrementRequest request;
  *request.mutable_headers() = CommandHeaders(counter);
  request.mutable_input()->set_delta(delta);
  counter::IncrementResponse response;
  Call call;
  const bool ok = counters_->Increment(&call, request, &response).ok();
  return ok && response.has_output() ? response.output().value() : -1;
}

int64_t RawSession::Read(uint64_t counter) {
  counter::GetRequest request;
  *request.mutable_headers() = QueryHeaders(counter);
  request.mutable_input();
  counter::GetResponse response;
  Call call;
  const bool ok = counters_->Get(&call, request, &response).ok();
  return ok && response.has_output() ? response.output().value() : -1;
}

bool RawSession::Put(uint64_t map, const std::string& key,
                     const std::string& value) {
  map::PutRequest request;
  *request.mutable_headers() = CommandHeaders(map);
  request.mutable_input()->set_key(key);
  request.mutable_input()->set_value(value);
  map::PutResponse response;
  Call call;
  return maps_->Put(&call, request, &response).ok() && response.has_output();
}

std::string RawSession::Get(uint64_t map, const std::string& key) {
  map::GetRequest request;
  *request.mutable_headers() = QueryHeaders(map);
  request.mutable_input()->set_key(key);
  map::GetResponse response;
  Call call;
  const bool ok = maps_->Get(&call, request, &response).ok();
  return ok && response.has_output() ? response.output().value().value() : "?";
}

int64_t RawSession::Size(uint64_t map) {
  map::SizeRequest request;
  *request.mutable_headers() = QueryHeaders(map);
  request.mutable_input();
  map::SizeResponse response;
  Call call;
  const bool ok = maps_->Size(&call, request, &response).ok();
  return ok && response.has_output() ? response.output().size() : -1;
}

}  // namespace tests
