// How a node catches up that lacks much, while the connections to it break:
// with the log that it missed, or as a new member, with the image.
//
// Used by one thread; what writes meanwhile has threads of its own.

#ifndef TESTS_CHAOS_CATCH_UP_H_
#define TESTS_CHAOS_CATCH_UP_H_

#include <cstdint>
#include <functional>

#include "tests/chaos/cluster.h"

namespace tests {

struct CatchUpOptions {
  uint64_t bytes = 1 << 30;  // That the node lacks.
  int breaks = 5;            // Of all connections to it, evenly on the way.
  int writers = 8;
};

class CatchUp {
 public:
  // The cluster outlives it, and has one partition and all nodes up.
  CatchUp(Cluster& cluster, const CatchUpOptions& options)
      : cluster_(cluster), options_(options) {}

  // A node is away while others write so much, and comes back. False: it does
  // not catch up, or more than a twentieth had to be sent again.
  bool FromLog();

  // A joiner becomes a member of a partition that holds so much, while each row
  // is written again and again. False: as above, or a write failed. What is
  // written meanwhile is sent, too, and may be sent once more.
  bool FromImage();

 private:
  // Breaks the connections to `node` while it gets the bytes, until `is_over`.
  // Returns how often.
  int BreakUntil(int node, const std::function<bool()>& is_over);

  Cluster& cluster_;
  const CatchUpOptions options_;
};

}  // namespace tests

#endif  // TESTS_CHAOS_CATCH_UP_H_
