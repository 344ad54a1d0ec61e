#include "server/transport/routes.h"

#include <utility>

namespace server::transport {
namespace {

namespace v1 = ::multiraft::peer::v1;

void Fill(const Route& route, v1::Route& out) {
  out.set_partition(route.partition.value());
  out.set_term(route.term.value());
  out.set_leader(route.leader.value());
  out.set_node(route.node.value());
  out.set_peer_address(route.peer_address);
  out.set_api_address(route.api_address);
}

}  // namespace

void Routes::SetPartitions(uint32_t count) {
  base::MutexLock lock(mu_);
  partitions_ = count;
}

void Routes::SetUnnumbered(size_t routes_max) {
  base::MutexLock lock(mu_);
  unnumbered_max_ = routes_max;
}

void Routes::Learn(Route route) {
  base::MutexLock lock(mu_);
  LearnLocked(std::move(route));
}

void Routes::LearnLocked(Route route) {
  Route& known = routes_[route.partition];
  if (route.term >= known.term) known = std::move(route);
}

bool Routes::IsPossibleLocked(base::PartitionId partition) const {
  if (partition == base::PartitionId{}) return false;
  if (unnumbered_max_ == 0) return partition.value() <= partitions_;
  return routes_.size() < unnumbered_max_ || routes_.contains(partition);
}

void Routes::Learn(const v1::Frame& frame, base::NodeId teller) {
  base::MutexLock lock(mu_);
  for (const v1::Route& route : frame.routes()) {
    if (route.leader() == 0 || route.peer_address().empty()) continue;
    if (route.node() != teller.value()) continue;
    if (!IsPossibleLocked(base::PartitionId(route.partition()))) continue;
    LearnLocked({.partition = base::PartitionId(route.partition()),
                 .term = raft::Term(route.term()),
                 .leader = raft::ReplicaId(route.leader()),
                 .node = base::NodeId(route.node()),
                 .peer_address = route.peer_address(),
                 .api_address = route.api_address()});
  }
}

void Routes::Drop(const Route& route) {
  base::MutexLock lock(mu_);
  const auto found = routes_.find(route.partition);
  if (found != routes_.end() && found->second == route) routes_.erase(found);
}

void Routes::Forget(base::PartitionId partition, raft::Term term) {
  base::MutexLock lock(mu_);
  const auto found = routes_.find(partition);
  if (found == routes_.end() || found->second.term > term) return;
  routes_.erase(found);
}

std::optional<Route> Routes::Find(base::PartitionId partition) const {
  base::MutexLock lock(mu_);
  const auto found = routes_.find(partition);
  if (found == routes_.end()) return std::nullopt;
  return found->second;
}

bool Routes::MayHave(base::PartitionId partition) const {
  base::MutexLock lock(mu_);
  return IsPossibleLocked(partition);
}

base::PartitionId Routes::Highest() const {
  base::MutexLock lock(mu_);
  return routes_.empty() ? base::PartitionId{} : routes_.rbegin()->first;
}

std::string Routes::FrameOf(base::NodeId node) const {
  v1::Frame frame;
  base::MutexLock lock(mu_);
  for (const auto& [partition, route] : routes_) {
    if (route.node == node) Fill(route, *frame.add_routes());
  }
  return frame.SerializeAsString();
}

std::string Routes::FrameOf(const Route& route) {
  v1::Frame frame;
  Fill(route, *frame.add_routes());
  return frame.SerializeAsString();
}

}  // namespace server::transport
