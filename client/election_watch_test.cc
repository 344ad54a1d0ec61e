#include "client/election_watch.h"

#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "client/election_term.h"
#include "client/stream.h"
#include "client/testing/fake_timer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;

constexpr int64_t kSecond = 1'000'000'000;

// What the test says the server tells.
class FakeChanges : public Stream<ElectionWatch::Change> {
 public:
  void Tell(ElectionWatch::Change change) {
    base::MutexLock lock(mu_);
    told_.push_back(std::move(change));
    changed_.SignalAll();
  }
  void End(absl::Status why) {
    base::MutexLock lock(mu_);
    if (ended_.ok()) ended_ = std::move(why);
    changed_.SignalAll();
  }

  absl::StatusOr<std::optional<ElectionWatch::Change>> Next() override {
    base::MutexLock lock(mu_);
    while (told_.empty() && ended_.ok()) changed_.Wait(mu_);
    if (told_.empty()) return ended_;
    ElectionWatch::Change change = std::move(told_.front());
    told_.pop_front();
    return std::optional<ElectionWatch::Change>(std::move(change));
  }
  void Cancel() override { End(absl::CancelledError("cancelled")); }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  std::deque<ElectionWatch::Change> told_ ABSL_GUARDED_BY(mu_);
  absl::Status ended_ ABSL_GUARDED_BY(mu_);
};

class ElectionWatchTest : public ::testing::Test {
 protected:
  ElectionWatchTest() {
    auto changes = std::make_unique<FakeChanges>();
    changes_ = changes.get();
    watch_.emplace(ElectionWatch::Options{.changes = std::move(changes),
                                          .read =
                                              [this](std::stop_token) {
                                                base::MutexLock lock(mu_);
                                                ++reads_;
                                                return answer_;
                                              },
                                          .timer = &timer_,
                                          .period_ns = 15 * kSecond});
  }

  void Answer(absl::StatusOr<ElectionTerm> answer) {
    base::MutexLock lock(mu_);
    answer_ = std::move(answer);
  }
  int reads() {
    base::MutexLock lock(mu_);
    return reads_;
  }
  // "1 a", or "1 -" if nobody leads.
  std::string Next() {
    const auto next = watch_->Next();
    if (!next.ok()) return std::string(next.status().message());
    return absl::StrCat((*next)->number, " ",
                        (*next)->leader.empty() ? "-" : (*next)->leader);
  }
  // The same, once `before` has been done while Next waits for a time.
  template <class Run>
  std::string NextAfter(Run before) {
    std::thread other([&] {
      timer_.AwaitWaiters(1);
      before();
    });
    std::string next = Next();
    other.join();
    return next;
  }

  FakeTimer timer_{FakeTimer::Waits::kForAdvance};
  base::Mutex mu_;
  absl::StatusOr<ElectionTerm> answer_ ABSL_GUARDED_BY(mu_) = ElectionTerm{
      .number = 1, .leader = "a"};
  int reads_ ABSL_GUARDED_BY(mu_) = 0;
  FakeChanges* changes_ = nullptr;
  std::optional<ElectionWatch> watch_;
};

TEST_F(ElectionWatchTest, BeginsWithTheTermAndGoesOnWithWhatIsTold) {
  EXPECT_EQ(Next(), "1 a");
  changes_->Tell(ElectionTerm{.number = 2, .leader = "b"});
  changes_->Tell(ElectionTerm{.number = 2});
  EXPECT_EQ(Next(), "2 b");
  EXPECT_EQ(Next(), "2 -");
  EXPECT_EQ(reads(), 1);
}

TEST_F(ElectionWatchTest, WhatChangedBeforeTheServerBeganToTellIsReadSoon) {
  EXPECT_EQ(Next(), "1 a");
  Answer(ElectionTerm{.number = 2, .leader = "b"});
  EXPECT_EQ(NextAfter([&] { timer_.Advance(kSecond); }), "2 b");
}

TEST_F(ElectionWatchTest, AndThenNowAndThen) {
  EXPECT_EQ(Next(), "1 a");
  EXPECT_EQ(NextAfter([&] {
              timer_.Advance(kSecond);
              timer_.AwaitWaiters(1);
              Answer(ElectionTerm{.number = 2, .leader = "b"});
              timer_.Advance(15 * kSecond - 1);
              timer_.AwaitWaiters(1);
              EXPECT_EQ(reads(), 2);
              timer_.Advance(1);
            }),
            "2 b");
}

TEST_F(ElectionWatchTest, ABrokenConnectionIsAReasonToRead) {
  EXPECT_EQ(Next(), "1 a");
  Answer(ElectionTerm{.number = 3, .leader = "c"});
  EXPECT_EQ(NextAfter([&] { changes_->Tell(std::nullopt); }), "3 c");
  Answer(ElectionTerm{.number = 4, .leader = "d"});
  EXPECT_EQ(NextAfter([&] { timer_.Advance(kSecond); }), "4 d")
      << "once more, when the server should tell again";
}

TEST_F(ElectionWatchTest, WhatIsToldLateDoesNotBringAnEarlierLeaderBack) {
  EXPECT_EQ(Next(), "1 a");
  Answer(ElectionTerm{.number = 3, .leader = ""});
  EXPECT_EQ(NextAfter([&] { timer_.Advance(kSecond); }), "3 -");
  changes_->Tell(ElectionTerm{.number = 2, .leader = "b"});
  changes_->Tell(ElectionTerm{.number = 3, .leader = "c"});
  changes_->Tell(ElectionTerm{.number = 3, .leader = ""});
  changes_->Tell(ElectionTerm{.number = 4, .leader = "d"});
  EXPECT_EQ(Next(), "4 d");
}

TEST_F(ElectionWatchTest, AReadingThatFailsForNowIsTriedAgain) {
  Answer(absl::UnavailableError("away"));
  EXPECT_EQ(NextAfter([&] {
              Answer(ElectionTerm{.number = 1, .leader = "a"});
              timer_.Advance(kSecond);
            }),
            "1 a");
}

TEST_F(ElectionWatchTest, AReadingThatFailsForGoodEndsIt) {
  Answer(absl::PermissionDeniedError("closed"));
  EXPECT_EQ(Next(), "closed");
  EXPECT_EQ(Next(), "closed");
}

TEST_F(ElectionWatchTest, EndsWithItsStream) {
  EXPECT_EQ(Next(), "1 a");
  EXPECT_EQ(
      NextAfter([&] { changes_->End(absl::FailedPreconditionError("lost")); }),
      "lost");
}

TEST_F(ElectionWatchTest, CancelEndsAWait) {
  EXPECT_EQ(Next(), "1 a");
  EXPECT_EQ(NextAfter([&] { watch_->Cancel(); }), "cancelled");
}

TEST_F(ElectionWatchTest, AWaitMayHaveALimit) {
  EXPECT_EQ(Next(), "1 a");
  std::thread other([&] {
    timer_.AwaitWaiters(1);
    timer_.Advance(kSecond / 2);
  });
  EXPECT_THAT(watch_->NextUntil(timer_.NowNanos() + kSecond / 2),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  other.join();
  EXPECT_EQ(reads(), 1);
}

}  // namespace
}  // namespace client
