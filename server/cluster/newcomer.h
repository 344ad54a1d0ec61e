// Newcomer is what becomes of a replica that is not here and that somebody
// speaks to as its leader: an added member is made that way.
//
// What a peer says is not enough to do harm: a partition that the cluster does
// not have is never made, and a replica that is here goes only at the word of
// one that it knows as a member, or that it has asked itself whether it was
// removed (raft::Removed).

#ifndef SERVER_CLUSTER_NEWCOMER_H_
#define SERVER_CLUSTER_NEWCOMER_H_

#include <cstdint>

#include "server/transport/grpc_transport.h"
#include "server/transport/routes.h"

namespace server::cluster {

enum class Newcomer : uint8_t {
  kIgnored,
  kMade,  // In the place of a lower one that is here (partition::Host::Create).
  kAsked,  // The one that is here asks who speaks, whom routes name as leader.
};

// `is_here`: another replica of the partition is.
Newcomer JudgeNewcomer(const transport::UnknownReplica& replica, bool is_here,
                       const transport::Routes& routes);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_NEWCOMER_H_
