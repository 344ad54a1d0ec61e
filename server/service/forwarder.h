// Forwarder passes requests on to the node that leads their partition, so that
// a client may ask any node.
//
// A request travels as the call it is, to the same services on the other node's
// peer port, with its deadline; metadata says who asked (luggage.h). What is
// asked there is never passed on again, so a request makes one hop at most.
//
// Thread-safe.

#ifndef SERVER_SERVICE_FORWARDER_H_
#define SERVER_SERVICE_FORWARDER_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"
#include "partition/executor.h"
#include "server/service/forwarded_request.h"
#include "server/service/forwarded_stream.h"
#include "server/service/outbound_calls.h"
#include "server/service/stream_call.h"
#include "server/service/unary_call.h"
#include "server/transport/routes.h"

namespace server::service {

class Forwarder {
 public:
  // The references must outlive it. Drops routes that lead to nodes which do
  // not lead. REQUIRES, for its end: stopped.
  Forwarder(transport::Routes& routes, base::NodeId self,
            partition::Executor& timer, base::Clock& clock,
            const OutboundCalls::Bounds& bounds);

  // Where that was not known before. Thread-safe.
  void SetSelf(base::NodeId self) { self_.store(self.value()); }

  // The leader's node, if it is known and another one.
  std::optional<transport::Route> Elsewhere(base::PartitionId partition) const;

  // See forwarded_unary.h.
  void Forward(const std::shared_ptr<UnaryCall>& call, ForwardedRequest request,
               const transport::Route& route);

  // Attaches to the leader's node, now or when there is one. If it fails, so
  // again and again.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ForwardStream(
      grpc::CallbackServerContext& context, OpenStreams& streams,
      ForwardedStream::Wanted wanted);

  // Under way.
  size_t calls() const { return calls_.open(); }

  // Cancels what is under way, and waits for it; what comes later is refused.
  // REQUIRES: not on a thread of gRPC.
  void Stop() { calls_.Stop(); }

 private:
  transport::Routes& routes_;
  std::atomic<uint32_t> self_;
  partition::Executor& timer_;
  base::Clock& clock_;
  OutboundCalls calls_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_FORWARDER_H_
