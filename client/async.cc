#include "client/async.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace client {

Async::Async(const AsyncOptions& options) : options_(options) {
  CHECK_GT(options_.threads, 0u);
  for (size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

Async::~Async() {
  std::deque<Work> line;
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
    line.swap(line_);
    changed_.SignalAll();
  }
  for (const Work& work : line) {
    work(absl::CancelledError("not made: Async has ended"));
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status Async::Push(Work work) {
  base::MutexLock lock(mu_);
  if (stopping_) return absl::CancelledError("Async has ended");
  if (line_.size() >= options_.waiting_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(line_.size(), " calls wait already"));
  }
  line_.push_back(std::move(work));
  changed_.Signal();
  return absl::OkStatus();
}

void Async::Run() {
  while (true) {
    Work work;
    {
      base::MutexLock lock(mu_);
      while (!stopping_ && line_.empty()) changed_.Wait(mu_);
      if (line_.empty()) return;
      work = std::move(line_.front());
      line_.pop_front();
    }
    work(absl::OkStatus());
  }
}

}  // namespace client
