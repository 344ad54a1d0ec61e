// How what nodes say of themselves (Admin.Status) is told on.

#ifndef CLI_STATUS_FORMAT_H_
#define CLI_STATUS_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace cli {

// "pre_candidate".
std::string RoleName(multiraft::admin::v1::Role role);

// "2", or "none".
std::string LeaderName(const multiraft::admin::v1::PartitionStatus& partition);

Json ToJson(const multiraft::admin::v1::Member& member);
Json ToJson(const multiraft::admin::v1::PartitionStatus& partition);
Json ToJson(const multiraft::admin::v1::TransportStatus& transport);
Json ToJson(const multiraft::admin::v1::StatusResponse& status);

}  // namespace cli

#endif  // CLI_STATUS_FORMAT_H_
