#include "raft/mutants/child.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace raft {
namespace {

// Which seed is run, and what came of it. The last one stands.
struct Progress {
  uint64_t seed = 0;
  bool failed = false;
  char how[300] = {};
};

void Tell(int fd, const Progress& progress) {
  CHECK_EQ(write(fd, &progress, sizeof(progress)),
           static_cast<ssize_t>(sizeof(progress)));
}

[[noreturn]] void Search(int fd, uint64_t seeds,
                         const std::function<std::string(uint64_t seed)>& run) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Progress progress{.seed = seed};
    Tell(fd, progress);
    const std::string how = run(seed);
    if (how.empty()) continue;
    progress.failed = true;
    std::strncpy(progress.how, how.c_str(), sizeof(progress.how) - 1);
    Tell(fd, progress);
    break;
  }
  std::_Exit(0);
}

}  // namespace

Found FindInChild(uint64_t seeds,
                  const std::function<std::string(uint64_t seed)>& run) {
  int fds[2];
  CHECK_EQ(pipe(fds), 0);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    close(fds[0]);
    Search(fds[1], seeds, run);
  }
  close(fds[1]);
  Progress last;
  for (Progress one;
       read(fds[0], &one, sizeof(one)) == static_cast<ssize_t>(sizeof(one));) {
    last = one;
  }
  close(fds[0]);
  int state = 0;
  CHECK_EQ(waitpid(child, &state, 0), child);
  if (last.failed) return {last.seed, last.how};
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
  return {last.seed, "the process ended"};
}

}  // namespace raft
