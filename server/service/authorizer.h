// Authorizer decides who may do what. Every request passes it, with its
// operation decoded, before it reaches a partition (see gateway.h).

#ifndef SERVER_SERVICE_AUTHORIZER_H_
#define SERVER_SERVICE_AUTHORIZER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "session/types.h"

namespace server::service {

// Who sent a request.
struct Caller {
  std::string principal;      // Empty: not authenticated.
  std::string peer;           // As gRPC names it: "ipv4:127.0.0.1:40312".
  std::string request_id;     // Metadata x-request-id.
  std::string trace_context;  // Metadata traceparent.
};

// What it asks for. Views live as long as the call to Check.
struct DecodedOperation {
  absl::string_view service;  // "atomix.multiraft.map.v1.Map"
  absl::string_view rpc;      // "Put"
  bool writes = false;        // It goes through the log.
  base::PartitionId partition;
  // It is done in `session`, which is not 0. Not so OpenSession and Watch.
  bool in_session = false;
  session::SessionId session;
  session::PrimitiveId primitive;  // 0 unless it is about one.
  // CreatePrimitive only: what it opens.
  absl::string_view primitive_namespace;
  absl::string_view primitive_name;
  absl::string_view input;  // The public <Rpc>Input message.
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;

  // OK, PermissionDenied or Unauthenticated. Thread-safe; must not block.
  virtual absl::Status Check(const Caller& caller,
                             const DecodedOperation& operation) = 0;
};

// Used until access control is configured.
class AllowAll : public Authorizer {
 public:
  absl::Status Check(const Caller&, const DecodedOperation&) override {
    return absl::OkStatus();
  }
};

}  // namespace server::service

#endif  // SERVER_SERVICE_AUTHORIZER_H_
