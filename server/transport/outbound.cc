#include "server/transport/outbound.h"

#include <utility>

namespace server::transport {
namespace {

constexpr char kDeliver[] = "/multiraft.peer.v1.Peer/Deliver";

// The bytes go to gRPC as they are, without a copy.
grpc::ByteBuffer BufferOf(std::string bytes) {
  auto* const owned = new std::string(std::move(bytes));
  grpc::Slice slice(
      owned->data(), owned->size(),
      [](void* data) { delete static_cast<std::string*>(data); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

Outbound::Outbound(std::shared_ptr<OutboundOwner> owner,
                   std::shared_ptr<grpc::Channel> channel)
    : owner_(std::move(owner)), channel_(std::move(channel)), stub_(channel_) {}

void Outbound::Start(std::string hello) {
  stub_.PrepareBidiStreamingCall(&context_, kDeliver, {}, this);
  // Writes come from other threads than gRPC's: held until Break.
  AddHold();
  StartRead(&in_);
  out_ = BufferOf(std::move(hello));
  StartWrite(&out_);
  StartCall();
}

void Outbound::Write(std::string frame) {
  out_ = BufferOf(std::move(frame));
  StartWrite(&out_);
}

void Outbound::OnReadDone(bool ok) {
  if (!ok) return Break();
  // The Welcome; nothing follows it, so the next read ends with the call.
  StepToOpen();
  StartRead(&in_);
}

void Outbound::OnWriteDone(bool ok) {
  if (!ok) return Break();
  if (hello_written_) return owner_->OnWritten(*this);
  hello_written_ = true;
  StepToOpen();
}

void Outbound::StepToOpen() {
  if (steps_to_open_.fetch_sub(1) == 1) owner_->OnWelcome(*this);
}

void Outbound::Break() {
  if (broken_.exchange(true)) return;
  owner_->OnBroken(*this);
  RemoveHold();
}

void Outbound::OnDone(const grpc::Status& status) {
  const std::shared_ptr<OutboundOwner> owner = owner_;
  std::shared_ptr<grpc::Channel> channel = channel_;
  delete this;
  owner->OnEnded(
      std::move(channel),
      absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                   status.error_message()));
}

}  // namespace server::transport
