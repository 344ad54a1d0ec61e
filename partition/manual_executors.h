// What drives partitions in tests: an executor and a timer that their owner
// moves, and a clock that passes when it is looked at.

#ifndef PARTITION_MANUAL_EXECUTORS_H_
#define PARTITION_MANUAL_EXECUTORS_H_

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "base/check.h"
#include "base/clock.h"
#include "partition/executor.h"

namespace partition {

// Each look takes a while.
class PassingClock : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return now_ns_ += 100'000; }
  int64_t WallNanos() override { return 0; }

 private:
  int64_t now_ns_ = 1'000'000'000;
};

// What a worker does, round by round.
class ManualLine : public Executor {
 public:
  void Post(absl::AnyInvocable<void()> task) override {
    posted_.push_back(std::move(task));
  }
  void PostLater(absl::AnyInvocable<void()> task) override {
    later_.push_back(std::move(task));
  }
  void PostAfter(uint64_t, absl::AnyInvocable<void()>) override {
    CHECK(false) << "a line that may be busy is no timer";
  }

  // All that was posted, then one piece of long work.
  void Round() {
    std::deque<absl::AnyInvocable<void()>> tasks = std::exchange(posted_, {});
    if (!later_.empty()) {
      tasks.push_back(std::move(later_.front()));
      later_.pop_front();
    }
    for (absl::AnyInvocable<void()>& task : tasks) task();
  }
  bool idle() const { return posted_.empty() && later_.empty(); }

 private:
  std::deque<absl::AnyInvocable<void()>> posted_;
  std::deque<absl::AnyInvocable<void()>> later_;
};

class ManualTimer : public Executor {
 public:
  void Post(absl::AnyInvocable<void()>) override { CHECK(false); }
  void PostLater(absl::AnyInvocable<void()>) override { CHECK(false); }
  void PostAfter(uint64_t, absl::AnyInvocable<void()> task) override {
    CHECK(due_ == nullptr);
    due_ = std::move(task);
  }
  void Fire() { std::exchange(due_, nullptr)(); }

 private:
  absl::AnyInvocable<void()> due_;
};

}  // namespace partition

#endif  // PARTITION_MANUAL_EXECUTORS_H_
