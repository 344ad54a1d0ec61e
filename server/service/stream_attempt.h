// StreamAttempt is one streaming call to the leader's node, on behalf of a
// client's stream.
//
// It reads when it is told to, so there is at most one output that its listener
// has not taken, and who is slow slows the leader's node. To be told from
// outside of gRPC's callbacks it keeps a *hold*, without which the call would
// be over while nobody reads, and as long as it keeps it the call is not over:
//
//   state       what may happen        next state
//   kReading    an output: Received    kIdle
//               the end of the call    kReleased
//               Cancel                 kCancelled: the read comes back soon
//   kIdle       ReadNext               kReading
//               Cancel                 kReleased: no read would tell
//   kCancelled  whatever was read      kReleased
//   kReleased   The hold is gone: Ended follows, whatever else happens.
//
// So Cancel leads to Ended in every state and needs nobody's help. Without it
// an attempt that is idle does not notice the end of its call: whoever will not
// read any more cancels.
//
// Thread-safe. It deletes itself behind Ended.

#ifndef SERVER_SERVICE_STREAM_ATTEMPT_H_
#define SERVER_SERVICE_STREAM_ATTEMPT_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "server/service/error.h"
#include "server/service/forwarded_request.h"
#include "server/service/luggage.h"
#include "server/service/outbound_calls.h"
#include "server/transport/routes.h"

namespace server::service {

class StreamAttempt final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public OutboundCall {
 public:
  // Called on gRPC's threads, one call at a time.
  class Listener {
   public:
    virtual ~Listener() = default;
    // ReadNext, now or later, gets another one.
    virtual void Received(StreamAttempt& attempt, absl::string_view output) = 0;
    // The call is over; OK: complete. The attempt must not be used behind this.
    virtual void Ended(const Error& error) = 0;
  };

  // `calls` must outlive it.
  StreamAttempt(OutboundCalls& calls, std::shared_ptr<Listener> listener,
                const ForwardedRequest& request, const Luggage& luggage,
                const transport::Route& route);

  // Sends the request and reads the first output. Once; Unavailable: it could
  // not enter `calls`, and is the caller's to delete.
  absl::Status Start();

  // REQUIRES for both: not behind Ended.
  void ReadNext() ABSL_LOCKS_EXCLUDED(mu_);
  void Cancel() override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class State : uint8_t { kReading, kIdle, kCancelled, kReleased };

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  OutboundCalls& calls_;
  const std::shared_ptr<Listener> listener_;
  const transport::Route route_;
  const std::string method_;
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;  // gRPC's while kReading or kCancelled.

  base::Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kReading;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_STREAM_ATTEMPT_H_
