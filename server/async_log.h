// AsyncLog takes the process's log lines and writes them to a file descriptor
// on a thread of its own, so that a reader who does not read (a stopped
// terminal, a full pipe) never stops the server (U15). What does not fit is
// dropped, counted, and said when there is room again.
//
// Thread-safe.

#ifndef SERVER_ASYNC_LOG_H_
#define SERVER_ASYNC_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace server {

class AsyncLog {
 public:
  // Keeps up to `bytes_max` that `fd`, which outlives this, has not taken.
  AsyncLog(int fd, size_t bytes_max);

  // Writes what is kept, and waits for that: not for a process whose `fd`
  // nobody reads.
  ~AsyncLog();

  // Takes a line with its end, or drops it. Does not wait for `fd`.
  void Write(absl::string_view line) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until all that was taken is written; false if that takes longer.
  bool Flush(int64_t wait_ns) ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t dropped() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  // Also takes the words about what was dropped.
  std::string Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return kept_.empty() && !writing_;
  }

  const int fd_;
  const size_t bytes_max_;

  mutable base::Mutex mu_;  // Held briefly; never while writing.
  base::CondVar changed_;
  std::string kept_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t told_ ABSL_GUARDED_BY(mu_) = 0;  // Of dropped_.

  std::thread thread_;
};

// From now on glog's lines, and protobuf's complaints about what clients sent,
// go to `log`, which is never destroyed; glog itself writes nothing. A fatal
// line, and google::FlushLogFiles, wait for at most a second.
void LogTo(AsyncLog& log);

}  // namespace server

#endif  // SERVER_ASYNC_LOG_H_
