// AdminService answers operators: multiraft.admin.v1.Admin.

#ifndef SERVER_SERVICE_ADMIN_SERVICE_H_
#define SERVER_SERVICE_ADMIN_SERVICE_H_

#include <functional>
#include <memory>

#include "multiraft/admin/v1/admin.pb.h"
#include "server/service/gateway.h"
#include "server/service/raw_service.h"

namespace server::service {

class AdminService : public RawService {
 public:
  // Fills what is not about partitions; called on any thread.
  using DescribeNode =
      std::function<void(multiraft::admin::v1::StatusResponse&)>;

  // `gateway` must outlive it.
  AdminService(DescribeNode describe_node, Gateway& gateway);

 private:
  void Status(const std::shared_ptr<UnaryCall>& call,
              absl::string_view request);
  void TransferLeader(const std::shared_ptr<UnaryCall>& call,
                      absl::string_view request);

  const DescribeNode describe_node_;
  Gateway& gateway_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_ADMIN_SERVICE_H_
