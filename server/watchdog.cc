#include "server/watchdog.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"

namespace server {
namespace {

constexpr int kLookEveryMs = 100;
constexpr int kExitHung = 1;
// Above it nobody has so many connections.
constexpr rlim_t kDescriptorsMax = 1 << 20;

// Without memory, locks or anything else that a hung thread may hold.
void ShutDownSockets() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int end = static_cast<int>(std::min(limit.rlim_cur, kDescriptorsMax));
  for (int fd = 0; fd < end; ++fd) shutdown(fd, SHUT_RDWR);
}

}  // namespace

Watchdog::Watchdog(uint64_t timeout_ns, base::Clock& clock,
                   std::function<int64_t()> oldest_started_ns,
                   std::function<void(uint64_t age_ns)> on_hang)
    : timeout_ns_(timeout_ns),
      clock_(clock),
      oldest_started_ns_(std::move(oldest_started_ns)),
      on_hang_(std::move(on_hang)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {
  CHECK_GE(stop_fd_, 0);
  pthread_setname_np(thread_.native_handle(), "watchdog");
}

Watchdog::~Watchdog() {
  const uint64_t one = 1;
  CHECK_EQ(write(stop_fd_, &one, sizeof(one)), ssize_t{sizeof(one)});
  thread_.join();
  close(stop_fd_);
}

void Watchdog::Run() {
  pollfd stop = {.fd = stop_fd_, .events = POLLIN};
  while (poll(&stop, 1, kLookEveryMs) <= 0) {
    const int64_t started_ns = oldest_started_ns_();
    if (started_ns == 0) continue;
    const int64_t age_ns = clock_.MonotonicNanos() - started_ns;
    if (age_ns < static_cast<int64_t>(timeout_ns_)) continue;
    return on_hang_(static_cast<uint64_t>(age_ns));
  }
}

void EndHungProcess(uint64_t age_ns) {
  char line[160];
  const int size =
      snprintf(line, sizeof(line),
               "server: fatal: the disk has not answered for %.1f s "
               "(--disk_hang_timeout); ending so that another node leads\n",
               static_cast<double>(age_ns) / 1e9);
  // Whoever reads stderr may hang as well (U15).
  fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
  if (size > 0) {
    [[maybe_unused]] const ssize_t written =
        write(STDERR_FILENO, line, static_cast<size_t>(size));
  }
  ShutDownSockets();
  _exit(kExitHung);
}

}  // namespace server
