// PrimitiveService is the gRPC service of one primitive type in one generation
// of the API, made from its registry entry: every primitive's RPCs take this
// one path.

#ifndef SERVER_SERVICE_PRIMITIVE_SERVICE_H_
#define SERVER_SERVICE_PRIMITIVE_SERVICE_H_

#include <memory>

#include "server/service/envelope.h"
#include "server/service/error.h"
#include "server/service/gateway.h"
#include "server/service/raw_service.h"
#include "session/registry.h"
#include "session/types.h"

namespace server::service {

class PrimitiveService : public RawService {
 public:
  // The references must outlive it. REQUIRES: `type` has a service there.
  PrimitiveService(const session::PrimitiveType& type,
                   session::Generation generation, Gateway& gateway);

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

  // What the log and a query say of it.
  DecodedOperation OperationOf(const session::Operation& operation,
                               HeaderKind kind, const Request& request) const;
  partition::CommandRequest CommandOf(
      partition::CommandRequest::Kind kind, const Request& request,
      const session::Operation& operation) const;
  partition::QueryRequest QueryOf(const Request& request,
                                  const session::Operation* operation) const;

  const session::PrimitiveType& type_;
  const session::Generation generation_;
  const ErrorProfile profile_;
  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PRIMITIVE_SERVICE_H_
