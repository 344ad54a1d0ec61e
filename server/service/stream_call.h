// StreamCall is one server-streaming RPC: at most one write in flight, no
// queue, and ended exactly once. What it sends is its subclass's.
//
// OpenStreams is all of them, so that a server that stops can end them. Streams
// that are held before they are refused stay until their time is over, also
// then: a driver would open them again at once (semantics 8.4).
//
// Thread-safe. A StreamCall lives until gRPC is done with it and everyone who
// holds it has let go.

#ifndef SERVER_SERVICE_STREAM_CALL_H_
#define SERVER_SERVICE_STREAM_CALL_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "partition/executor.h"
#include "server/service/error.h"

namespace server::service {

class StreamCall;

class OpenStreams {
 public:
  // Ends all streams, and from now on each new one, with `error`; but for those
  // that wait for their refusal.
  void EndAll(const Error& error) ABSL_LOCKS_EXCLUDED(mu_);

  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  friend class StreamCall;
  void Add(const std::shared_ptr<StreamCall>& stream) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(StreamCall* stream) ABSL_LOCKS_EXCLUDED(mu_);

  mutable base::Mutex mu_;
  std::unordered_map<StreamCall*, std::weak_ptr<StreamCall>> streams_
      ABSL_GUARDED_BY(mu_);
  std::optional<Error> ended_ ABSL_GUARDED_BY(mu_);
};

class StreamCall : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                   public std::enable_shared_from_this<StreamCall> {
  friend class OpenStreams;

 public:
  // Makes a T(context, streams, arguments...) that gRPC holds until it is done.
  // `context` is gRPC's; `streams` must outlive the call.
  template <class T, class... Arguments>
  static std::shared_ptr<T> Start(grpc::CallbackServerContext& context,
                                  OpenStreams& streams,
                                  Arguments&&... arguments) {
    auto call = std::make_shared<T>(context, streams,
                                    std::forward<Arguments>(arguments)...);
    call->Register();
    return call;
  }

  // Ends the call, after the write in flight; the first one counts. OK: the
  // stream is complete.
  void End(const Error& error) ABSL_LOCKS_EXCLUDED(mu_);

 protected:
  StreamCall(grpc::CallbackServerContext& context, OpenStreams& streams,
             const ErrorProfile& profile)
      : context_(context), streams_(streams), profile_(profile) {}
  StreamCall(grpc::CallbackServerContext& context, OpenStreams& streams)
      : StreamCall(context, streams, ErrorProfile{}) {}

  // Writes one message; dropped if the call has ended. REQUIRES: no write is in
  // flight.
  void Send(absl::string_view message) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits for its refusal: not for OpenStreams::EndAll.
  virtual bool is_held() const { return false; }
  // The message was sent: another one may follow.
  virtual void Writable() {}
  // The call is over. Once.
  virtual void Gone() {}

 private:
  void Register();
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void FinishWith(const Error& error);
  void GoneOnce() ABSL_LOCKS_EXCLUDED(mu_);

  grpc::CallbackServerContext& context_;
  OpenStreams& streams_;
  const ErrorProfile profile_;
  std::shared_ptr<StreamCall> self_;  // gRPC's share, until OnDone.
  grpc::ByteBuffer message_;          // gRPC's while writing_.

  base::Mutex mu_;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;  // Nothing more may be started.
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<Error> end_ ABSL_GUARDED_BY(mu_);  // Waits for the write.
};

// A stream that cannot be served now: refused after `hold_ns`, or when its
// client gives up. Drivers open a refused stream again without a pause
// (semantics 8.4).
grpc::ServerWriteReactor<grpc::ByteBuffer>* HoldAndRefuse(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    partition::Executor& timer, uint64_t hold_ns, Error error);

// A stream that is wrong: refused at once.
grpc::ServerWriteReactor<grpc::ByteBuffer>* RejectStream(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    absl::Status status, const ErrorProfile& profile);

// A stream of exactly one message.
grpc::ServerWriteReactor<grpc::ByteBuffer>* AnswerStream(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    absl::string_view message);

}  // namespace server::service

#endif  // SERVER_SERVICE_STREAM_CALL_H_
