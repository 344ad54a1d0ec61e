// SessionService opens and closes the primitives that a session uses.

#ifndef SERVER_SERVICE_SESSION_SERVICE_H_
#define SERVER_SERVICE_SESSION_SERVICE_H_

#include <memory>

#include "server/service/gateway.h"
#include "server/service/raw_service.h"
#include "session/registry.h"
#include "session/types.h"

namespace server::service {

class SessionService : public RawService {
 public:
  // The references must outlive it.
  SessionService(session::Generation generation,
                 const session::Registry& registry, Gateway& gateway);

 private:
  void CreatePrimitive(const std::shared_ptr<UnaryCall>& call,
                       absl::string_view request);
  void ClosePrimitive(const std::shared_ptr<UnaryCall>& call,
                      absl::string_view request);

  const session::Generation generation_;
  const session::Registry& registry_;
  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_SESSION_SERVICE_H_
