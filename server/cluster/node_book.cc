#include "server/cluster/node_book.h"

#include <algorithm>
#include <utility>

namespace server::cluster {

NodeBook::NodeBook(KnownNode self, base::Clock& clock,
                   std::function<void()> on_change)
    : self_(std::move(self)), clock_(clock), on_change_(std::move(on_change)) {}

void NodeBook::Learn(const KnownNode& node, uint64_t ago_ns) {
  // Nobody else speaks for this node, whatever others may have heard.
  if (node.node == self_.node || ago_ns >= kForgetNs) return;
  const int64_t heard_ns =
      clock_.MonotonicNanos() - static_cast<int64_t>(ago_ns);
  {
    base::MutexLock lock(mu_);
    const auto [found, is_new] = nodes_.try_emplace(node.node);
    Entry& entry = found->second;
    if (!is_new && entry.heard_ns >= heard_ns) return;
    entry.heard_ns = heard_ns;
    if (!is_new && entry.node == node) return;
    entry.node = node;
  }
  on_change_();
}

std::vector<NodeBook::Heard> NodeBook::All() const {
  const int64_t now_ns = clock_.MonotonicNanos();
  std::vector<Heard> all = {{.node = self_}};
  base::MutexLock lock(mu_);
  for (const auto& [number, entry] : nodes_) {
    const auto ago_ns =
        static_cast<uint64_t>(std::max<int64_t>(0, now_ns - entry.heard_ns));
    if (ago_ns < kForgetNs) all.push_back({entry.node, ago_ns});
  }
  return all;
}

}  // namespace server::cluster
