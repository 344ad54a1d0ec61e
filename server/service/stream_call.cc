#include "server/service/stream_call.h"

#include <grpcpp/server_context.h>

#include <vector>

#include "base/check.h"

namespace server::service {
namespace {

class PlainStream : public StreamCall {
 public:
  PlainStream(grpc::CallbackServerContext& context, OpenStreams& streams,
              const ErrorProfile& profile)
      : StreamCall(context, streams, profile) {}

  void SendOnly(absl::string_view message) {
    Send(message);
    End({});
  }
};

class HeldStream : public PlainStream {
 public:
  using PlainStream::PlainStream;

 private:
  bool is_held() const override { return true; }
};

Error Cancelled() {
  return {.refusal = {.status = absl::CancelledError("the call was cancelled"),
                      .outcome = partition::Outcome::kUnknown}};
}

}  // namespace

void OpenStreams::EndAll(const Error& error) {
  std::vector<std::shared_ptr<StreamCall>> streams;
  {
    base::MutexLock lock(mu_);
    ended_ = error;
    for (auto& [pointer, weak] : streams_) {
      auto stream = weak.lock();
      if (stream == nullptr || stream->is_held()) continue;
      streams.push_back(std::move(stream));
    }
  }
  for (const std::shared_ptr<StreamCall>& stream : streams) stream->End(error);
}

size_t OpenStreams::size() const {
  base::MutexLock lock(mu_);
  return streams_.size();
}

void OpenStreams::Add(const std::shared_ptr<StreamCall>& stream) {
  std::optional<Error> ended;
  {
    base::MutexLock lock(mu_);
    streams_[stream.get()] = stream;
    if (!stream->is_held()) ended = ended_;
  }
  if (ended.has_value()) stream->End(*ended);
}

void OpenStreams::Remove(StreamCall* stream) {
  base::MutexLock lock(mu_);
  streams_.erase(stream);
}

void StreamCall::Register() {
  self_ = shared_from_this();
  streams_.Add(self_);
}

void StreamCall::Send(absl::string_view message) {
  {
    base::MutexLock lock(mu_);
    if (finished_ || end_.has_value()) return;
    CHECK(!writing_) << "a write before the one in flight is done";
    writing_ = true;
  }
  // From here to OnWriteDone nobody else starts anything (End waits).
  grpc::Slice slice(message.data(), message.size());
  grpc::ByteBuffer buffer(&slice, 1);
  message_.Swap(&buffer);
  StartWrite(&message_);
}

void StreamCall::End(const Error& error) {
  {
    base::MutexLock lock(mu_);
    if (finished_ || end_.has_value()) return;
    if (writing_) {
      end_ = error;
      return;
    }
    finished_ = true;
  }
  FinishWith(error);
}

void StreamCall::OnWriteDone(bool ok) {
  std::optional<Error> end;
  {
    base::MutexLock lock(mu_);
    writing_ = false;
    if (end_.has_value()) {
      end = std::exchange(end_, std::nullopt);
      finished_ = true;
    }
  }
  if (end.has_value()) {
    FinishWith(*end);
  } else if (ok) {
    Writable();
  }
  // Not ok: the client is gone, and OnCancel follows.
}

void StreamCall::OnCancel() {
  GoneOnce();
  End(Cancelled());
}

void StreamCall::OnDone() {
  GoneOnce();
  streams_.Remove(this);
  // Perhaps the last share; nothing may follow.
  const std::shared_ptr<StreamCall> self = std::move(self_);
}

void StreamCall::GoneOnce() {
  {
    base::MutexLock lock(mu_);
    if (std::exchange(gone_, true)) return;
  }
  Gone();
}

void StreamCall::FinishWith(const Error& error) {
  WireError wire = EncodeError(error, profile_);
  for (const auto& [key, value] : wire.trailers) {
    context_.AddTrailingMetadata(key, value);
  }
  Finish(std::move(wire.status));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* HoldAndRefuse(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    partition::Executor& timer, uint64_t hold_ns, Error error) {
  auto stream = StreamCall::Start<HeldStream>(context, streams, ErrorProfile{});
  timer.PostAfter(hold_ns, [weak = std::weak_ptr<StreamCall>(stream),
                            error = std::move(error)] {
    if (auto held = weak.lock()) held->End(error);
  });
  return stream.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* RejectStream(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    absl::Status status, const ErrorProfile& profile) {
  auto stream = StreamCall::Start<PlainStream>(context, streams, profile);
  stream->End({.refusal = {.status = std::move(status),
                           .outcome = partition::Outcome::kNotProposed}});
  return stream.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* AnswerStream(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    absl::string_view message) {
  auto stream =
      StreamCall::Start<PlainStream>(context, streams, ErrorProfile{});
  stream->SendOnly(message);
  return stream.get();
}

}  // namespace server::service
