// A unary call whose answer comes from another node.

#ifndef SERVER_SERVICE_FORWARDED_UNARY_H_
#define SERVER_SERVICE_FORWARDED_UNARY_H_

#include <memory>

#include "server/service/forwarded_request.h"
#include "server/service/outbound_calls.h"
#include "server/service/unary_call.h"
#include "server/transport/routes.h"

namespace server::service {

// Asks `route.node`, and answers `call` with what it says. A client that
// cancels, or leaves, cancels the call there too: what waits in the log goes
// on, what the call holds on both nodes is let go. `calls` must outlive it.
// REQUIRES: in the handler of `call`.
void ForwardUnary(OutboundCalls& calls, const std::shared_ptr<UnaryCall>& call,
                  ForwardedRequest request, const transport::Route& route);

}  // namespace server::service

#endif  // SERVER_SERVICE_FORWARDED_UNARY_H_
