// PrimitiveService is the gRPC service of one primitive type, made from its
// registry entry: every primitive's RPCs take this one path.

#ifndef SERVER_SERVICE_PRIMITIVE_SERVICE_H_
#define SERVER_SERVICE_PRIMITIVE_SERVICE_H_

#include <memory>

#include "server/service/envelope.h"
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

  // Reads the request, and takes it to its partition here, with an input that
  // does, if it has one. Null: the call is taken care of. `bytes` outlive
  // `request`.
  std::shared_ptr<partition::Partition> Route(
      const session::Operation& operation, HeaderKind kind,
      const std::shared_ptr<UnaryCall>& call, absl::string_view bytes,
      Request& request);
  Gateway::StreamRoute RouteStream(const session::Operation& operation,
                                   HeaderKind kind,
                                   grpc::CallbackServerContext& context,
                                   absl::string_view bytes, Request& request);

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
