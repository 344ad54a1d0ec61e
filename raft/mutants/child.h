// Runs a search in a child process, since the bug it looks for may end the
// process.

#ifndef RAFT_MUTANTS_CHILD_H_
#define RAFT_MUTANTS_CHILD_H_

#include <cstdint>
#include <functional>
#include <string>

namespace raft {

struct Found {
  uint64_t seed = 0;  // 0: no seed found it.
  std::string how;
};

// Calls `run` with seeds from 1 on, in a child, until it says what is wrong or
// ends the process, which is as good. REQUIRES: one thread.
Found FindInChild(uint64_t seeds,
                  const std::function<std::string(uint64_t seed)>& run);

}  // namespace raft

#endif  // RAFT_MUTANTS_CHILD_H_
