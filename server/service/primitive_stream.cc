#include "server/service/primitive_stream.h"

#include <utility>

namespace server::service {

void PrimitiveStream::Opened(partition::StreamId id) {
  bool writable = false;
  bool close = false;
  {
    base::MutexLock lock(mu_);
    opened_ = true;
    id_ = id;
    close = gone_ && !ended_;
    writable = std::exchange(writable_, false) && !gone_ && !ended_;
  }
  if (writable) TellWritable(id);
  if (close) TellClosed(id);
}

void PrimitiveStream::TellWritable(partition::StreamId id) {
  if (const auto partition = partition_.lock()) partition->StreamWritable(id);
}

void PrimitiveStream::TellClosed(partition::StreamId id) {
  if (const auto partition = partition_.lock()) partition->CloseStream(id);
}

void PrimitiveStream::Write(session::CommandOutput output) {
  Send(EncodeResponse(kind_, output.index, output.number, output.result));
}

void PrimitiveStream::End(partition::Refusal refusal) {
  {
    base::MutexLock lock(mu_);
    ended_ = true;
  }
  const uint64_t age_ns =
      static_cast<uint64_t>(pace_.clock.MonotonicNanos() - started_ns_);
  if (!absl::IsUnavailable(refusal.status) || age_ns >= pace_.hold_ns) {
    return StreamCall::End({.refusal = std::move(refusal)});
  }
  // Whoever stops the server, or leaves, ends it earlier.
  pace_.timer.PostAfter(
      pace_.hold_ns - age_ns,
      [weak = weak_from_this(), refusal = std::move(refusal)]() mutable {
        if (auto self = weak.lock()) self->End({.refusal = std::move(refusal)});
      });
}

void PrimitiveStream::Writable() {
  partition::StreamId id;
  {
    base::MutexLock lock(mu_);
    if (ended_ || gone_) return;
    if (!opened_) {
      writable_ = true;
      return;
    }
    id = id_;
  }
  TellWritable(id);
}

void PrimitiveStream::Gone() {
  place_.reset();
  partition::StreamId id;
  {
    base::MutexLock lock(mu_);
    gone_ = true;
    if (!opened_ || ended_) return;
    id = id_;
  }
  // A stream command stays open in the state: its client may come back for it.
  TellClosed(id);
}

}  // namespace server::service
