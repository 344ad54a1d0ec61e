#include "server/cluster/moved_members.h"

namespace server::cluster {

std::optional<partition::MemberChange> MovedMember(
    const raft::Configuration& configuration,
    const std::vector<NodeBook::Heard>& known) {
  for (const raft::Member& member : configuration.members) {
    for (const auto& [node, ago_ns] : known) {
      if (node.node != member.node || node.incarnation != member.incarnation) {
        continue;
      }
      raft::Member moved = member;
      if (!node.peer_address.empty()) moved.peer_address = node.peer_address;
      if (!node.api_address.empty()) moved.api_address = node.api_address;
      if (moved == member) continue;
      return partition::MemberChange{
          .kind = partition::MemberChange::Kind::kUpdate,
          .node = member.node,
          .member = moved};
    }
  }
  return std::nullopt;
}

}  // namespace server::cluster
