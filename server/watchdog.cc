#include "server/watchdog.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace server {
namespace {

constexpr int kLookEveryMs = 100;
// Who has not looked for so long did not run.
constexpr int64_t kStoodStillNs = 1'000'000'000;
constexpr int kExitHung = 1;
constexpr unsigned kLastWordsSeconds = 1;
// Above it nobody has so many connections.
constexpr rlim_t kDescriptorsMax = 1 << 20;

// Without memory, locks or anything else that a hung thread may hold.
void ShutDownSockets() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int end = static_cast<int>(std::min(limit.rlim_cur, kDescriptorsMax));
  // Not stderr: a service manager's log is a socket, too.
  for (int fd = STDERR_FILENO + 1; fd < end; ++fd) shutdown(fd, SHUT_RDWR);
}

}  // namespace

Watchdog::Watchdog(uint64_t timeout_ns, base::Clock& clock,
                   std::function<int64_t()> oldest_started_ns,
                   std::function<void(uint64_t age_ns)> on_hang)
    : timeout_ns_(timeout_ns),
      clock_(clock),
      oldest_started_ns_(std::move(oldest_started_ns)),
      on_hang_(std::move(on_hang)),
      looked_ns_(clock.MonotonicNanos()),
      thread_("watchdog", kLookEveryMs, [this] { return Look(); }) {}

bool Watchdog::Look() {
  const int64_t started_ns = oldest_started_ns_();
  const int64_t now_ns = clock_.MonotonicNanos();
  if (now_ns - looked_ns_ > kStoodStillNs) went_on_ns_ = now_ns;
  looked_ns_ = now_ns;
  if (started_ns == 0) return true;
  const int64_t age_ns = now_ns - std::max(started_ns, went_on_ns_);
  if (age_ns < static_cast<int64_t>(timeout_ns_)) return true;
  on_hang_(static_cast<uint64_t>(age_ns));
  return false;
}

void EndHungProcess(uint64_t age_ns) {
  // Whatever below hangs as well, the log on the same disk for one: this ends
  // the process if anything can.
  signal(SIGALRM, SIG_DFL);
  alarm(kLastWordsSeconds);
  ShutDownSockets();
  char line[160];
  const int size =
      snprintf(line, sizeof(line),
               "server: fatal: the disk has not answered for %.1f s "
               "(--disk_hang_timeout); ending so that another node leads\n",
               static_cast<double>(age_ns) / 1e9);
  // Whoever reads stderr may hang too (U15). It may be the terminal, or a pipe,
  // of others: so it is asked whether it takes a line, and not changed.
  pollfd stderr_takes = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (size > 0 && poll(&stderr_takes, 1, 0) > 0) {
    [[maybe_unused]] const ssize_t written =
        write(STDERR_FILENO, line, static_cast<size_t>(size));
  }
  _exit(kExitHung);
}

}  // namespace server
