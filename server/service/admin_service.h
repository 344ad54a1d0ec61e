// AdminService answers operators: multiraft.admin.v1.Admin.

#ifndef SERVER_SERVICE_ADMIN_SERVICE_H_
#define SERVER_SERVICE_ADMIN_SERVICE_H_

#include <functional>
#include <memory>

#include "base/ids.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "server/service/gateway.h"
#include "server/service/member_handler.h"
#include "server/service/raw_service.h"

namespace server::service {

class AdminService : public RawService {
 public:
  // What it cannot know by itself. Called on any thread; must not block.
  struct Node {
    // Fills what is not about partitions.
    std::function<void(multiraft::admin::v1::StatusResponse&)> describe;
    AskNode ask;
    // An operator wants a partition to be led here, as it is now.
    std::function<void(base::PartitionId)> keep_leading;
  };

  // `gateway` must outlive it.
  AdminService(Node node, Gateway& gateway);

 private:
  void Status(const std::shared_ptr<UnaryCall>& call,
              absl::string_view request);
  void ResumePartition(const std::shared_ptr<UnaryCall>& call,
                       absl::string_view request);
  void TransferLeader(const std::shared_ptr<UnaryCall>& call,
                      absl::string_view request);
  void ListSessions(const std::shared_ptr<UnaryCall>& call,
                    absl::string_view request);

  const Node node_;
  Gateway& gateway_;
  MemberHandler members_;
};

}  // namespace server::service

#endif  // SERVER_SERVICE_ADMIN_SERVICE_H_
