#include "client/async.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "client/follow.h"
#include "client/testing/client_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::base::testing::StatusIs;
using ::testing::ElementsAre;

// Opens once.
class Door {
 public:
  void Open() {
    base::MutexLock lock(mu_);
    open_ = true;
    changed_.SignalAll();
  }
  void Await() {
    base::MutexLock lock(mu_);
    while (!open_) changed_.Wait(mu_);
  }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

class AsyncTest : public ClientTest {};

TEST_F(AsyncTest, TellsWhatCameOfACall) {
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*session_, "c"));
  absl::StatusOr<int64_t> result = absl::UnknownError("not yet");
  Door done;
  Async async({.threads = 2});
  // What is moved in need not be copied.
  ASSERT_OK(async.Start(
      [&counter, delta = std::make_unique<int64_t>(5)] {
        return counter.Increment(*delta);
      },
      [&](absl::StatusOr<int64_t> value) {
        result = std::move(value);
        done.Open();
      }));
  done.Await();
  EXPECT_EQ(*result, 5);
}

TEST_F(AsyncTest, ACallbackMayStartTheNextCall) {
  ASSERT_OK_AND_ASSIGN(Counter counter, Counter::Open(*session_, "c"));
  Door done;
  Async async({.threads = 1});
  ASSERT_OK(async.Start([&] { return counter.Increment(1); },
                        [&](const absl::StatusOr<int64_t>&) {
                          EXPECT_OK(async.Start(
                              [&] { return counter.Increment(1); },
                              [&](const absl::StatusOr<int64_t>& value) {
                                EXPECT_EQ(*value, 2);
                                done.Open();
                              }));
                        }));
  done.Await();
}

TEST(AsyncLineTest, HasABoundAndAnEnd) {
  Door started;
  Door go;
  std::vector<absl::StatusCode> ends;  // By one thread at a time.
  const auto note = [&](const absl::Status& end) {
    ends.push_back(end.code());
  };
  auto async =
      std::make_unique<Async>(AsyncOptions{.threads = 1, .waiting_max = 1});
  ASSERT_OK(async->Start(
      [&] {
        started.Open();
        go.Await();
        return absl::OkStatus();
      },
      [](const absl::Status&) {}));
  started.Await();
  const auto never = [] { return absl::InternalError("was made"); };
  ASSERT_OK(async->Start(never, note));
  EXPECT_THAT(async->Start(never, note),
              StatusIs(absl::StatusCode::kResourceExhausted));
  std::thread release([&] { go.Open(); });
  // The one in line is told of before the one under way is waited for, or runs
  // after it.
  async = nullptr;
  release.join();
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_THAT(ends[0], ::testing::AnyOf(absl::StatusCode::kCancelled,
                                        absl::StatusCode::kInternal));
}

TEST_F(AsyncTest, FollowTellsOfEachItemAndOfTheEnd) {
  ASSERT_OK_AND_ASSIGN(Map map, Map::Open(*session_, "m"));
  std::vector<std::string> keys;
  Door two;
  Door ended;
  {
    const Follower follower = Follow(
        map.Events(""),
        [&](const MapEvent& event) {
          keys.push_back(event.key);
          if (keys.size() == 2) two.Open();
        },
        [&](const absl::Status& why) {
          EXPECT_THAT(why, StatusIs(absl::StatusCode::kCancelled));
          ended.Open();
        });
    server_.AwaitStreams(1);
    EXPECT_OK(map.Put("a", "1"));
    EXPECT_OK(map.Put("b", "2"));
    two.Await();
  }
  ended.Await();
  EXPECT_THAT(keys, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace client
