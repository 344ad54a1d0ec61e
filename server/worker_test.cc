#include "server/worker.h"

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/help_scope.h"
#include "base/mutex.h"
#include "gtest/gtest.h"

namespace server {
namespace {

// Stands still until it is moved.
class ManualClock : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return now_ns; }
  int64_t WallNanos() override { return 0; }

  std::atomic<int64_t> now_ns = 1000;
};

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() { worker_.Start(); }
  ~WorkerTest() override { worker_.Stop(); }

  // Waits until everything posted so far has run.
  void Flush() {
    std::promise<void> done;
    worker_.Post([&] { done.set_value(); });
    done.get_future().wait();
  }

  // Runs `task` on this thread, as a helper: tries until the worker sleeps.
  void RunHere(absl::AnyInvocable<void()> task) {
    const std::thread::id here = std::this_thread::get_id();
    bool ran_here = false;
    while (!ran_here) {
      auto ran = std::make_shared<std::promise<bool>>();
      {
        base::HelpScope scope(1);
        worker_.Post([ran, here, &task] {
          const bool helped = std::this_thread::get_id() == here;
          if (helped) task();
          ran->set_value(helped);
        });
      }
      ran_here = ran->get_future().get();
    }
  }

  absl::AnyInvocable<void()> Note(std::string what) {
    return [this, what] { log_.push_back(what); };
  }

  ManualClock clock_;
  std::vector<std::string> log_;  // Written by the worker only.
  Worker worker_{"worker-test", clock_};
};

using Log = std::vector<std::string>;

TEST_F(WorkerTest, TasksRunInTheOrderTheyWerePosted) {
  for (const char* name : {"a", "b", "c"}) worker_.Post(Note(name));
  Flush();
  EXPECT_EQ(log_, (Log{"a", "b", "c"}));
}

TEST_F(WorkerTest, ATaskPostedByATaskRunsAfterwards) {
  std::promise<void> done;
  worker_.Post([&] {
    worker_.Post([&] {
      log_.push_back("second");
      done.set_value();
    });
    log_.push_back("first");
  });
  done.get_future().wait();
  EXPECT_EQ(log_, (Log{"first", "second"}));
}

// P54: of however much long work.
TEST_F(WorkerTest, WhatIsPostedWaitsForOnePieceOfLongWork) {
  std::promise<void> done;
  worker_.Post([&] {
    for (const char* name : {"long 1", "long 2", "long 3"}) {
      worker_.PostLater([this, name] {
        log_.push_back(name);
        worker_.Post(Note("short"));
      });
    }
    worker_.PostLater([&] { done.set_value(); });
  });
  done.get_future().wait();
  EXPECT_EQ(log_,
            (Log{"long 1", "short", "long 2", "short", "long 3", "short"}));
}

TEST_F(WorkerTest, LongWorkGoesOnHoweverMuchIsPosted) {
  std::promise<void> done;
  bool stop = false;
  std::function<void()> post_again = [&] {
    if (!stop) worker_.Post([&] { post_again(); });
  };
  worker_.Post([&] { post_again(); });
  worker_.PostLater([&] {
    stop = true;
    done.set_value();
  });
  done.get_future().wait();
  Flush();
}

TEST_F(WorkerTest, LongWorkIsNotLeftToAHelper) {
  const std::thread::id here = std::this_thread::get_id();
  std::promise<std::thread::id> ran;
  {
    base::HelpScope scope(1);
    worker_.PostLater([&] { ran.set_value(std::this_thread::get_id()); });
  }
  EXPECT_NE(ran.get_future().get(), here);
}

TEST_F(WorkerTest, TimersFireInTheOrderTheyAreDue) {
  std::promise<void> fired;
  worker_.PostAfter(300, Note("late"));
  worker_.PostAfter(100, Note("early"));
  worker_.PostAfter(100, [&] {
    log_.push_back("early, posted second");
    fired.set_value();
  });
  Flush();
  EXPECT_EQ(log_, Log{});

  clock_.now_ns += 100;
  Flush();  // Wakes the worker, which then looks at its timers.
  fired.get_future().wait();
  EXPECT_EQ(log_, (Log{"early", "early, posted second"}));
}

TEST_F(WorkerTest, ATimerFarBeyondTheEndOfTimeNeverFires) {
  worker_.PostAfter(UINT64_MAX, Note("never"));
  Flush();
  EXPECT_EQ(log_, Log{});
}

TEST_F(WorkerTest, StopRunsWhatWasPostedAndDestroysTheRest) {
  auto token = std::make_shared<int>();
  worker_.PostAfter(1'000'000, [token] { FAIL(); });
  worker_.Post(Note("before"));
  worker_.Stop();
  worker_.Post([token] { FAIL(); });
  EXPECT_EQ(log_, Log{"before"});
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(WorkerTest, ATaskThatPostsWhenItIsDestroyedDoesNotBlockStop) {
  struct PostsAtTheEnd {
    ~PostsAtTheEnd() {
      worker->Post([] { FAIL(); });
    }
    Worker* worker;
  };
  worker_.PostAfter(1'000'000,
                    [end = std::make_unique<PostsAtTheEnd>(&worker_)] {});
  worker_.Stop();
}

TEST_F(WorkerTest, ManyThreadsMayPost) {
  std::atomic<int> ran = 0;
  std::vector<std::future<void>> posters;
  for (int i = 0; i < 4; ++i) {
    posters.push_back(std::async(std::launch::async, [&] {
      for (int j = 0; j < 1000; ++j) worker_.Post([&] { ++ran; });
    }));
  }
  for (auto& poster : posters) poster.wait();
  worker_.Stop();
  EXPECT_EQ(ran, 4000);
}

// --- Helping -----------------------------------------------------------------

TEST_F(WorkerTest, AThreadInAScopeRunsWhatItPosted) {
  RunHere(Note("here"));
  Flush();
  EXPECT_EQ(log_, Log{"here"});
}

TEST_F(WorkerTest, NothingRunsInsidePost) {
  base::Mutex mu;
  for (int i = 0; i < 100; ++i) {
    base::HelpScope scope(1);
    base::MutexLock lock(mu);
    worker_.Post([&mu] { base::MutexLock lock(mu); });
  }
  Flush();
}

TEST_F(WorkerTest, AHelperLeavesTheRestToTheWorker) {
  const std::thread::id here = std::this_thread::get_id();
  std::promise<void> done;
  RunHere([&] {
    worker_.Post([&] {
      EXPECT_NE(std::this_thread::get_id(), here);
      log_.push_back("rest");
      done.set_value();
    });
    log_.push_back("helped");
  });
  done.get_future().wait();
  EXPECT_EQ(log_, (Log{"helped", "rest"}));
}

TEST_F(WorkerTest, ATimerDueWhileAHelperRunsFiresAfterwards) {
  std::promise<void> fired;
  RunHere([&] {
    worker_.PostAfter(100, [&] {
      log_.push_back("timer");
      fired.set_value();
    });
    clock_.now_ns += 100;
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    log_.push_back("helped");
  });
  fired.get_future().wait();
  EXPECT_EQ(log_, (Log{"helped", "timer"}));
}

TEST_F(WorkerTest, StopWaitsForAHelperAndRunsWhatItPosted) {
  std::promise<void> entered;
  std::atomic<bool> stop = false;
  std::thread helper([&] {
    RunHere([&] {
      entered.set_value();
      while (!stop) std::this_thread::yield();
      worker_.Post(Note("posted"));
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      log_.push_back("helped");
    });
  });
  entered.get_future().wait();
  worker_.Post([&] { log_.push_back("waited"); });
  stop = true;
  worker_.Stop();
  ASSERT_GE(log_.size(), 2u);  // "posted" may have come too late.
  EXPECT_EQ(log_[0], "helped");
  EXPECT_EQ(log_[1], "waited");
  helper.join();
}

TEST_F(WorkerTest, HelpersAndTheWorkerRunOneTaskAtATimeInOrder) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 2000;
  // Neither is atomic nor locked: TSan sees two tasks at once.
  int ran = 0;
  std::vector<int> next(kThreads);
  std::vector<std::thread> posters;
  for (int thread = 0; thread < kThreads; ++thread) {
    posters.emplace_back([&, thread] {
      for (int i = 0; i < kTasks; ++i) {
        base::HelpScope scope(i % 3);
        worker_.Post([&, thread, i] {
          EXPECT_EQ(next[thread]++, i);
          ++ran;
          if (i % 10 == 0) worker_.Post([&ran] { ++ran; });
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  Flush();  // What they have posted ...
  Flush();  // ... and what that has.
  EXPECT_EQ(ran, kThreads * (kTasks + kTasks / 10));
}

}  // namespace
}  // namespace server
