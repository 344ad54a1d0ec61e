// How long partitions take no writes when their leader goes: killed with its
// node, or as planned.
//
// Used by one thread.

#ifndef TESTS_CHAOS_HANDOVER_H_
#define TESTS_CHAOS_HANDOVER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"

namespace tests {

class Handover {
 public:
  // Both outlive it; all nodes are up and have all partitions.
  Handover(Cluster& cluster, Load& load, uint64_t seed)
      : cluster_(cluster), load_(load), random_(seed) {}

  // Kills a node that leads, so many times, and starts it again. Measured from
  // the SIGKILL until a write that was sent behind it is acknowledged, for each
  // partition that the node led. False: a promise was broken.
  bool Kills(int times);

  // Has another node lead a partition, so many times. Measured from the request
  // until a write that was sent behind its answer is acknowledged.
  bool Transfers(int times);

 private:
  // Partitions by the node that leads them; empty: not each has one leader and
  // all its replicas up to date.
  std::map<int, std::vector<uint32_t>> Leaders();
  // Waits until there are leaders.
  std::map<int, std::vector<uint32_t>> AwaitLeaders();
  void Print(const char* what, int times, const std::vector<int64_t>& took);

  Cluster& cluster_;
  Load& load_;
  base::Random random_;
};

}  // namespace tests

#endif  // TESTS_CHAOS_HANDOVER_H_
