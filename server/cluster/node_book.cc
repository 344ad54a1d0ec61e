#include "server/cluster/node_book.h"

#include <algorithm>
#include <utility>

namespace server::cluster {

bool IsComplete(const KnownNode& node) {
  return node.node != base::NodeId{} && node.incarnation != 0 &&
         !node.peer_address.empty();
}

NodeBook::NodeBook(KnownNode self, base::Clock& clock,
                   std::function<void()> on_change)
    : self_(std::move(self)), clock_(clock), on_change_(std::move(on_change)) {}

void NodeBook::Learn(const KnownNode& node, uint64_t ago_ns) {
  // Nobody else speaks for this node, whatever others may have heard.
  if (node.node == self_.node || ago_ns >= kForgetNs) return;
  if (!IsComplete(node)) return;
  const int64_t heard_ns =
      clock_.MonotonicNanos() - static_cast<int64_t>(ago_ns);
  {
    base::MutexLock lock(mu_);
    EraseSilent();
    if (nodes_.size() >= kNodesMax && !nodes_.contains(node.node)) return;
    const auto [found, is_new] = nodes_.try_emplace(node.node);
    Entry& entry = found->second;
    if (!is_new && entry.heard_ns >= heard_ns) return;
    entry.heard_ns = heard_ns;
    if (!is_new && entry.node == node) return;
    entry.node = node;
  }
  on_change_();
}

void NodeBook::EraseSilent() {
  const int64_t now_ns = clock_.MonotonicNanos();
  std::erase_if(nodes_, [&](const auto& one) {
    return now_ns - one.second.heard_ns >= static_cast<int64_t>(kForgetNs);
  });
}

std::vector<NodeBook::Heard> NodeBook::All() {
  std::vector<Heard> all = {{.node = self_}};
  base::MutexLock lock(mu_);
  EraseSilent();
  const int64_t now_ns = clock_.MonotonicNanos();
  for (const auto& [number, entry] : nodes_) {
    all.push_back({entry.node, static_cast<uint64_t>(std::max<int64_t>(
                                   0, now_ns - entry.heard_ns))});
  }
  return all;
}

}  // namespace server::cluster
