// Outbound is one attempt at a stream to another node: it says Hello, waits for
// the Welcome, and writes frames until it breaks. The Lane that opened it is
// told everything, and opens the next one.

#ifndef SERVER_TRANSPORT_OUTBOUND_H_
#define SERVER_TRANSPORT_OUTBOUND_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace server::transport {

class Outbound;

// Called from gRPC's threads.
class OutboundOwner {
 public:
  virtual ~OutboundOwner() = default;

  // The peer takes our frames: the first may be written. At most once, and
  // perhaps after OnBroken.
  virtual void OnWelcome(Outbound& call) = 0;
  // The frame has left; the next may be written.
  virtual void OnWritten(Outbound& call) = 0;
  // Nothing may be written any more: `call` must not be touched after this.
  virtual void OnBroken(Outbound& call) = 0;
  // The last call; OnBroken came before, and the Outbound is gone. `channel`
  // was its own, and must not be let go on this thread: a channel that is the
  // last of the process joins gRPC's threads.
  virtual void OnEnded(std::shared_ptr<grpc::Channel> channel,
                       const absl::Status& status) = 0;
};

class Outbound final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // `owner` is kept until OnEnded has returned; then it deletes itself.
  Outbound(std::shared_ptr<OutboundOwner> owner,
           std::shared_ptr<grpc::Channel> channel);

  // Once.
  void Start(std::string hello);

  // REQUIRES: welcomed, not broken, and no write is in flight.
  void Write(std::string frame);

  // REQUIRES: not broken.
  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void StepToOpen();
  void Break();

  const std::shared_ptr<OutboundOwner> owner_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer out_;  // gRPC's during a write.
  grpc::ByteBuffer in_;   // gRPC's during a read.

  // The Welcome may arrive before the write of the Hello is reported.
  std::atomic<int> steps_to_open_ = 2;
  bool hello_written_ = false;  // Of OnWriteDone alone.
  std::atomic<bool> broken_ = false;
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_OUTBOUND_H_
