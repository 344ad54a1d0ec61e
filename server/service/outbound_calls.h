// OutboundCalls is what this node has under way at other nodes for its clients,
// and the connections for it. They are opened as they are needed and kept.
//
// Thread-safe.

#ifndef SERVER_SERVICE_OUTBOUND_CALLS_H_
#define SERVER_SERVICE_OUTBOUND_CALLS_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/service/error.h"
#include "server/transport/gate.h"
#include "server/transport/routes.h"

namespace server::service {

// One call that is under way.
class OutboundCall {
 public:
  virtual ~OutboundCall() = default;

  // Ends it soon, in whatever state it is, and without anybody's help. May be
  // called again, and by several threads; must not wait.
  virtual void Cancel() = 0;
};

class OutboundCalls {
 public:
  // Of everything that is under way (P56).
  struct Bounds {
    uint64_t calls_max = 0;
    uint64_t bytes_max = 0;  // Of their requests.
  };

  // `routes` must outlive it.
  OutboundCalls(transport::Routes& routes, const Bounds& bounds)
      : routes_(routes), bounds_(bounds) {}

  // What came back along `route` instead of an answer (forwarded_error.h); a
  // route to a node that says that it does not lead is dropped.
  Error Failed(const grpc::Status& status, const grpc::ClientContext& context,
               const transport::Route& route);

  // `call`, with a request of `bytes`, begins on the channel to `address`.
  // Unavailable: it must not; Stop was called, or too much is under way.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Enter(
      OutboundCall& call, size_t bytes, const std::string& address)
      ABSL_LOCKS_EXCLUDED(mu_);
  // It is not cancelled any more. REQUIRES: it entered.
  void Forget(OutboundCall& call) ABSL_LOCKS_EXCLUDED(mu_);
  // It is gone, with all it had of a channel. REQUIRES: it was forgotten.
  void Leave() { inside_.Leave(); }

  size_t open() const ABSL_LOCKS_EXCLUDED(mu_);

  // Cancels what is under way, waits until it has left, and closes the
  // connections. REQUIRES: not on a thread of gRPC (transport/channel_bin.h).
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  transport::Routes& routes_;
  const Bounds bounds_;
  transport::Gate inside_;

  mutable base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::map<OutboundCall*, size_t> open_ ABSL_GUARDED_BY(mu_);
  uint64_t open_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace server::service

#endif  // SERVER_SERVICE_OUTBOUND_CALLS_H_
