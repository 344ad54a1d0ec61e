// PrimitiveService is the gRPC service of one primitive type, made from its
// registry entry: every primitive's RPCs take this one path.

#ifndef SERVER_SERVICE_PRIMITIVE_SERVICE_H_
#define SERVER_SERVICE_PRIMITIVE_SERVICE_H_

#include <memory>

#include "server/service/gateway.h"
#include "server/service/raw_service.h"
#include "session/registry.h"

namespace server::service {

class PrimitiveService : public RawService {
 public:
  // Both must outlive it.
  PrimitiveService(const session::PrimitiveType& type, Gateway& gateway);

 private:
  using StreamReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

  void Command(const session::Operation& operation,
               const std::shared_ptr<UnaryCall>& call,
               absl::string_view request);
  void Query(const session::Operation& operation,
             const std::shared_ptr<UnaryCall>& call, absl::string_view request);
  StreamReactor* CommandStream(const session::Operation& operation,
                               grpc::CallbackServerContext& context,
                               absl::string_view request);
  StreamReactor* QueryStream(const session::Operation& operation,
                             grpc::CallbackServerContext& context,
                             absl::string_view request);

  const session::PrimitiveType& type_;
  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PRIMITIVE_SERVICE_H_
