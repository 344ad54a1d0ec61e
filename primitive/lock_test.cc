#include "primitive/lock.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "atomix/multiraft/lock/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "session/table_set.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::lock::v1;
using ::primitive::testing::Duration;
using ::primitive::testing::FuzzOperations;
using ::primitive::testing::Harness;
using ::primitive::testing::kSecond;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::TableId;

pb::AcquireInput AcquireFor(std::optional<google::protobuf::Duration> timeout) {
  pb::AcquireInput input;
  if (timeout.has_value()) *input.mutable_timeout() = *timeout;
  return input;
}

class LockTest : public ::testing::Test {
 protected:
  CommandKey Acquire(uint64_t session,
                     std::optional<google::protobuf::Duration> timeout = {}) {
    return lock_.Start(session, "Acquire", AcquireFor(timeout));
  }
  OperationStatus Release(uint64_t session) {
    return lock_.Call(session, "Release", pb::ReleaseInput()).status;
  }
  // The token of the hold that the command got, or 0.
  uint64_t Token(CommandKey command) {
    const auto result = lock_.ResultOf(command);
    if (!result.has_value() || result->status != OperationStatus::kOk) return 0;
    return Harness::Parse<pb::AcquireOutput>(*result).index();
  }
  // The holder's token, or 0.
  uint64_t Get() {
    const auto result = lock_.Call("Get", pb::GetInput());
    if (result.status == OperationStatus::kNotFound) return 0;
    return Harness::Parse<pb::GetOutput>(result).index();
  }
  OperationStatus StatusOf(CommandKey command) {
    return lock_.ResultOf(command)->status;
  }

  Harness lock_{LockType()};
};

TEST_F(LockTest, AFreeLockIsGrantedAtOnceWithItsIndex) {
  EXPECT_EQ(Get(), 0u);
  EXPECT_EQ(Token(Acquire(1)), 101u);
  EXPECT_EQ(Get(), 101u);
}

TEST_F(LockTest, GetOfAFreeLockIsNotFound) {
  EXPECT_EQ(lock_.Status("Get", pb::GetInput()), OperationStatus::kNotFound);
  Acquire(1);
  Release(1);
  EXPECT_EQ(lock_.Status("Get", pb::GetInput()), OperationStatus::kNotFound);
}

TEST_F(LockTest, WaitersAreGrantedInOrderWithGrowingTokens) {  // P53
  Acquire(1);
  const CommandKey second = Acquire(2);
  const CommandKey third = Acquire(3);
  EXPECT_TRUE(lock_.IsOpen(second));
  EXPECT_EQ(Release(1), OperationStatus::kOk);
  EXPECT_EQ(Token(second), 102u) << "its own index, not the Release's";
  EXPECT_TRUE(lock_.IsOpen(third));
  EXPECT_EQ(Release(2), OperationStatus::kOk);
  EXPECT_EQ(Token(third), 103u);
  EXPECT_EQ(Get(), 103u);
}

TEST_F(LockTest, ReleaseIsTheHoldingSessions) {
  EXPECT_EQ(Release(1), OperationStatus::kConflict) << "free";
  Acquire(1);
  EXPECT_EQ(Release(2), OperationStatus::kConflict);
  EXPECT_EQ(Get(), 102u);
  EXPECT_EQ(Release(1), OperationStatus::kOk);
  EXPECT_EQ(Release(1), OperationStatus::kConflict) << "released twice";
}

TEST_F(LockTest, AReleaseWhenTheQueueHasRunDryFreesTheLock) {
  Acquire(1);
  const CommandKey second = Acquire(2);
  Release(1);
  Release(2);
  EXPECT_NE(Token(second), 0u);
  EXPECT_EQ(Get(), 0u);
  EXPECT_TRUE(lock_.EncodeRows().empty());
}

TEST_F(LockTest, ItIsNotReentrant) {
  Acquire(1);
  const CommandKey again = Acquire(1);
  EXPECT_TRUE(lock_.IsOpen(again));
  Release(1);
  EXPECT_EQ(Token(again), 102u);
}

TEST_F(LockTest, AWaitEndsWithAConflictWhenItsTimeIsOver) {
  Acquire(1);
  const CommandKey waiter = Acquire(2, Duration(10));
  const CommandKey patient = Acquire(3);
  lock_.Tick(10 * kSecond - 1);
  EXPECT_TRUE(lock_.IsOpen(waiter));
  lock_.Restore();
  lock_.Tick(1);
  EXPECT_EQ(StatusOf(waiter), OperationStatus::kConflict);
  Release(1);
  EXPECT_EQ(Token(patient), 103u);
}

TEST_F(LockTest, WithoutTimeToWaitItIsAConflictAtOnce) {
  Acquire(1);
  EXPECT_EQ(StatusOf(Acquire(2, Duration(0))), OperationStatus::kConflict);
  EXPECT_EQ(StatusOf(Acquire(2, Duration(-3))), OperationStatus::kConflict);
  Release(1);
  EXPECT_EQ(Token(Acquire(2, Duration(0))), 105u);
}

TEST_F(LockTest, AWaiterThatIsCancelledIsNotGranted) {
  Acquire(1);
  const CommandKey cancelled = Acquire(2, Duration(10));
  const CommandKey third = Acquire(3);
  lock_.Cancel(cancelled);
  EXPECT_TRUE(lock_.timers().empty());
  Release(1);
  EXPECT_FALSE(lock_.ResultOf(cancelled).has_value());
  EXPECT_EQ(Token(third), 103u);
}

TEST_F(LockTest, TheEndOfTheHoldersSessionGrantsTheNext) {
  Acquire(1);
  const CommandKey own = Acquire(1);
  const CommandKey second = Acquire(2);
  lock_.EndSession(1);
  EXPECT_FALSE(lock_.ResultOf(own).has_value());
  EXPECT_EQ(Token(second), 103u);
}

TEST_F(LockTest, TheEndOfAFormerHoldersSessionChangesNothing) {
  Acquire(1);
  const CommandKey second = Acquire(2);
  const CommandKey third = Acquire(3);
  Release(1);
  lock_.EndSession(1);
  EXPECT_EQ(Get(), Token(second));
  EXPECT_TRUE(lock_.IsOpen(third));
}

TEST_F(LockTest, RowsAreOfTheLocksOwnTables) {
  Acquire(1);
  Acquire(2, Duration(1));
  std::vector<TableId> tables;
  std::vector<std::string> keys;
  for (const auto& [key, value] : lock_.EncodeRows()) {
    tables.push_back(key.first);
    keys.push_back(key.second);
  }
  EXPECT_EQ(tables, (std::vector{TableId::kLockHold, TableId::kLockWaiter}));
  EXPECT_EQ(keys[0], "");
  EXPECT_EQ(keys[1], std::string("\0\0\0\0\0\0\0\x66", 8));
}

TEST_F(LockTest, AMalformedTimeoutIsRefused) {
  const std::string bytes = AcquireFor(Duration(1, -1)).SerializeAsString();
  EXPECT_EQ(LockType().FindOperation(1)->check(bytes, {}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StatusOf(lock_.Apply(1, 1, bytes)), OperationStatus::kInternal);
  EXPECT_EQ(Get(), 0u);
}

TEST_F(LockTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 3u, 4u, UINT32_MAX}) {
    EXPECT_EQ(StatusOf(lock_.Apply(1, operation, "")),
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(lock_.Query(1, "").status, OperationStatus::kNotSupported);
}

TEST(LockFuzzTest, NoBytesCrash) {
  const auto acquire = AcquireFor(Duration(3, 5));
  FuzzOperations(LockType(), {&acquire});
}

// The first of the queue holds the lock.
class LockModelTest : public LockTest {
 protected:
  struct Waiter {
    CommandKey command;
    uint64_t index = 0;
    uint64_t deadline_ns = session::kNever;
  };

  void Step() {
    const uint64_t session = random_.Between(1, 4);
    switch (random_.Below(6)) {
      case 0: {
        const CommandKey command = Acquire(session);
        queue_.push_back({command, lock_.index()});
        break;
      }
      case 1: {
        const uint64_t seconds = random_.Below(5);
        const CommandKey command = Acquire(session, Duration(seconds));
        if (seconds == 0 && !queue_.empty()) {
          EXPECT_EQ(StatusOf(command), OperationStatus::kConflict);
          break;
        }
        queue_.push_back(
            {command, lock_.index(), lock_.time_ns() + seconds * kSecond});
        break;
      }
      case 2:
      case 3: {
        const bool held =
            !queue_.empty() && queue_[0].command.session.value() == session;
        EXPECT_EQ(Release(session),
                  held ? OperationStatus::kOk : OperationStatus::kConflict);
        if (held) queue_.pop_front();
        break;
      }
      case 4: {
        lock_.Tick(random_.Below(2 * kSecond));
        for (size_t i = queue_.size(); i-- > 1;) {
          if (queue_[i].deadline_ns > lock_.time_ns()) continue;
          EXPECT_EQ(StatusOf(queue_[i].command), OperationStatus::kConflict);
          queue_.erase(queue_.begin() + static_cast<int64_t>(i));
        }
        break;
      }
      default:
        if (random_.OneIn(2) && queue_.size() > 1) {
          lock_.Cancel(queue_[1].command);
          queue_.erase(queue_.begin() + 1);
        } else if (random_.OneIn(4)) {
          lock_.EndSession(session);
          std::erase_if(queue_, [&](const Waiter& waiter) {
            return waiter.command.session.value() == session;
          });
        }
    }
  }

  void Run(int steps, uint64_t restore_in) {
    uint64_t last_token = 0;
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      Step();
      if (random_.OneIn(restore_in)) lock_.Restore();
      const uint64_t token = Get();
      ASSERT_EQ(token, queue_.empty() ? 0 : queue_[0].index);
      if (token > 0) {
        ASSERT_GE(token, last_token) << "a fencing token never goes back";
        ASSERT_EQ(Token(queue_[0].command), token);
        last_token = token;
      }
      for (size_t w = 1; w < queue_.size(); ++w) {
        ASSERT_TRUE(lock_.IsOpen(queue_[w].command));
      }
    }
  }

  base::Random random_{5};
  std::deque<Waiter> queue_;
};

TEST_F(LockModelTest, ThousandsOfCommands) { Run(5000, 50); }
TEST_F(LockModelTest, RestoreAtEveryIndex) { Run(500, 1); }

}  // namespace
}  // namespace primitive
