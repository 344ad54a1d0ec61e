#include "server/worker.h"

#include <pthread.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace server {
namespace {

// The longest single wait. Also keeps the arithmetic of condition variables
// from overflowing, which would turn a wait into a busy loop.
constexpr int64_t kWaitNsMax = 60'000'000'000;

}  // namespace

Worker::Worker(std::string name, base::Clock& clock, Kind kind)
    : name_(std::move(name)), kind_(kind), clock_(clock) {}

Worker::~Worker() { CHECK(!thread_.joinable()) << name_ << " still runs"; }

void Worker::Start() {
  CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());
}

void Worker::Stop() {
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
    wake_.Signal();
  }
  if (thread_.joinable()) thread_.join();

  // Destroyed without the lock: a task may own a completion that posts.
  std::vector<Task> posted;
  std::deque<Task> later;
  std::priority_queue<Timer> timers;
  base::MutexLock lock(mu_);
  posted.swap(posted_);
  later.swap(later_);
  std::swap(timers, timers_);
}

void Worker::Post(Task task) {
  base::MutexLock lock(mu_);
  if (stopping_) return;
  posted_.push_back(std::move(task));
  // Who runs looks at the queue afterwards, so it needs no signal.
  if (is_running_ || !waiting_) return;
  if (kind_ == Kind::kHelped && base::HelpScope::Promise(*this)) return;
  waiting_ = false;
  wake_.Signal();
}

void Worker::PostLater(Task task) {
  base::MutexLock lock(mu_);
  if (stopping_) return;
  later_.push_back(std::move(task));
  if (is_running_ || !waiting_) return;
  waiting_ = false;
  wake_.Signal();
}

void Worker::PostAfter(uint64_t delay_ns, Task task) {
  const int64_t now = clock_.MonotonicNanos();
  const uint64_t room = std::numeric_limits<int64_t>::max() - now;
  base::MutexLock lock(mu_);
  if (stopping_) return;
  timers_.push(Timer{
      .due_ns = now + static_cast<int64_t>(delay_ns < room ? delay_ns : room),
      .order = timers_posted_++,
      .task = std::move(task)});
  // The thread may be waiting for a later one.
  if (std::exchange(waiting_, false)) wake_.Signal();
}

void Worker::Help() {
  {
    base::MutexLock lock(mu_);
    // While stopping, the worker's thread runs what is left.
    if (is_running_ || stopping_ || posted_.empty()) return;
    is_running_ = true;
    running_.swap(posted_);
  }
  RunTasks();

  // Signalled under the lock: as soon as it is free, Stop may go on and the
  // worker be destroyed.
  base::MutexLock lock(mu_);
  is_running_ = false;
  const bool more =
      !posted_.empty() || !later_.empty() || held_up_ || stopping_;
  if (more && std::exchange(waiting_, false)) wake_.Signal();
}

void Worker::Run() {
  while (true) {
    {
      base::MutexLock lock(mu_);
      if (!Take()) return;
      is_running_ = true;
    }
    RunTasks();
    base::MutexLock lock(mu_);
    is_running_ = false;
  }
}

void Worker::RunTasks() {
  for (Task& task : running_) {
    task();
    task = nullptr;  // What it owns goes before the next task runs.
  }
  running_.clear();
}

bool Worker::Take() {
  while (true) {
    int64_t wait_ns = -1;
    held_up_ = is_running_;
    if (!held_up_) {
      running_.swap(posted_);
      if (stopping_) return !running_.empty();
      // Timers that are due run also when tasks never end: log time, expiries
      // and heartbeats depend on them.
      wait_ns = TakeDueTimers();
      if (!later_.empty()) {
        running_.push_back(std::move(later_.front()));
        later_.pop_front();
      }
      if (!running_.empty()) return true;
    }

    waiting_ = true;
    if (wait_ns < 0) {
      wake_.Wait(mu_);
    } else {
      wake_.WaitFor(mu_, std::min(wait_ns, kWaitNsMax));
    }
    waiting_ = false;
  }
}

int64_t Worker::TakeDueTimers() {
  if (timers_.empty()) return -1;
  const int64_t now = clock_.MonotonicNanos();
  while (!timers_.empty() && timers_.top().due_ns <= now) {
    running_.push_back(std::move(timers_.top().task));
    timers_.pop();
  }
  return timers_.empty() ? -1 : timers_.top().due_ns - now;
}

}  // namespace server
