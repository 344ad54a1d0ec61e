// Faults is what goes wrong with nodes of a cluster, one kind and some victims
// at a time, and how it ends:
//
//   kill     SIGKILL, and a start     cut      from everybody else
//   stop     SIGTERM, and a start     one-way  the same in one direction
//   pause    SIGSTOP and SIGCONT      break    each connection, once
//   disk     somebody else fills it; now and then to the last byte, and the
//            server has to start on that
//
// Used by one thread.

#ifndef TESTS_CHAOS_FAULTS_H_
#define TESTS_CHAOS_FAULTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/chaos/cluster.h"
#include "tests/small_disk.h"

namespace tests {

// By node; others have a disk that nobody fills.
using SmallDisks = std::map<int, std::unique_ptr<SmallDisk>>;

class Faults {
 public:
  // Both outlive it.
  Faults(Cluster& cluster, SmallDisks& disks, uint64_t seed)
      : cluster_(cluster), disks_(disks), random_(seed) {}

  // Begins it and returns what ends it, to be called once; false then: a node
  // did not come back. REQUIRES: all victims are up; of "disk", have small
  // ones.
  std::function<bool()> Begin(const std::string& fault,
                              const std::vector<int>& victims);

 private:
  std::function<bool()> Cut(const std::vector<int>& victims, bool both_ways);
  std::function<bool()> FillDisks(const std::vector<int>& victims);

  Cluster& cluster_;
  SmallDisks& disks_;
  base::Random random_;
};

}  // namespace tests

#endif  // TESTS_CHAOS_FAULTS_H_
