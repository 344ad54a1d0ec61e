// Scenario is what one seed means: how large everything is, how slow, and how
// often what goes wrong.

#ifndef SIM_SCENARIO_H_
#define SIM_SCENARIO_H_

#include <cstdint>
#include <string>

#include "partition/partition.h"
#include "sim/disk.h"
#include "sim/link.h"
#include "sim/network.h"
#include "sim/workload.h"

namespace sim {

struct Scenario {
  uint64_t nodes = 1;
  uint64_t partitions = 1;
  uint64_t workers = 2;  // Of each partition.
  uint64_t sleepers = 1;
  uint64_t lock_users = 0;
  uint64_t maps = 1;
  uint64_t executors = 1;
  uint64_t session_timeout_ns = 3 * kSeconds;
  uint64_t give_up_one_in = 0;

  // Faults for so long, then the judgement of convergence.
  uint64_t faulty_ns = 8 * kSeconds;
  // Something goes wrong about so often. 0: never.
  uint64_t fault_ns_mean = 1 * kSeconds;
  uint64_t down_ns_max = 1 * kSeconds;
  uint64_t pause_ns_max = 2 * kSeconds;
  uint64_t cut_ns_max = 2 * kSeconds;
  bool disk_errors = false;
  // Somebody wants other members about so often. 0: never.
  uint64_t member_change_ns_mean = 0;

  uint64_t task_delay_ns_max = 20 * kMicros;
  partition::Options partition;
  DiskOptions disk;
  NetworkOptions network;
  LinkOptions link;
  Workload::Options workload;

  // The bounds of the rate of each node's clock.
  static constexpr uint64_t kRatePpmMin = 900'000;
  static constexpr uint64_t kRatePpmMax = 1'100'000;

  static Scenario Draw(uint64_t seed);
};

}  // namespace sim

#endif  // SIM_SCENARIO_H_
