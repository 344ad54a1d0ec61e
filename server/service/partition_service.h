// PartitionService opens, keeps and closes sessions and, in the first
// generation of the API, tells who leads.

#ifndef SERVER_SERVICE_PARTITION_SERVICE_H_
#define SERVER_SERVICE_PARTITION_SERVICE_H_

#include <memory>

#include "server/service/gateway.h"
#include "server/service/raw_service.h"
#include "session/types.h"

namespace server::service {

class PartitionService : public RawService {
 public:
  // `gateway` must outlive it.
  PartitionService(session::Generation generation, Gateway& gateway);

 private:
  void OpenSession(const std::shared_ptr<UnaryCall>& call,
                   absl::string_view request);
  void KeepAlive(const std::shared_ptr<UnaryCall>& call,
                 absl::string_view request);
  void CloseSession(const std::shared_ptr<UnaryCall>& call,
                    absl::string_view request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(
      grpc::CallbackServerContext& context, absl::string_view request);

  // What a request {headers, input} asks for.
  template <class Message>
  DecodedOperation Write(absl::string_view rpc, const Message& request) const;
  template <class Message>
  DecodedOperation WriteInSession(absl::string_view rpc,
                                  const Message& request) const;

  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PARTITION_SERVICE_H_
