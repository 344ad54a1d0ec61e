// Whether the replicas of a cluster have come to the same state.

#ifndef TESTS_CHAOS_SAME_STATE_H_
#define TESTS_CHAOS_SAME_STATE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tests {

// Waits until all `servers` have every partition in the same state: by the
// digests of one checkpoint, behind all that was committed when this was
// called. Returns "", or how they differed last. REQUIRES: each server has a
// replica of all partitions, and something was written since the checkpoint
// before.
std::string AwaitSameState(const std::vector<std::string>& servers,
                           uint32_t partitions, int64_t patience_ns);

}  // namespace tests

#endif  // TESTS_CHAOS_SAME_STATE_H_
