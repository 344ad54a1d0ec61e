#include "storage/worker_thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace storage {
namespace {

constexpr int kLowPriorityNice = 10;

}  // namespace

void NameThisThread(const std::string& name, bool low) {
  pthread_setname_np(pthread_self(), name.c_str());
  // Of this thread alone, as Linux has it. Failing to be nice is no error.
  if (low) {
    (void)setpriority(PRIO_PROCESS, syscall(SYS_gettid), kLowPriorityNice);
  }
}

WorkerThread::WorkerThread(std::string name, Priority priority)
    : thread_([this, name = std::move(name), priority] {
        NameThisThread(name, priority == Priority::kLow);
        Run();
      }) {}

WorkerThread::~WorkerThread() { Stop(); }

bool WorkerThread::Post(absl::AnyInvocable<void()> work) {
  {
    base::MutexLock lock(mu_);
    if (stopping_) return false;
    queue_.push_back(std::move(work));
  }
  posted_.Signal();
  return true;
}

void WorkerThread::Stop() {
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
  }
  posted_.Signal();
  if (thread_.joinable()) {
    CHECK(thread_.get_id() != std::this_thread::get_id());
    thread_.join();
  }
}

void WorkerThread::Run() {
  while (true) {
    absl::AnyInvocable<void()> work;
    {
      base::MutexLock lock(mu_);
      while (queue_.empty() && !stopping_) posted_.Wait(mu_);
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace storage
