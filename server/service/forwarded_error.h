// How a failed forwarded call is told to its client.

#ifndef SERVER_SERVICE_FORWARDED_ERROR_H_
#define SERVER_SERVICE_FORWARDED_ERROR_H_

#include <grpcpp/support/status.h>
#include <grpcpp/support/string_ref.h>

#include <map>

#include "server/service/error.h"
#include "server/transport/routes.h"

namespace server::service {

// What the leader's node said is passed on. Without our metadata it was gRPC
// that failed the call: that is Unavailable, its outcome unknown unless the
// request was never sent. But what gRPC there refuses, it would refuse again
// (ResourceExhausted: too large; Unimplemented: no such method in its version).
Error ForwardedError(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailers,
    const transport::Route& route);

}  // namespace server::service

#endif  // SERVER_SERVICE_FORWARDED_ERROR_H_
