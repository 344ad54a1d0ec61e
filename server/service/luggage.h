// Luggage is what goes along with a forwarded request: its deadline and, as
// metadata, who asked.

#ifndef SERVER_SERVICE_LUGGAGE_H_
#define SERVER_SERVICE_LUGGAGE_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace server::service {

// Metadata of a forwarded request: the caller, as gRPC named it where it came
// in. Believed on the peer port only.
inline constexpr char kCallerPeer[] = "multiraft-caller-peer";
inline constexpr char kRequestId[] = "x-request-id";
inline constexpr char kTraceParent[] = "traceparent";

struct Luggage {
  std::chrono::system_clock::time_point deadline;
  std::vector<std::pair<std::string, std::string>> metadata;

  // Taken from how the request came in.
  explicit Luggage(const grpc::CallbackServerContext& context);

  void PutInto(grpc::ClientContext& context) const;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_LUGGAGE_H_
