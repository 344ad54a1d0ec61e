// World is one run: a cluster of nodes with its partitions and their clients,
// things going wrong for a while, and two judgements. While they go wrong,
// nothing that was promised may be broken; when they end, everything pending is
// answered, live sessions go on, dead ones expire, all replicas get the same,
// and a fresh client can work.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_WORLD_H_
#define SIM_WORLD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "partition/transport.h"
#include "session/registry.h"
#include "sim/link.h"
#include "storage/log_store.h"

namespace sim {

// Test of the oracles: a defect that the run must find.
struct Defect {
  std::function<std::unique_ptr<storage::LogStore>(storage::LogStore&,
                                                   uint64_t seed)>
      wrap_store;
  std::function<std::unique_ptr<partition::Transport>(partition::Transport&,
                                                      uint64_t seed)>
      wrap_transport;
  LinkFaults link;
  const session::Registry* registry = nullptr;  // Instead of the built-in one.
  uint64_t clock_rate_ppm = 0;                  // 0: drawn for each node.
  bool forgets_tombstones = false;              // Of all disks.
};

struct RunResult {
  std::vector<std::string> failures;  // Empty: the seed passed.
  uint64_t trace_hash = 0;

  // What the run was like.
  uint64_t events = 0;
  uint64_t calls = 0;
  uint64_t entries = 0;  // Chosen.
  uint64_t terms = 0;    // That had a leader with followers.
  uint64_t images = 0;
  uint64_t trims = 0;  // Of a log, behind an image.
  uint64_t installs = 0;
  uint64_t crashes = 0;
  uint64_t audits = 0;
  uint64_t changes = 0;  // Events of maps that were compared.
  uint64_t sessions_lost = 0;
  uint64_t reshaped = 0;  // Changes of members that came to their end.
  uint64_t created = 0;   // Replicas, while their node runs.
  uint64_t dropped = 0;
};

// Runs one seed. The same seed gives the same result, the trace included.
RunResult RunSeed(uint64_t seed, const Defect& defect, bool verbose);
inline RunResult RunSeed(uint64_t seed) { return RunSeed(seed, {}, false); }

}  // namespace sim

#endif  // SIM_WORLD_H_
