#include "server/service/stream_attempt.h"

#include <grpcpp/generic/generic_stub.h>

#include <utility>

#include "server/service/byte_buffer.h"

namespace server::service {

StreamAttempt::StreamAttempt(OutboundCalls& calls,
                             std::shared_ptr<Listener> listener,
                             const ForwardedRequest& request,
                             const Luggage& luggage,
                             const transport::Route& route)
    : calls_(calls),
      listener_(std::move(listener)),
      route_(route),
      method_(request.method),
      request_(BufferOf(request.bytes)) {
  luggage.PutInto(context_);
}

absl::Status StreamAttempt::Start() {
  const auto channel =
      calls_.Enter(*this, request_.Length(), route_.peer_address);
  if (!channel.ok()) return channel.status();
  grpc::GenericStub(*channel).PrepareBidiStreamingCall(&context_, method_, {},
                                                       this);
  AddHold();
  StartWriteLast(&request_, grpc::WriteOptions());
  StartRead(&response_);
  StartCall();
  return absl::OkStatus();
}

void StreamAttempt::ReadNext() {
  {
    base::MutexLock lock(mu_);
    if (state_ != State::kIdle) return;
    state_ = State::kReading;
  }
  // Cancel leaves the hold to this read.
  StartRead(&response_);
}

void StreamAttempt::Cancel() {
  context_.TryCancel();
  {
    base::MutexLock lock(mu_);
    if (state_ == State::kReading) state_ = State::kCancelled;
    if (state_ != State::kIdle) return;
    state_ = State::kReleased;
  }
  RemoveHold();
}

void StreamAttempt::OnReadDone(bool ok) {
  bool release = false;
  {
    base::MutexLock lock(mu_);
    release = !ok || state_ == State::kCancelled;
    state_ = release ? State::kReleased : State::kIdle;
  }
  if (release) return RemoveHold();
  listener_->Received(*this, BytesOf(response_));
}

void StreamAttempt::OnDone(const grpc::Status& status) {
  calls_.Forget(*this);
  listener_->Ended(status.ok() ? Error{}
                               : calls_.Failed(status, context_, route_));
  OutboundCalls& calls = calls_;
  delete this;
  calls.Leave();
}

}  // namespace server::service
