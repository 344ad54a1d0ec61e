// PartitionService opens, keeps and closes sessions, and tells who leads.

#ifndef SERVER_SERVICE_PARTITION_SERVICE_H_
#define SERVER_SERVICE_PARTITION_SERVICE_H_

#include <memory>

#include "server/service/gateway.h"
#include "server/service/raw_service.h"

namespace server::service {

class PartitionService : public RawService {
 public:
  // `gateway` must outlive it.
  explicit PartitionService(Gateway& gateway);

 private:
  void OpenSession(const std::shared_ptr<UnaryCall>& call,
                   absl::string_view request);
  void KeepAlive(const std::shared_ptr<UnaryCall>& call,
                 absl::string_view request);
  void CloseSession(const std::shared_ptr<UnaryCall>& call,
                    absl::string_view request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(
      grpc::CallbackServerContext& context, absl::string_view request);

  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_PARTITION_SERVICE_H_
