// UnaryCall is one unary RPC in flight: it is answered, fails or is cancelled,
// whichever comes first, and what comes later does nothing.
//
// Thread-safe. It lives until gRPC is done with it and everyone who holds it
// has let go: a partition may complete a command long after its caller left.

#ifndef SERVER_SERVICE_UNARY_CALL_H_
#define SERVER_SERVICE_UNARY_CALL_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/service/error.h"

namespace server::service {

class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  // `context` and `response` are gRPC's, and live as long as it needs them.
  // `in_flight` counts the calls that gRPC is not done with, and outlives them.
  static std::shared_ptr<UnaryCall> Start(grpc::CallbackServerContext& context,
                                          grpc::ByteBuffer& response,
                                          const ErrorProfile& profile,
                                          std::atomic<size_t>& in_flight);

  void Answer(absl::string_view message);
  void Fail(const Error& error);
  // The request is wrong or refused: it was not proposed.
  void Reject(absl::Status status);

  // `hook` is called, once, if the client cancels or leaves, or the deadline
  // passes, before gRPC is done with the call; perhaps behind its answer. It
  // runs on gRPC's threads and must not block. REQUIRES: in the call's handler.
  void OnCancelled(std::function<void()> hook) {
    on_cancelled_ = std::move(hook);
  }

  grpc::CallbackServerContext& context() { return context_; }

 private:
  UnaryCall(grpc::CallbackServerContext& context, grpc::ByteBuffer& response,
            const ErrorProfile& profile, std::atomic<size_t>& in_flight)
      : context_(context),
        response_(response),
        profile_(profile),
        in_flight_(in_flight) {}

  // The deadline passed, or the client is gone.
  void OnCancel() override;
  void OnDone() override;

  // Both may run on the thread that saw the event, as those of gRPC's default
  // reactor do: they do not block. Otherwise gRPC wakes a thread of its
  // executor for every call that ends (measured: bench/README).
  bool InternalInlineable() override { return true; }

  // True for the first; only that one may touch context_ and response_, which
  // gRPC keeps until Finish.
  bool Claim() { return !ended_.exchange(true, std::memory_order_acq_rel); }

  grpc::CallbackServerContext& context_;
  grpc::ByteBuffer& response_;
  const ErrorProfile profile_;
  std::atomic<size_t>& in_flight_;
  std::shared_ptr<UnaryCall> self_;  // gRPC's share, until OnDone.
  std::atomic<bool> ended_ = false;
  std::function<void()> on_cancelled_;  // Set before gRPC may call OnCancel.
};

}  // namespace server::service

#endif  // SERVER_SERVICE_UNARY_CALL_H_
