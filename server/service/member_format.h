// The members of a partition as Admin tells of them.

#ifndef SERVER_SERVICE_MEMBER_FORMAT_H_
#define SERVER_SERVICE_MEMBER_FORMAT_H_

#include "multiraft/admin/v1/admin.pb.h"
#include "raft/configuration.h"

namespace server::service {

// By replica.
void AddMembers(
    const raft::Configuration& configuration,
    google::protobuf::RepeatedPtrField<multiraft::admin::v1::Member>& to);

}  // namespace server::service

#endif  // SERVER_SERVICE_MEMBER_FORMAT_H_
