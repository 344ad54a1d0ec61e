#include "server/worker.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

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

}  // namespace
}  // namespace server
