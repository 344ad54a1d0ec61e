#include "server/periodic_thread.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/check.h"

namespace server {

PeriodicThread::PeriodicThread(const char* name, int period_ms,
                               std::function<bool()> look)
    : period_ms_(period_ms),
      look_(std::move(look)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {
  CHECK_GE(stop_fd_, 0);
  pthread_setname_np(thread_.native_handle(), name);
}

PeriodicThread::~PeriodicThread() {
  const uint64_t one = 1;
  CHECK_EQ(write(stop_fd_, &one, sizeof(one)), ssize_t{sizeof(one)});
  thread_.join();
  close(stop_fd_);
}

void PeriodicThread::Run() {
  pollfd stop = {.fd = stop_fd_, .events = POLLIN};
  // A signal that ends the wait is as good as its end.
  while (poll(&stop, 1, period_ms_) <= 0) {
    if (!look_()) return;
  }
}

}  // namespace server
