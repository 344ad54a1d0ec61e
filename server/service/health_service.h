// HealthService is the standard grpc.health.v1.Health: for the server as a
// whole (""), for each service by its name (all partitions serve), and for
// each partition as "partition/<id>".

#ifndef SERVER_SERVICE_HEALTH_SERVICE_H_
#define SERVER_SERVICE_HEALTH_SERVICE_H_

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "server/service/gateway.h"
#include "server/service/health_watches.h"
#include "server/service/raw_service.h"

namespace server::service {

class HealthService : public RawService {
 public:
  // `gateway` must outlive it. `services` are the names the server has.
  HealthService(std::set<std::string> services, Gateway& gateway);

  // Whether `service` serves; nullopt: there is none.
  std::optional<bool> Serving(const std::string& service) const;

 private:
  void Check(const std::shared_ptr<UnaryCall>& call, absl::string_view request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(
      grpc::CallbackServerContext& context, absl::string_view request);

  const std::set<std::string> services_;
  Gateway& gateway_;
  const std::shared_ptr<HealthWatches> watches_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_HEALTH_SERVICE_H_
