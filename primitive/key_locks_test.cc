// The locks as a map shows them.

#include "primitive/key_locks.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/map.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/map_inputs.h"
#include "session/table_set.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::SequenceNum;
using ::session::SessionId;
using ::session::TableId;
using ::testing::ElementsAre;

class KeyLocksTest : public ::testing::Test {
 protected:
  using Keys = std::vector<std::string>;

  CommandKey Lock(uint64_t session, const Keys& keys,
                  std::optional<google::protobuf::Duration> timeout = {}) {
    return map_.Start(session, "Lock", LockOf(keys, timeout));
  }
  OperationStatus Unlock(uint64_t session, const Keys& keys) {
    return map_.Call(session, "Unlock", UnlockOf(keys)).status;
  }
  bool Granted(CommandKey command) {
    const auto result = map_.ResultOf(command);
    return result.has_value() && result->status == OperationStatus::kOk;
  }
  bool Refused(CommandKey command) {
    const auto result = map_.ResultOf(command);
    return result.has_value() && result->status == OperationStatus::kConflict;
  }
  bool Waits(CommandKey command) { return map_.IsOpen(command); }

  // "key session@index" of every hold, from the encoded rows.
  std::vector<std::string> Holds() {
    std::vector<std::string> holds;
    for (const auto& [key, bytes] : map_.EncodeRows()) {
      if (key.first != TableId::kMapHold) continue;
      LockHold hold;
      EXPECT_TRUE(LockHold::Decode(bytes, hold));
      holds.push_back(
          absl::StrCat(key.second, " ", hold.session.value(), "@", hold.index));
    }
    return holds;
  }

  Harness map_{MapType()};
};

TEST_F(KeyLocksTest, FreeKeysAreTakenAtOnce) {
  EXPECT_TRUE(Granted(Lock(1, {"b", "a"})));
  EXPECT_TRUE(Granted(Lock(2, {"c"})));
  EXPECT_THAT(Holds(), ElementsAre("a 1@101", "b 1@101", "c 2@102"));
}

TEST_F(KeyLocksTest, ATakenKeyIsWaitedFor) {
  Lock(1, {"a"});
  const CommandKey waiter = Lock(2, {"a"});
  EXPECT_TRUE(Waits(waiter));
  EXPECT_EQ(Unlock(1, {"a"}), OperationStatus::kOk);
  EXPECT_TRUE(Granted(waiter));
  EXPECT_EQ(Unlock(2, {"a"}), OperationStatus::kOk);
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(KeyLocksTest, TheAnswerIsAnEmptyLockOutput) {
  Lock(1, {"a"});
  const CommandKey waiter = Lock(2, {"a"});
  map_.EndSession(1);
  EXPECT_EQ(map_.ResultOf(waiter), session::Ok(""));
}

TEST_F(KeyLocksTest, AllKeysAreTakenTogetherOrNone) {
  Lock(1, {"a"});
  const CommandKey both = Lock(2, {"a", "b"});
  EXPECT_THAT(Holds(), ElementsAre("a 1@101"));
  Unlock(1, {"a"});
  EXPECT_TRUE(Granted(both));
  EXPECT_THAT(Holds(), ElementsAre("a 2@102", "b 2@102"));
}

TEST_F(KeyLocksTest, WhoWantsAKeyOfAnEarlierWaiterWaitsBehindIt) {
  Lock(1, {"a"});
  const CommandKey both = Lock(2, {"a", "b"});
  const CommandKey b = Lock(3, {"b"});
  const CommandKey other = Lock(3, {"c"});
  EXPECT_TRUE(Waits(b)) << "or the second could starve";
  EXPECT_TRUE(Granted(other));
  Unlock(1, {"a"});
  EXPECT_TRUE(Granted(both));
  EXPECT_TRUE(Waits(b));
  Unlock(2, {"b"});
  EXPECT_TRUE(Granted(b));
}

TEST_F(KeyLocksTest, GrantsComeInTheOrderOfIndexes) {
  Lock(1, {"a"});
  std::vector<CommandKey> waiters;
  for (uint64_t session = 2; session <= 5; ++session) {
    waiters.push_back(Lock(session, {"a"}));
  }
  for (uint64_t session = 2; session <= 5; ++session) {
    EXPECT_EQ(Unlock(session - 1, {}), OperationStatus::kOk);
    EXPECT_TRUE(Granted(waiters[session - 2]));
    // The fencing token is the waiter's own index.
    EXPECT_EQ(Holds().at(0), absl::StrCat("a ", session, "@", 100 + session));
  }
}

TEST_F(KeyLocksTest, TheHoldersOwnSessionWaitsLikeOthers) {
  Lock(1, {"a"});
  const CommandKey again = Lock(1, {"a"});
  EXPECT_TRUE(Waits(again));
  Unlock(1, {"a"});
  EXPECT_TRUE(Granted(again));
}

TEST_F(KeyLocksTest, WithoutTimeToWaitItIsAConflictAtOnce) {
  Lock(1, {"a"});
  EXPECT_TRUE(Refused(Lock(2, {"a"}, Duration(0))));
  EXPECT_TRUE(Refused(Lock(2, {"b", "a"}, Duration(-1))));
  EXPECT_TRUE(Granted(Lock(2, {"b"}, Duration(0))));
  EXPECT_THAT(Holds(), ElementsAre("a 1@101", "b 2@104"));
}

TEST_F(KeyLocksTest, WithoutTimeToWaitAnEarlierWaiterIsAConflictToo) {
  Lock(1, {"a"});
  Lock(2, {"a", "b"});
  EXPECT_TRUE(Refused(Lock(3, {"b"}, Duration(0))));
}

TEST_F(KeyLocksTest, AWaitEndsWithAConflictWhenItsTimeIsOver) {
  Lock(1, {"a"});
  const CommandKey waiter = Lock(2, {"a"}, Duration(10));
  map_.Tick(10 * kSecond - 1);
  EXPECT_TRUE(Waits(waiter));
  map_.Tick(1);
  EXPECT_TRUE(Refused(waiter));
  Unlock(1, {"a"});
  EXPECT_THAT(Holds(), ElementsAre());
}

TEST_F(KeyLocksTest, ARestartDoesNotProlongAWait) {
  Lock(1, {"a"});
  const CommandKey waiter = Lock(2, {"a"}, Duration(10));
  map_.Tick(9 * kSecond);
  map_.Restore();
  map_.Tick(1 * kSecond);
  EXPECT_TRUE(Refused(waiter));
}

TEST_F(KeyLocksTest, AGrantedWaiterDoesNotTimeOut) {
  Lock(1, {"a"});
  const CommandKey waiter = Lock(2, {"a"}, Duration(10));
  Unlock(1, {"a"});
  EXPECT_TRUE(map_.timers().empty());
  map_.Tick(20 * kSecond);
  EXPECT_TRUE(Granted(waiter));
  EXPECT_THAT(Holds(), ElementsAre("a 2@102"));
}

TEST_F(KeyLocksTest, WhoGivesUpLetsThoseBehindHaveItsTurn) {
  Lock(1, {"a"});
  const CommandKey timed = Lock(2, {"a", "b"}, Duration(10));
  const CommandKey b = Lock(3, {"b"});
  map_.Tick(10 * kSecond);
  EXPECT_TRUE(Refused(timed));
  EXPECT_TRUE(Granted(b));

  const CommandKey cancelled = Lock(2, {"a", "c"}, Duration(10));
  const CommandKey c = Lock(3, {"c"});
  map_.Cancel(cancelled);
  EXPECT_TRUE(Granted(c));
  EXPECT_TRUE(map_.timers().empty());
  EXPECT_FALSE(map_.ResultOf(cancelled).has_value());
}

TEST_F(KeyLocksTest, WhoGivesUpInTheMiddleMovesNobody) {
  Lock(1, {"a"});
  const CommandKey first = Lock(2, {"a"});
  const CommandKey second = Lock(3, {"a"});
  const CommandKey third = Lock(4, {"a"});
  map_.Cancel(second);
  EXPECT_TRUE(Waits(first));
  EXPECT_TRUE(Waits(third));
  map_.Restore();
  Unlock(1, {});
  EXPECT_TRUE(Granted(first));
  EXPECT_TRUE(Waits(third));
  Unlock(2, {});
  EXPECT_TRUE(Granted(third));
}

TEST_F(KeyLocksTest, TheEndOfASessionReleasesWhatItHoldsAndWantsOnly) {
  Lock(1, {"a"});
  Lock(2, {"b"});
  const CommandKey waiter = Lock(2, {"a"});
  const CommandKey next = Lock(3, {"a"});
  map_.EndSession(2);
  EXPECT_FALSE(Waits(waiter));
  EXPECT_TRUE(Waits(next)) << "the holder did not end";
  EXPECT_THAT(Holds(), ElementsAre("a 1@101"));
  map_.EndSession(1);
  EXPECT_TRUE(Granted(next));
}

TEST_F(KeyLocksTest, TheEndOfAFormerHolderTakesNothingFromThePresentOne) {
  Lock(1, {"a"});
  const CommandKey second = Lock(2, {"a"});
  const CommandKey third = Lock(3, {"a"});
  Unlock(1, {"a"});
  map_.EndSession(1);
  EXPECT_TRUE(Granted(second));
  EXPECT_TRUE(Waits(third));
}

TEST_F(KeyLocksTest, ManyHoldsAreReleasedInSlices) {
  Keys keys;
  for (int i = 0; i < 25; ++i) keys.push_back(absl::StrCat(i));
  Lock(1, keys);
  const CommandKey waiter = Lock(2, {"9"});
  EXPECT_EQ(map_.EndSession(1, 10), 3u);
  EXPECT_TRUE(Granted(waiter));
  EXPECT_THAT(Holds(), ElementsAre("9 2@102"));
}

TEST_F(KeyLocksTest, UnlockWithoutKeysReleasesAllOfTheSession) {
  EXPECT_EQ(Unlock(1, {}), OperationStatus::kOk) << "the driver tells everyone";
  Lock(1, {"a", "b"});
  Lock(1, {"c"});
  Lock(2, {"d"});
  EXPECT_EQ(Unlock(1, {}), OperationStatus::kOk);
  EXPECT_THAT(Holds(), ElementsAre("d 2@104"));
}

TEST_F(KeyLocksTest, UnlockOfAKeyThatIsNotHeldIsAConflictAndReleasesNothing) {
  Lock(1, {"a"});
  Lock(2, {"b"});
  EXPECT_EQ(Unlock(1, {"a", "b"}), OperationStatus::kConflict);
  EXPECT_EQ(Unlock(1, {"a", "x"}), OperationStatus::kConflict);
  EXPECT_THAT(Holds(), ElementsAre("a 1@101", "b 2@102"));
  EXPECT_EQ(Unlock(1, {"a", "a"}), OperationStatus::kOk);
  EXPECT_EQ(Unlock(1, {"a"}), OperationStatus::kConflict) << "released twice";
}

TEST_F(KeyLocksTest, AKeyNamedTwiceCountsOnceAndNoKeysAreFree) {
  EXPECT_TRUE(Granted(Lock(1, {"a", "b", "a"})));
  EXPECT_TRUE(Granted(Lock(2, {})));
  EXPECT_THAT(Holds(), ElementsAre("a 1@101", "b 1@101"));
}

TEST_F(KeyLocksTest, LocksAreAdvisory) {
  Lock(1, {"a"});
  EXPECT_EQ(map_.Call(2, "Put", PutOf("a", "1")).status, OperationStatus::kOk);
  EXPECT_EQ(map_.Call(2, "Remove", RemoveOf("a")).status, OperationStatus::kOk);
}

TEST_F(KeyLocksTest, AClearLeavesTheTimersOfWaitersAlone) {
  map_.Call(1, "Put", PutOf("k", "v"));
  Lock(1, {"a"});
  const CommandKey waiter = Lock(2, {"a"}, Duration(10));
  map_.Call(1, "Clear", pb::ClearInput());
  EXPECT_EQ(map_.timers_set(), 0u);
  map_.Tick(10 * kSecond);
  EXPECT_TRUE(Refused(waiter));
}

TEST_F(KeyLocksTest, WhatASessionGivesBackIsCharged) {
  Lock(1, {"a", "b", "c", "d"});
  map_.EndSession(1, 1000);
  EXPECT_EQ(map_.charged(), 4u);
}

TEST_F(KeyLocksTest, ASessionHoldsAndWantsALimitedNumberOfKeys) {
  const auto keys = [](int from) {
    Keys result;
    for (int i = from; i < from + 256; ++i) result.push_back(absl::StrCat(i));
    return result;
  };
  Lock(2, {"3840"});
  for (int i = 0; i < 16; ++i) Lock(1, keys(i * 256));  // The last one waits.
  EXPECT_EQ(map_.Call(1, "Lock", LockOf({"x"})).status,
            OperationStatus::kConflict);
  map_.Restore();
  EXPECT_EQ(map_.Call(1, "Lock", LockOf({"x"})).status,
            OperationStatus::kConflict);
  Unlock(1, {"0"});
  EXPECT_TRUE(Granted(Lock(1, {"x"})));
}

class KeyLocksCascadeTest : public KeyLocksTest {
 protected:
  static constexpr int kWaiters = 10;

  // Session 1 holds "0" to "9"; sessions 10 to 19 want one of them each, and
  // 255 more.
  void SetUp() override {
    Keys held;
    for (int i = 0; i < kWaiters; ++i) held.push_back(absl::StrCat(i));
    Lock(1, held);
    for (int i = 0; i < kWaiters; ++i) {
      Keys keys = {absl::StrCat(i)};
      for (int k = 0; k < 255; ++k) keys.push_back(absl::StrCat(i, " ", k));
      waiters_.push_back(Lock(10 + i, keys, Duration(10)));
    }
  }
  int CountGranted() {
    return static_cast<int>(
        std::count_if(waiters_.begin(), waiters_.end(),
                      [&](CommandKey waiter) { return Granted(waiter); }));
  }

  std::vector<CommandKey> waiters_;
};

TEST_F(KeyLocksCascadeTest, AReleaseGrantsInSlices) {
  EXPECT_EQ(Unlock(1, {}), OperationStatus::kOk);
  EXPECT_EQ(CountGranted(), 4);
  map_.Restore();
  map_.Tick(0);
  EXPECT_EQ(CountGranted(), 8);
  map_.Restore();
  map_.Tick(0);
  EXPECT_EQ(CountGranted(), 10);
  EXPECT_EQ(map_.EncodeRows().size(), 2560u);
  EXPECT_TRUE(map_.timers().empty());
}

TEST_F(KeyLocksCascadeTest, WhoHasItsTurnIsBeforeThoseWhoComeNow) {
  map_.HoldTimers();
  Unlock(1, {});
  const CommandKey late = Lock(2, {"9"});
  EXPECT_TRUE(Waits(late));
  EXPECT_TRUE(Refused(Lock(2, {"8"}, Duration(0))));
  map_.ReleaseTimers();
  map_.Tick(0);
  map_.Tick(0);
  EXPECT_EQ(CountGranted(), 10);
  EXPECT_TRUE(Waits(late));
  Unlock(19, {});
  EXPECT_TRUE(Granted(late));
}

TEST_F(KeyLocksCascadeTest, WhoHasItsTurnMayGiveUp) {
  const CommandKey late = Lock(2, {"8", "9"});
  map_.HoldTimers();
  Unlock(1, {});
  EXPECT_EQ(CountGranted(), 4);
  // To give up is another entry, with a slice of its own.
  map_.Cancel(waiters_[9]);
  EXPECT_EQ(CountGranted(), 8);
  EXPECT_TRUE(Waits(late));
  map_.Cancel(waiters_[8]);
  EXPECT_TRUE(Granted(late));
  map_.Restore();
  map_.ReleaseTimers();
  map_.Tick(20 * kSecond);
  EXPECT_EQ(CountGranted(), 8);
  EXPECT_TRUE(map_.timers().empty());
}

TEST_F(KeyLocksCascadeTest, WhoHasItsTurnIsNotTooLate) {
  map_.HoldTimers();
  Unlock(1, {});
  map_.Tick(10 * kSecond);
  map_.ReleaseTimers();
  map_.Tick(0);
  EXPECT_EQ(CountGranted(), 10);
  EXPECT_TRUE(map_.timers().empty());
}

TEST_F(KeyLocksCascadeTest, AWaiterThatLeavesGrantsInSlicesToo) {
  // Session 2 waits for everything and is before everybody else.
  Harness map(MapType());
  map.Start(1, "Lock", LockOf({"x"}));
  Keys all = {"x"};
  for (int i = 0; i < kWaiters; ++i) all.push_back(absl::StrCat(i));
  const CommandKey first = map.Start(2, "Lock", LockOf(all));
  std::vector<CommandKey> waiters;
  for (int i = 0; i < kWaiters; ++i) {
    Keys keys = {absl::StrCat(i)};
    for (int k = 0; k < 255; ++k) keys.push_back(absl::StrCat(i, " ", k));
    waiters.push_back(map.Start(10 + i, "Lock", LockOf(keys)));
  }
  const auto granted = [&] {
    return std::count_if(
        waiters.begin(), waiters.end(),
        [&](CommandKey waiter) { return map.ResultOf(waiter).has_value(); });
  };
  map.Cancel(first);
  EXPECT_EQ(granted(), 4);
  map.Restore();
  map.Tick(0);
  map.Tick(0);
  EXPECT_EQ(granted(), 10);
}

// --- Bytes -------------------------------------------------------------------

TEST(LockHoldTest, BytesAreAsOnDisk) {
  std::string bytes;
  LockHold{.session = SessionId(5), .index = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x00\x05"
                               "\x00\x00\x00\x00\x00\x00\x01\x02",
                               17));
  LockHold row;
  ASSERT_TRUE(LockHold::Decode(bytes, row));
  EXPECT_EQ(row.session, SessionId(5));
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(LockHold::Decode(bytes + "x", row));
  EXPECT_FALSE(LockHold::Decode(bytes.substr(0, 16), row));
  bytes[0] = 2;
  EXPECT_FALSE(LockHold::Decode(bytes, row)) << "a version of the future";
}

TEST(LockWaiterTest, BytesAreAsOnDisk) {
  std::string bytes;
  LockWaiter{.command = {SessionId(5), SequenceNum(6)},
             .deadline_ns = 7,
             .keys = {"", "ab"}}
      .Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x00\x05"
                               "\x00\x00\x00\x00\x00\x00\x00\x06"
                               "\x00\x00\x00\x00\x00\x00\x00\x07"
                               "\x00\x00\x00\x00"
                               "\x00\x00\x00\x02"
                               "ab",
                               35));
  LockWaiter row;
  ASSERT_TRUE(LockWaiter::Decode(bytes, row));
  EXPECT_EQ(row.command, (CommandKey{SessionId(5), SequenceNum(6)}));
  EXPECT_EQ(row.deadline_ns, 7u);
  EXPECT_THAT(row.keys, ElementsAre("", "ab"));
  EXPECT_EQ(row.size_bytes(), bytes.size());
  for (size_t cut : {34, 30, 26, 24, 0}) {
    EXPECT_FALSE(LockWaiter::Decode(bytes.substr(0, cut), row)) << cut;
  }
  bytes[0] = 2;
  EXPECT_FALSE(LockWaiter::Decode(bytes, row)) << "a version of the future";
}

// --- Model -------------------------------------------------------------------

// Says what must be, by looking at everything each time.
class Model {
 public:
  struct Waiter {
    CommandKey command;
    std::set<std::string> keys;
    uint64_t deadline_ns = session::kNever;
  };

  void Acquire(uint64_t index, Waiter waiter) {
    waiters_[index] = std::move(waiter);
    GrantAll();
  }
  bool CanAcquire(const std::set<std::string>& keys) const {
    return Free(UINT64_MAX, keys);
  }
  bool Release(SessionId session, const std::set<std::string>& keys) {
    for (const std::string& key : keys) {
      if (!holders_.contains(key) || holders_.at(key).first != session) {
        return false;
      }
    }
    for (const std::string& key : keys) holders_.erase(key);
    GrantAll();
    return true;
  }
  void ReleaseAll(SessionId session) {
    std::erase_if(holders_, [&](const auto& holder) {
      return holder.second.first == session;
    });
    GrantAll();
  }
  void GiveUp(CommandKey command) {
    std::erase_if(waiters_, [&](const auto& waiter) {
      return waiter.second.command == command;
    });
    GrantAll();
  }
  void EndSession(SessionId session) {
    std::erase_if(waiters_, [&](const auto& waiter) {
      return waiter.second.command.session == session;
    });
    ReleaseAll(session);
  }
  void MoveTo(uint64_t time_ns) {
    while (true) {
      auto first = std::min_element(
          waiters_.begin(), waiters_.end(), [](const auto& a, const auto& b) {
            return a.second.deadline_ns < b.second.deadline_ns;
          });
      if (first == waiters_.end() || first->second.deadline_ns > time_ns) break;
      refused_.insert(first->second.command);
      waiters_.erase(first);
      GrantAll();
    }
  }

  const std::map<uint64_t, Waiter>& waiters() const { return waiters_; }
  const std::set<CommandKey>& granted() const { return granted_; }
  const std::set<CommandKey>& refused() const { return refused_; }
  std::vector<std::string> Holds() const {
    std::vector<std::string> holds;
    for (const auto& [key, holder] : holders_) {
      holds.push_back(
          absl::StrCat(key, " ", holder.first.value(), "@", holder.second));
    }
    return holds;
  }

 private:
  bool Free(uint64_t index, const std::set<std::string>& keys) const {
    return std::none_of(keys.begin(), keys.end(), [&](const std::string& key) {
      if (holders_.contains(key)) return true;
      for (const auto& [other, waiter] : waiters_) {
        if (other < index && waiter.keys.contains(key)) return true;
      }
      return false;
    });
  }
  void GrantAll() {
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      if (!Free(it->first, it->second.keys)) {
        ++it;
        continue;
      }
      for (const std::string& key : it->second.keys) {
        holders_[key] = {it->second.command.session, it->first};
      }
      granted_.insert(it->second.command);
      it = waiters_.erase(it);
    }
  }

  std::map<std::string, std::pair<SessionId, uint64_t>> holders_;
  std::map<uint64_t, Waiter> waiters_;
  std::set<CommandKey> granted_;
  std::set<CommandKey> refused_;
};

class KeyLocksModelTest : public KeyLocksTest {
 protected:
  std::set<std::string> SomeKeys() {
    std::set<std::string> keys;
    const uint64_t count = random_.Between(1, 3);
    for (uint64_t i = 0; i < count; ++i) {
      keys.insert(std::string(1, static_cast<char>('a' + random_.Below(5))));
    }
    return keys;
  }

  void Step() {
    const uint64_t session = random_.Between(1, 4);
    const std::set<std::string> keys = SomeKeys();
    const Keys list(keys.begin(), keys.end());
    switch (random_.Below(10)) {
      case 0:
      case 1:
      case 2: {
        Model::Waiter waiter{.command = Lock(session, list), .keys = keys};
        model_.Acquire(map_.index(), waiter);
        break;
      }
      case 3: {
        const uint64_t seconds = random_.Between(1, 20);
        const CommandKey command = Lock(session, list, Duration(seconds));
        model_.Acquire(map_.index(),
                       {.command = command,
                        .keys = keys,
                        .deadline_ns = map_.time_ns() + seconds * kSecond});
        break;
      }
      case 4: {
        const bool can = model_.CanAcquire(keys);
        const CommandKey command = Lock(session, list, Duration(0));
        EXPECT_EQ(Granted(command), can);
        if (can)
          model_.Acquire(map_.index(), {.command = command, .keys = keys});
        break;
      }
      case 5:
        EXPECT_EQ(Unlock(session, list),
                  model_.Release(SessionId(session), keys)
                      ? OperationStatus::kOk
                      : OperationStatus::kConflict);
        break;
      case 6:
        Unlock(session, {});
        model_.ReleaseAll(SessionId(session));
        break;
      case 7:
        if (!model_.waiters().empty()) {
          const CommandKey command = model_.waiters().begin()->second.command;
          map_.Cancel(command);
          model_.GiveUp(command);
        }
        break;
      case 8:
        if (random_.OneIn(5)) {
          map_.EndSession(session);
          model_.EndSession(SessionId(session));
        }
        break;
      default: {
        const uint64_t step = random_.Below(3 * kSecond);
        map_.Tick(step);
        model_.MoveTo(map_.time_ns());
      }
    }
  }

  void Compare() {
    ASSERT_EQ(Holds(), model_.Holds());
    for (const auto& [index, waiter] : model_.waiters()) {
      ASSERT_TRUE(Waits(waiter.command));
    }
    for (CommandKey command : model_.granted()) ASSERT_TRUE(Granted(command));
    for (CommandKey command : model_.refused()) ASSERT_TRUE(Refused(command));
  }

  void Run(int steps, uint64_t restore_in) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      Step();
      if (random_.OneIn(restore_in)) map_.Restore();
      if (i % 10 == 0 || restore_in == 1) Compare();
    }
    Compare();
  }

  base::Random random_{7};
  Model model_;
};

TEST_F(KeyLocksModelTest, ThousandsOfCommands) { Run(4000, 50); }
TEST_F(KeyLocksModelTest, RestoreAtEveryIndex) { Run(400, 1); }

}  // namespace
}  // namespace primitive
