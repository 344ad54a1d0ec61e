// SessionService opens and closes the primitives that a session uses.

#ifndef SERVER_SERVICE_SESSION_SERVICE_H_
#define SERVER_SERVICE_SESSION_SERVICE_H_

#include <memory>

#include "server/service/gateway.h"
#include "server/service/raw_service.h"

namespace server::service {

class SessionService : public RawService {
 public:
  // `gateway` must outlive it.
  explicit SessionService(Gateway& gateway);

 private:
  void CreatePrimitive(const std::shared_ptr<UnaryCall>& call,
                       absl::string_view request);
  void ClosePrimitive(const std::shared_ptr<UnaryCall>& call,
                      absl::string_view request);

  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_SESSION_SERVICE_H_
