#include "server/service/unary_call.h"

#include <grpcpp/server_context.h>

#include <chrono>
#include <utility>

namespace server::service {

std::shared_ptr<UnaryCall> UnaryCall::Start(
    grpc::CallbackServerContext& context, grpc::ByteBuffer& response,
    const ErrorProfile& profile, std::atomic<size_t>& in_flight) {
  in_flight.fetch_add(1, std::memory_order_relaxed);
  std::shared_ptr<UnaryCall> call(
      new UnaryCall(context, response, profile, in_flight));
  call->self_ = call;
  return call;
}

void UnaryCall::Answer(absl::string_view message) {
  if (!Claim()) return;
  grpc::Slice slice(message.data(), message.size());
  grpc::ByteBuffer buffer(&slice, 1);
  response_.Swap(&buffer);
  Finish(grpc::Status::OK);
}

void UnaryCall::Fail(const Error& error) {
  if (!Claim()) return;
  WireError wire = EncodeError(error, profile_);
  for (const auto& [key, value] : wire.trailers) {
    context_.AddTrailingMetadata(key, value);
  }
  Finish(std::move(wire.status));
}

void UnaryCall::Reject(absl::Status status) {
  Fail({.refusal = {.status = std::move(status),
                    .outcome = partition::Outcome::kNotProposed}});
}

void UnaryCall::OnCancel() {
  const bool late = context_.deadline() <= std::chrono::system_clock::now();
  Fail(
      {.refusal = {.status = late ? absl::DeadlineExceededError(
                                        "the deadline passed while the request "
                                        "waited for its answer")
                                  : absl::CancelledError("the call was "
                                                         "cancelled"),
                   .outcome = partition::Outcome::kUnknown}});
  if (on_cancelled_ != nullptr) on_cancelled_();
}

void UnaryCall::OnDone() {
  in_flight_.fetch_sub(1, std::memory_order_release);
  self_.reset();
}

}  // namespace server::service
