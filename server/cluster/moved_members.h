// MovedMember finds who has moved: a member of a partition that says of itself
// that others reach it elsewhere than its configuration tells. Its leader then
// corrects the configuration, so that it is right again after a restart too.

#ifndef SERVER_CLUSTER_MOVED_MEMBERS_H_
#define SERVER_CLUSTER_MOVED_MEMBERS_H_

#include <optional>
#include <vector>

#include "partition/membership.h"
#include "raft/configuration.h"
#include "server/cluster/node_book.h"

namespace server::cluster {

// The update of the first member whose addresses are not those that the same
// node, with the same data directory, has in `known`.
std::optional<partition::MemberChange> MovedMember(
    const raft::Configuration& configuration,
    const std::vector<NodeBook::Heard>& known);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_MOVED_MEMBERS_H_
