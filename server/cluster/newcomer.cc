#include "server/cluster/newcomer.h"

#include <optional>

namespace server::cluster {

Newcomer JudgeNewcomer(const transport::UnknownReplica& replica, bool is_here,
                       const transport::Routes& routes) {
  if (!replica.from_leader || !routes.MayHave(replica.partition)) {
    return Newcomer::kIgnored;
  }
  if (!is_here || replica.from_member) return Newcomer::kMade;
  const std::optional<transport::Route> route = routes.Find(replica.partition);
  return route.has_value() && route->leader == replica.from &&
                 route->node == replica.sender.node
             ? Newcomer::kAsked
             : Newcomer::kIgnored;
}

}  // namespace server::cluster
