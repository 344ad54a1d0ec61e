#include "server/service/member_format.h"

#include <algorithm>
#include <vector>

namespace server::service {
namespace {

namespace admin = ::multiraft::admin::v1;

admin::Vote VoteOf(const raft::Configuration& configuration,
                   raft::ReplicaId replica) {
  const auto has = [replica](const std::vector<raft::ReplicaId>& voters) {
    return std::count(voters.begin(), voters.end(), replica) != 0;
  };
  const bool incoming = has(configuration.voters);
  if (!configuration.is_joint()) {
    return incoming ? admin::VOTE_FULL : admin::VOTE_NONE;
  }
  const bool outgoing = has(configuration.voters_outgoing);
  if (incoming && outgoing) return admin::VOTE_FULL;
  if (incoming) return admin::VOTE_INCOMING;
  return outgoing ? admin::VOTE_OUTGOING : admin::VOTE_NONE;
}

}  // namespace

void AddMembers(const raft::Configuration& configuration,
                google::protobuf::RepeatedPtrField<admin::Member>& to) {
  for (const raft::Member& member : configuration.members) {
    admin::Member& one = *to.Add();
    one.set_replica_id(member.replica.value());
    one.mutable_node()->set_node_id(member.node.value());
    one.mutable_node()->set_peer_address(member.peer_address);
    one.mutable_node()->set_api_address(member.api_address);
    one.set_vote(VoteOf(configuration, member.replica));
    one.set_priority(member.priority);
    one.set_incarnation(member.incarnation);
  }
}

}  // namespace server::service
