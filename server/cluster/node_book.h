// NodeBook is the nodes of the cluster that are up, as far as this one knows:
// those it was born with, those that joined later, with a partition or without.
//
// Each says of itself where it is, again and again, and what one hears it tells
// the others with its age; who was not heard from for a minute is erased,
// whether it is down or has left. Where a member is that is down, the
// configurations of its partitions say, as replicas and the transport have
// them; who is in none is gone for good. So the book needs no home on disk.
// What a node says of itself that nobody could use is not taken, nor more nodes
// than a cluster ever has.
//
// Thread-safe.

#ifndef SERVER_CLUSTER_NODE_BOOK_H_
#define SERVER_CLUSTER_NODE_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"

namespace server::cluster {

struct KnownNode {
  base::NodeId node;
  uint64_t incarnation = 0;
  std::string peer_address;
  std::string api_address;

  bool operator==(const KnownNode&) const = default;
};

// Its number, its directory and its place are there.
bool IsComplete(const KnownNode& node);

class NodeBook {
 public:
  static constexpr uint64_t kForgetNs = 60'000'000'000;
  static constexpr size_t kNodesMax = 1000;

  // `on_change` is called, without a lock, when somebody was learned of or
  // has moved.
  NodeBook(KnownNode self, base::Clock& clock, std::function<void()> on_change);

  const KnownNode& self() const { return self_; }

  // `node` was heard from so long ago, by this node or by who tells. Of two
  // with one number the one that was heard from last counts. Nothing is done if
  // it is not complete, or new and one too many.
  void Learn(const KnownNode& node, uint64_t ago_ns) ABSL_LOCKS_EXCLUDED(mu_);

  struct Heard {
    KnownNode node;
    uint64_t ago_ns = 0;
  };
  // Itself first, then the others by node.
  std::vector<Heard> All() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    KnownNode node;
    int64_t heard_ns = 0;
  };

  void EraseSilent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const KnownNode self_;
  base::Clock& clock_;
  const std::function<void()> on_change_;

  base::Mutex mu_;
  std::map<base::NodeId, Entry> nodes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_NODE_BOOK_H_
