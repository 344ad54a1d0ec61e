// client::Lock on a server.

#include <memory>
#include <stop_token>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using client::Lock;
using client::LockGuard;

class ClientLockTest : public RealClientTest {
 protected:
  static client::WaitOptions AtOnce() {
    return {.limit = absl::ZeroDuration()};
  }

  std::unique_ptr<client::Session> other_session_ = OpenSession();
  Lock lock_ = Open<Lock>("p");
  Lock other_ = Open<Lock>(*other_session_, "p");
};

TEST_F(ClientLockTest, TokensGrowFromHolderToHolder) {
  EXPECT_THAT(lock_.Holder(), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(LockGuard first, lock_.Acquire({}));
  EXPECT_EQ(*other_.Holder(), first.fencing_token());
  EXPECT_OK(first.Check());
  ASSERT_OK(first.Release());
  EXPECT_OK(first.Release()) << "once more";
  EXPECT_THAT(first.Check(), StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK_AND_ASSIGN(LockGuard second, other_.Acquire(AtOnce()));
  EXPECT_GT(second.fencing_token(), 0u);
  EXPECT_EQ(*lock_.Holder(), second.fencing_token());
}

TEST_F(ClientLockTest, WhoDoesNotWaitIsRefused) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  EXPECT_THAT(other_.Acquire(AtOnce()), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(lock_.Acquire(AtOnce()), StatusIs(absl::StatusCode::kAborted))
      << "it is not re-entrant";
  EXPECT_THAT(other_.Acquire({.limit = absl::Milliseconds(30)}),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(other_.Release(), StatusIs(absl::StatusCode::kAborted))
      << "it is the other session's";
  EXPECT_OK(held.Check());
}

TEST_F(ClientLockTest, WhoWaitsGetsItWhenTheGuardGoes) {
  auto held = std::make_unique<LockGuard>(*lock_.Acquire({}));
  const uint64_t token = held->fencing_token();
  std::thread release([&] {
    AwaitOpenCommands(1);
    held = nullptr;
  });
  ASSERT_OK_AND_ASSIGN(LockGuard next, other_.Acquire({}));
  release.join();
  EXPECT_GT(next.fencing_token(), token);
}

TEST_F(ClientLockTest, WhoWaitsGetsItWhenTheHoldersSessionEnds) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  std::thread close([&] {
    AwaitOpenCommands(1);
    EXPECT_OK(session_->Close());
  });
  ASSERT_OK_AND_ASSIGN(LockGuard next, other_.Acquire({}));
  close.join();
  EXPECT_OK(next.Check());
}

TEST_F(ClientLockTest, AWaitMayBeStopped) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  std::stop_source source;
  std::thread stop([&] {
    AwaitOpenCommands(1);
    source.request_stop();
  });
  EXPECT_THAT(other_.Acquire({.stop = source.get_token()}),
              StatusIs(absl::StatusCode::kCancelled));
  stop.join();
  EXPECT_THAT(other_.Acquire({.stop = source.get_token()}),
              StatusIs(absl::StatusCode::kCancelled))
      << "before it begins";
  // The server learns of it with the next KeepAlive.
  ASSERT_OK(other_session_->KeepAlive());
  AwaitOpenCommands(0);
  ASSERT_OK(held.Release());
  EXPECT_THAT(lock_.Holder(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ClientLockTest, AWaitGoesOnWhereTheServerWasRestarted) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  std::thread restart([&] {
    AwaitOpenCommands(1);
    server_.RestartAtSameAddress();
    EXPECT_OK(held.Release());
  });
  ASSERT_OK_AND_ASSIGN(LockGuard next, other_.Acquire({}));
  restart.join();
  EXPECT_EQ(*lock_.Holder(), next.fencing_token());
}

TEST_F(ClientLockTest, AGuardMayLeaveTheLockToItsSession) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  const uint64_t token = held.fencing_token();
  std::move(held).Leave();
  EXPECT_EQ(*other_.Holder(), token);
  EXPECT_OK(lock_.Release());
  EXPECT_THAT(other_.Holder(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ClientLockTest, AGuardThatIsReplacedLetsGo) {
  Lock second = Open<Lock>("second");
  LockGuard guard = *lock_.Acquire({});
  guard = *second.Acquire({});
  EXPECT_OK(other_.Acquire(AtOnce()).status());
  EXPECT_OK(guard.Check());
}

TEST_F(ClientLockTest, ClosingTheLockLetsGo) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  ASSERT_OK(lock_.Close());
  EXPECT_OK(other_.Acquire({}).status());
}

TEST_F(ClientLockTest, AGuardOfALostSessionSaysSo) {
  ASSERT_OK_AND_ASSIGN(LockGuard held, lock_.Acquire({}));
  // Somebody else ends it.
  ASSERT_OK(client::Session::Attach(*connection_, session_->id(),
                                    {.keep_alive = false})
                ->Close());
  EXPECT_TRUE(client::IsSessionLost(held.Check()));
}

}  // namespace
}  // namespace tests
