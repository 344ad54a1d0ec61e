// Subprocess is a command that runs as a child of this process, with its
// terminal, and dies with it.
//
// Start and ExitCode by one thread; AwaitEnd by another, once; Send by any.

#ifndef CLI_SUBPROCESS_H_
#define CLI_SUBPROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace cli {

class Subprocess {
 public:
  Subprocess() = default;
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  // Runs `words` (the first is looked up in PATH) in this process' environment
  // with `variables` besides, no signal blocked or ignored. Returns 0, or errno
  // of what failed. If this process ends, however that is, the child gets
  // SIGKILL. From the main thread: the child lives as long as the thread.
  int Start(const std::vector<std::string>& words,
            const std::vector<std::pair<std::string, std::string>>& variables);

  // Blocks until it has ended. It stays a process until ExitCode.
  void AwaitEnd();

  // Sends a signal, unless it was waited for.
  void Send(int signal_number);

  // Its exit code, or 128 + the signal that ended it. Waits for the end.
  int ExitCode();

 private:
  base::Mutex mu_;
  pid_t pid_ ABSL_GUARDED_BY(mu_) = 0;  // 0: there is none (any more).
};

// "No such file or directory".
std::string ErrorText(int error);

}  // namespace cli

#endif  // CLI_SUBPROCESS_H_
