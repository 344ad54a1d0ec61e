#include "server/service/forwarder.h"

#include <utility>

#include "server/service/forwarded_unary.h"

namespace server::service {

Forwarder::Forwarder(transport::Routes& routes, base::NodeId self,
                     partition::Executor& timer, base::Clock& clock,
                     const OutboundCalls::Bounds& bounds)
    : routes_(routes),
      self_(self.value()),
      timer_(timer),
      clock_(clock),
      calls_(routes, bounds) {}

std::optional<transport::Route> Forwarder::Elsewhere(
    base::PartitionId partition) const {
  std::optional<transport::Route> route = routes_.Find(partition);
  if (route.has_value() && route->node.value() == self_.load())
    return std::nullopt;
  return route;
}

void Forwarder::Forward(const std::shared_ptr<UnaryCall>& call,
                        ForwardedRequest request,
                        const transport::Route& route) {
  ForwardUnary(calls_, call, std::move(request), route);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Forwarder::ForwardStream(
    grpc::CallbackServerContext& context, OpenStreams& streams,
    ForwardedStream::Wanted wanted) {
  auto stream = StreamCall::Start<ForwardedStream>(
      context, streams,
      Outbound{
          .routes = routes_, .calls = calls_, .timer = timer_, .clock = clock_},
      std::move(wanted));
  stream->Attach();
  return stream.get();
}

}  // namespace server::service
