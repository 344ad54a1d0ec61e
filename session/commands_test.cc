// Commands run exactly once: records, replays, the mark and what it awaits.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace session {
namespace {

using testing::kAdd;
using testing::kEvents;
using testing::kLock;
using testing::kSecond;
using testing::kUnlock;
using testing::Replica;
using testing::ToString;
using Outcome = Applied::Outcome;

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    session_ = replica_.Open();
    box_ = replica_.Create(session_, 1, "b");
  }

  Applied Add(uint64_t sequence) {
    return replica_.Run(session_, sequence, box_, kAdd);
  }
  std::string Answer(const Applied& applied) {
    if (applied.outcome == Outcome::kCanceled) return "canceled";
    EXPECT_EQ(applied.outcome, Outcome::kAnswered);
    return ToString(applied.output.result);
  }

  Replica replica_;
  SessionId session_;
  PrimitiveId box_;
};

// Rows travel whole, so none may grow with what 256 commands answer.
TEST_F(CommandsTest, LongAnswersAreRowsOfTheirOwn) {
  constexpr size_t kLong = 20'000;
  constexpr uint64_t kCommands = 100;
  const auto text = [](uint64_t sequence, size_t bytes) {
    return std::string(bytes, static_cast<char>('a' + sequence % 26));
  };
  const auto put = [&](Replica& replica, uint64_t sequence) {
    // Short and long ones in turn.
    return replica.Run(
        session_, sequence, box_, testing::kPut,
        absl::StrCat("k ", text(sequence, sequence % 2 == 0 ? kLong : 100)));
  };
  const auto outputs = [](Replica& replica) {
    replica.Checkpoint();
    replica.WriteImage();
    const std::vector<EncodedRow>& rows = replica.image().rows;
    return static_cast<uint64_t>(std::count_if(
        rows.begin(), rows.end(),
        [](const EncodedRow& row) { return row.table == TableId::kOutputs; }));
  };
  for (uint64_t i = 2; i < 2 + kCommands; ++i) put(replica_, i);
  replica_.Checkpoint();
  replica_.WriteImage();
  size_t largest = 0;
  for (const EncodedRow& row : replica_.image().rows) {
    largest = std::max(largest, row.value.size());
  }
  EXPECT_LT(largest, kLong + 100);

  // All are replayed, here and behind a restart.
  Replica loaded = Replica::Load(replica_.image());
  for (Replica* replica : {&replica_, &loaded}) {
    for (uint64_t i = 2; i < 2 + kCommands; ++i) {
      EXPECT_EQ(Answer(put(*replica, i)), text(i, i % 2 == 0 ? kLong : 100))
          << i;
    }
    EXPECT_EQ(outputs(*replica), kCommands / 2);
    // Some, and then all, are let go of.
    replica->KeepAlive(session_, 11, {2, 3, 4, 5, 6, 7});
    EXPECT_EQ(outputs(*replica), kCommands / 2 - 2);  // 8 and 10.
    replica->KeepAlive(session_, 1 + kCommands, {6});
    // A filter may hold a few more than it was given.
    EXPECT_GE(outputs(*replica), 1u);
    EXPECT_LT(outputs(*replica), kCommands / 4);
    EXPECT_EQ(Answer(put(*replica, 6)), text(6, kLong));
    replica->KeepAlive(session_, 1 + kCommands);
    EXPECT_EQ(outputs(*replica), 0u);
  }
  EXPECT_EQ(replica_.machine().FullDigest(), loaded.machine().FullDigest());

  put(replica_, 1000);  // Goes with its session.
  EXPECT_EQ(outputs(replica_), 1u);
  replica_.Close(session_);
  replica_.Tick();
  EXPECT_EQ(outputs(replica_), 0u);
}

TEST_F(CommandsTest, IdsAreIndexesAndEveryClientCommandIsOne) {
  EXPECT_EQ(session_, SessionId(1));
  EXPECT_EQ(box_, PrimitiveId(2));
  EXPECT_EQ(Add(2).index, 3u);
  EXPECT_EQ(replica_.KeepAlive(session_, 1).index, 4u);
  EXPECT_EQ(replica_.Tick().index, 4u);
  EXPECT_EQ(replica_.NoOp().index, 4u);
  EXPECT_EQ(replica_.Checkpoint().index, 4u);
  EXPECT_EQ(replica_.Close(session_).index, 5u);
  EXPECT_EQ(replica_.Close(session_).index, 6u);  // Even if it fails.
}

TEST_F(CommandsTest, ARepeatedCommandGetsTheFirstAnswerAndTheNewIndex) {
  const Applied first = Add(2);
  EXPECT_EQ(first.outcome, Outcome::kAnswered);
  EXPECT_EQ(first.output.number, 1u);
  EXPECT_EQ(first.output.index, 3u);
  EXPECT_EQ(first.output.result.output, "1");
  Add(3);
  const Applied again = Add(2);
  EXPECT_EQ(again.outcome, Outcome::kAnswered);
  EXPECT_EQ(again.output.number, 1u);
  EXPECT_EQ(again.output.index, 5u);
  EXPECT_EQ(again.output.result.output, "1");
}

TEST_F(CommandsTest, NumbersComeInAnyOrderWithGaps) {
  EXPECT_EQ(Answer(Add(900)), "1");
  EXPECT_EQ(Answer(Add(7)), "2");
  EXPECT_EQ(Answer(Add(UINT64_MAX)), "3");
  EXPECT_EQ(Answer(Add(0)), "4");
  EXPECT_EQ(Answer(Add(900)), "1");
  EXPECT_EQ(Answer(Add(UINT64_MAX)), "3");
  EXPECT_EQ(Answer(Add(0)), "4");
}

TEST_F(CommandsTest, TheSameNumberWithAnotherContentIsRefused) {
  Add(2);
  EXPECT_EQ(replica_.Run(session_, 2, box_, testing::kFail).outcome,
            Outcome::kContentChanged);
  replica_.Run(session_, 3, box_, kEvents, "a");
  EXPECT_EQ(replica_.Run(session_, 3, box_, kEvents, "b").outcome,
            Outcome::kContentChanged);
  EXPECT_EQ(Answer(Add(2)), "1");
}

TEST_F(CommandsTest, ADomainErrorIsKeptAndReplayedToo) {
  EXPECT_EQ(Answer(replica_.Run(session_, 2, box_, testing::kFail)),
            "!8 as asked");
  EXPECT_EQ(Answer(replica_.Run(session_, 2, box_, testing::kFail)),
            "!8 as asked");
  EXPECT_EQ(replica_.Outputs(session_, 2), "1:!8 as asked end");
}

TEST_F(CommandsTest, AKeepAliveForgetsWhatIsFinishedAndItNeverRunsAgain) {
  Add(2);
  Add(3);
  EXPECT_EQ(replica_.KeepAlive(session_, 3, {3}).outcome, Outcome::kKeptAlive);
  EXPECT_EQ(replica_.Outputs(session_, 2), "end");
  EXPECT_EQ(replica_.Outputs(session_, 3), "1:2 end");
  EXPECT_EQ(Answer(Add(2)), "canceled");
  EXPECT_EQ(Answer(Add(3)), "2");
  EXPECT_EQ(Answer(Add(4)), "3");
}

TEST_F(CommandsTest, ANumberBelowTheMarkRunsOnlyIfItIsAwaited) {
  // 2 is on its way, 3 was given up before it arrived.
  replica_.KeepAlive(session_, 3, {2});
  EXPECT_EQ(Answer(Add(3)), "canceled");
  EXPECT_EQ(Answer(Add(2)), "1");
  EXPECT_EQ(Answer(Add(2)), "1");
}

TEST_F(CommandsTest, AnAwaitedNumberMayBeGivenUpLater) {
  replica_.KeepAlive(session_, 3, {2});
  replica_.KeepAlive(session_, 3, {});
  EXPECT_EQ(Answer(Add(2)), "canceled");
}

TEST_F(CommandsTest, AnOldKeepAliveAwaitsNothingNew) {
  replica_.KeepAlive(session_, 5, {});
  replica_.KeepAlive(session_, 3, {2});  // Late: 2 has been given up since.
  EXPECT_EQ(Answer(Add(2)), "canceled");
}

TEST_F(CommandsTest, AnOldKeepAliveSaysNothingOfHigherNumbers) {
  Add(2);
  Add(3);
  replica_.KeepAlive(session_, 2, {});
  EXPECT_EQ(Answer(Add(3)), "2");
}

TEST_F(CommandsTest, RepeatedKeepAlivesChangeNothing) {
  Add(2);
  for (int i = 0; i < 3; ++i) replica_.KeepAlive(session_, 4, {2, 4});
  EXPECT_EQ(Answer(Add(2)), "1");
  EXPECT_EQ(Answer(Add(3)), "canceled");
  EXPECT_EQ(Answer(Add(4)), "2");
}

// The client runs 2..5 and gets answers; its KeepAlives and a duplicate of each
// command are delayed in every possible way.
TEST(KeepAliveTest, NoOrderOfThreeKeepAlivesAndADuplicateRunsACommandTwice) {
  struct Sent {
    uint64_t last;
    std::vector<uint64_t> running;
  };
  const std::vector<Sent> sent = {{2, {2}}, {4, {2, 4}}, {5, {5}}};
  int orders = 0;
  for (uint64_t duplicate = 2; duplicate <= 5; ++duplicate) {
    for (int ran_before = 0; ran_before < 2; ++ran_before) {
      std::vector<int> order = {0, 1, 2, 3};  // 3: the duplicate.
      do {
        Replica replica;
        const SessionId session = replica.Open();
        const PrimitiveId box = replica.Create(session, 1, "b");
        int runs = 0;
        auto add = [&] { return replica.Run(session, duplicate, box, kAdd); };
        if (ran_before) {
          EXPECT_EQ(add().output.result.output, "1");
          ++runs;
        }
        bool given_up = false;
        for (int step : order) {
          if (step == 3) {
            const Applied applied = add();
            if (applied.outcome == Outcome::kAnswered) {
              // Whatever it ran before, it counts once.
              EXPECT_EQ(applied.output.result.output, "1");
              EXPECT_FALSE(given_up);
              runs = 1;
            } else {
              EXPECT_EQ(applied.outcome, Outcome::kCanceled);
              EXPECT_TRUE(given_up);
            }
            continue;
          }
          const Sent& keep_alive = sent[step];
          replica.KeepAlive(session, keep_alive.last, keep_alive.running);
          const bool holds =
              testing::FilterHolds(keep_alive.running, duplicate);
          if (duplicate <= keep_alive.last && !holds) given_up = true;
        }
        const Applied other = replica.Run(session, 100, box, kAdd);
        EXPECT_EQ(other.output.result.output, absl::StrCat(runs + 1));
        ++orders;
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
  EXPECT_EQ(orders, 4 * 2 * 24);
}

// Against the definition itself, number by number.
TEST(KeepAliveTest, AgreesWithANaiveModel) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    base::Random random(seed);
    Limits limits;
    limits.reclaim_items_max = random.Between(1, 40);
    limits.mark_step_max = random.OneIn(2) ? 7 : 1000;
    Replica replica(limits);
    const SessionId session = replica.Open();
    const PrimitiveId box = replica.Create(session, 5000, "b");
    uint64_t count = 0;
    uint64_t mark_end = 0;
    std::set<uint64_t> recorded, awaited;
    int pending = 0;
    for (int step = 0; step < 200; ++step) {
      const uint64_t number = random.Below(60);
      if (!random.OneIn(4)) {
        const Applied applied = replica.Run(session, number, box, kAdd);
        const bool expect_run = recorded.count(number) == 0 &&
                                (number >= mark_end || awaited.count(number));
        const bool expect_cancel = !expect_run && recorded.count(number) == 0;
        EXPECT_EQ(applied.outcome == Outcome::kCanceled, expect_cancel)
            << "seed " << seed << " step " << step << " number " << number;
        if (expect_run) {
          EXPECT_EQ(applied.output.result.output, absl::StrCat(++count));
          recorded.insert(number);
          awaited.erase(number);
        }
        continue;
      }
      // Let earlier ones finish before a fifth, which would only refresh.
      while (++pending >= 4 &&
             replica.machine().next_due_ns() == replica.machine().time_ns()) {
        replica.Tick();
      }
      if (replica.machine().next_due_ns() != replica.machine().time_ns()) {
        pending = 0;
      }
      const uint64_t last = random.Below(60);
      std::vector<uint64_t> running;
      for (uint64_t n = 0; n <= last; ++n) {
        if (random.OneIn(3)) running.push_back(n);
      }
      replica.KeepAlive(session, last, running);
      const uint64_t end = std::min(last + 1, mark_end + limits.mark_step_max);
      for (uint64_t n = 0; n < end; ++n) {
        // False positives count as running.
        if (!testing::FilterHolds(running, n)) {
          recorded.erase(n);
          awaited.erase(n);
        } else if (n >= mark_end && recorded.count(n) == 0) {
          awaited.insert(n);
        }
      }
      mark_end = std::max(mark_end, end);
    }
  }
}

TEST_F(CommandsTest, TheMarkRisesInSteps) {
  Limits limits;
  limits.mark_step_max = 10;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  replica.Run(session, 15, box, kAdd);
  replica.KeepAlive(session, 20, {});
  // Above the mark: kept, or it could run again.
  EXPECT_EQ(replica.Run(session, 15, box, kAdd).output.result.output, "1");
  EXPECT_EQ(replica.Run(session, 9, box, kAdd).outcome, Outcome::kCanceled);
  EXPECT_EQ(replica.Run(session, 10, box, kAdd).output.result.output, "2");
  replica.KeepAlive(session, 20, {});
  EXPECT_EQ(replica.Run(session, 15, box, kAdd).outcome, Outcome::kCanceled);
}

TEST_F(CommandsTest, AWaitIsAnsweredLaterAndThenReplayed) {
  const SessionId other = replica_.Open();
  replica_.Create(other, 1, "b");
  EXPECT_EQ(Answer(replica_.Run(session_, 2, box_, kLock)), "locked");
  EXPECT_EQ(replica_.Run(other, 2, box_, kLock).outcome, Outcome::kOpen);
  EXPECT_EQ(replica_.Run(other, 2, box_, kLock).outcome, Outcome::kOpen);
  EXPECT_EQ(replica_.Outputs(other, 2), "");
  replica_.machine().TakeEffects();
  replica_.Run(session_, 3, box_, kUnlock);
  const Effects effects = replica_.machine().TakeEffects();
  ASSERT_EQ(effects.commands.size(), 1u);
  EXPECT_EQ(effects.commands[0], (CommandKey{other, SequenceNum(2)}));
  EXPECT_EQ(replica_.Outputs(other, 2), "1:locked end");
  EXPECT_EQ(Answer(replica_.Run(other, 2, box_, kLock)), "locked");
}

TEST_F(CommandsTest, AKeepAliveCancelsAWait) {
  const SessionId other = replica_.Open();
  replica_.Create(other, 1, "b");
  replica_.Run(session_, 2, box_, kLock);
  replica_.Run(other, 2, box_, kLock);
  replica_.KeepAlive(other, 2, {2});
  EXPECT_EQ(replica_.Outputs(other, 2), "");
  replica_.KeepAlive(other, 2, {});
  EXPECT_EQ(replica_.Outputs(other, 2), "end");
  replica_.Run(session_, 3, box_, kUnlock);
  EXPECT_EQ(Answer(replica_.Run(session_, 4, box_, kLock)), "locked");
}

TEST_F(CommandsTest, ACancelEndsAWaitAsIfItHadNeverCome) {
  const SessionId other = replica_.Open();
  replica_.Create(other, 1, "b");
  replica_.Run(session_, 2, box_, kLock);
  replica_.Run(other, 2, box_, kLock);
  replica_.Run(other, 3, box_, kEvents);
  replica_.KeepAlive(other, 3, {2, 3});
  replica_.Cancel(other, 2);
  replica_.Cancel(other, 3);  // A stream goes on: its client may come back.
  EXPECT_EQ(replica_.Outputs(other, 2), "end");
  EXPECT_EQ(replica_.Outputs(other, 3), "");
  replica_.Run(session_, 3, box_, kUnlock);
  EXPECT_EQ(Answer(replica_.Run(other, 2, box_, kLock)), "locked");
  replica_.Cancel(other, 2);  // Too late: it has its answer.
  EXPECT_EQ(replica_.Outputs(other, 2), "1:locked end");
}

TEST_F(CommandsTest, CreatingAgainGivesTheSameIdByAnyOfItsNames) {
  EXPECT_EQ(replica_.Create(session_, 2, "b"), box_);
  EXPECT_EQ(replica_.Create(session_, 3, "b", "test.OldBox"), box_);
  EXPECT_EQ(replica_.Create(session_, 2, "b"), box_);  // A retry.
  EXPECT_EQ(replica_.Create(session_, 4, "b", "test.Crate"), PrimitiveId(0));
  EXPECT_EQ(replica_.Outputs(session_, 4),
            "1:!7 the primitive exists as a box end");
  EXPECT_EQ(replica_.Create(session_, 5, "b", "test.Sofa"), PrimitiveId(0));
  EXPECT_EQ(replica_.Outputs(session_, 5), "1:!7 unknown primitive type end");
  EXPECT_NE(replica_.Create(session_, 6, "c"), box_);
}

TEST_F(CommandsTest, OnlyThoseWhoOpenedAPrimitiveUseIt) {
  const SessionId other = replica_.Open();
  EXPECT_EQ(Answer(replica_.Run(other, 1, box_, kAdd)), "!7 session not found");
  EXPECT_EQ(Answer(replica_.Run(other, 2, PrimitiveId(77), kAdd)),
            "!7 primitive 77 not found");
  EXPECT_EQ(Answer(replica_.ClosePrimitive(other, 3, box_)),
            "!7 session not found");
  EXPECT_EQ(replica_.Get(other, box_, "a"), "!7 session not found");
  EXPECT_EQ(replica_.Get(SessionId(99), box_, "a"), "unknown session");
  EXPECT_EQ(replica_.Run(SessionId(99), 1, box_, kAdd).outcome,
            Outcome::kUnknownSession);
}

TEST_F(CommandsTest, AnOperationMustBelongToThePrimitivesType) {
  const PrimitiveId crate = replica_.Create(session_, 2, "c", "test.Crate");
  EXPECT_EQ(
      Answer(replica_.Run(session_, 3, crate, kAdd)),
      absl::StrCat("!7 primitive ", crate.value(), " is a crate, not a box"));
  EXPECT_EQ(Answer(replica_.Run(session_, 4, box_, 99)),
            "!11 proposal not supported");
  EXPECT_EQ(Answer(replica_.Run(session_, 5, box_, testing::kGet)),
            "!11 proposal not supported");
  EXPECT_EQ(Answer(replica_.Run(session_, 6, box_, testing::kSilent)),
            "!13 Silent has no answer");
}

TEST_F(CommandsTest, ClosingEndsWhatTheSessionHasOpenOnThePrimitive) {
  const PrimitiveId second = replica_.Create(session_, 2, "c");
  replica_.Run(session_, 3, box_, kEvents);
  replica_.Run(session_, 4, second, kEvents);
  replica_.Run(session_, 5, box_, kLock);
  const SessionId other = replica_.Open();
  replica_.Create(other, 1, "b");
  replica_.Run(other, 2, box_, kLock);
  const auto query = replica_.List(session_, 6, box_, "watch");
  EXPECT_EQ(replica_.ReadAll(query.id), "");
  EXPECT_EQ(Answer(replica_.ClosePrimitive(session_, 7, box_)), "");
  EXPECT_EQ(replica_.Outputs(session_, 3), "end");
  EXPECT_EQ(replica_.Outputs(session_, 4), "");
  EXPECT_EQ(replica_.Outputs(other, 2), "1:locked end");
  EXPECT_EQ(replica_.ReadAll(query.id), "end");
  EXPECT_EQ(Answer(Add(8)), "!7 session not found");
  EXPECT_EQ(replica_.Create(session_, 9, "b"), box_);
  EXPECT_EQ(Answer(Add(10)), "1");
}

TEST_F(CommandsTest, WhatAClosedPrimitiveCancelledNeverRunsAgain) {  // P52
  const SessionId other = replica_.Open();
  replica_.Create(other, 1, "b");
  replica_.Run(other, 2, box_, kLock);
  replica_.Run(session_, 2, box_, kEvents);
  replica_.Run(session_, 3, box_, kLock);
  replica_.ClosePrimitive(session_, 4, box_);
  replica_.Create(session_, 5, "b");
  replica_.Run(other, 3, box_, kUnlock);
  // Late copies of both: the events would find their old listener, the lock
  // would be granted to nobody.
  EXPECT_EQ(replica_.Run(session_, 2, box_, kEvents).outcome,
            Outcome::kCanceled);
  EXPECT_EQ(replica_.Run(session_, 3, box_, kLock).outcome, Outcome::kCanceled);
  EXPECT_EQ(replica_.Outputs(session_, 2), "end");
  EXPECT_EQ(replica_.Outputs(session_, 3), "end");
  EXPECT_EQ(replica_.Run(other, 4, box_, kLock).output.result.output, "locked");
}

TEST(ClosePrimitiveTest, OpeningAgainWaitsForTheClose) {
  Limits limits;
  limits.reclaim_items_max = 3;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  replica.Run(session, 2, box, testing::kHold, "20");
  replica.ClosePrimitive(session, 3, box);
  // One entry may not release all of it, so it is tried again.
  EXPECT_EQ(replica.Create(session, 4, "b"), PrimitiveId(0));
  for (int i = 0; i < 20; ++i) replica.Tick();
  EXPECT_EQ(replica.Create(session, 4, "b"), box);
  EXPECT_EQ(replica.Run(session, 5, box, kLock).output.result.output, "locked");
  // What it acquired since is its own.
  EXPECT_EQ(replica.Run(session, 6, box, kUnlock).output.result, Result());
}

TEST_F(CommandsTest, WhatNobodyKnowsStopsThePartitionUnchanged) {
  const uint64_t digest = replica_.machine().FullDigest();
  std::string unknown_kind = "\x6a\x02\x08\x01";  // Field 13.
  EXPECT_EQ(replica_.ApplyBytes(unknown_kind).outcome, Outcome::kCannotApply);
  EXPECT_EQ(replica_.ApplyBytes("\xff\xff").outcome, Outcome::kCannotApply);
  multiraft::disk::v1::Command command;
  command.mutable_set_version()->set_machine_version(2);
  EXPECT_EQ(replica_.Apply(command).outcome, Outcome::kCannotApply);
  command.mutable_session_command()->set_session_id(session_.value());
  EXPECT_EQ(replica_.Apply(command).outcome, Outcome::kCannotApply);
  EXPECT_EQ(replica_.machine().FullDigest(), digest);
  EXPECT_EQ(Answer(Add(2)), "1");
}

TEST_F(CommandsTest, ARecoveredPartitionGoesOnFarAboveWhatWasGivenOut) {
  constexpr uint64_t kStep = uint64_t{1} << 32;
  multiraft::disk::v1::Command command;
  command.mutable_tick();
  const uint64_t before = replica_.Apply(command).index;
  command.mutable_recover()->set_add_index(kStep);
  EXPECT_EQ(replica_.Apply(command).index, before + kStep);
  EXPECT_EQ(Answer(Add(2)), "1");
  command.mutable_tick();
  EXPECT_EQ(replica_.Apply(command).index, before + kStep + 1);
}

TEST_F(CommandsTest, WhoStopsNamesTheVersionThatIsNeeded) {  // U39
  multiraft::disk::v1::Command command;
  command.mutable_set_version()->set_machine_version(kMachineVersionNext);
  const Applied applied = replica_.Apply(command);
  EXPECT_EQ(applied.outcome, Outcome::kCannotApply);
  EXPECT_EQ(applied.message,
            "the partition needs machine version 2 and this binary knows 1; "
            "install a newer multiraft on this node");
}

TEST_F(CommandsTest, ANewVersionAppliesFromItsEntryOn) {
  Limits limits;
  limits.machine_version_max = kMachineVersionNext;
  Replica replica(limits);
  replica.Open();
  EXPECT_EQ(replica.machine().version_since(), 0u);
  multiraft::disk::v1::Command command;
  command.mutable_set_version()->set_machine_version(kMachineVersionNext);
  EXPECT_EQ(replica.Apply(command).outcome, Outcome::kNothing);
  EXPECT_EQ(replica.machine().machine_version(), kMachineVersionNext);
  EXPECT_EQ(replica.machine().version_since(), 2u);
  // Again, and an older one: nothing.
  replica.Apply(command);
  command.mutable_set_version()->set_machine_version(1);
  replica.Apply(command);
  EXPECT_EQ(replica.machine().machine_version(), kMachineVersionNext);
  EXPECT_EQ(replica.machine().version_since(), 2u);
  // It is part of the image.
  replica.Checkpoint();
  replica.WriteImage();
  EXPECT_EQ(
      testing::Replica::Load(replica.image(), limits).machine().version_since(),
      2u);
}

// Nodes of two versions must apply the same, so what the newer one brings is
// not there before the partition has its version (U39).
TEST_F(CommandsTest, WhatAVersionBringsIsNotThereBefore) {
  Limits limits;
  limits.machine_version_max = kMachineVersionNext;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  EXPECT_EQ(replica.Run(session, 2, box, testing::kLater).output.result.status,
            OperationStatus::kNotSupported);
  EXPECT_EQ(replica.Create(session, 3, "c", "test.Chest"), PrimitiveId(0));

  multiraft::disk::v1::Command command;
  command.mutable_set_version()->set_machine_version(kMachineVersionNext);
  replica.Apply(command);
  EXPECT_EQ(replica.Run(session, 4, box, testing::kLater).output.result.output,
            "1");
  EXPECT_NE(replica.Create(session, 5, "c", "test.Chest"), PrimitiveId(0));
  // What was answered then is answered again.
  EXPECT_EQ(replica.Run(session, 2, box, testing::kLater).output.result.status,
            OperationStatus::kNotSupported);
}

TEST_F(CommandsTest, AVersionThatIsKnownIsTaken) {
  multiraft::disk::v1::Command command;
  command.mutable_set_version()->set_machine_version(kMachineVersionMax);
  EXPECT_EQ(replica_.Apply(command).outcome, Outcome::kNothing);
  EXPECT_EQ(replica_.machine().machine_version(), kMachineVersionMax);
}

// Random bytes, and valid commands with bytes changed, are applied or refused.
TEST_F(CommandsTest, NoPayloadCrashes) {
  base::Random random(7);
  std::vector<std::string> seeds;
  replica_.Run(session_, 2, box_, kAdd);
  replica_.Run(session_, 3, box_, kEvents, "k");
  replica_.KeepAlive(session_, 3, {2, 3}, {{3, 1}});
  replica_.ClosePrimitive(session_, 4, box_);
  replica_.Create(session_, 5, "b");
  for (const auto& entry : replica_.log()) seeds.push_back(entry.payload);
  for (int i = 0; i < 20000; ++i) {
    std::string payload = seeds[random.Below(seeds.size())];
    const uint64_t changes = random.Below(4);
    for (uint64_t c = 0; c < changes && !payload.empty(); ++c) {
      payload[random.Below(payload.size())] = static_cast<char>(random.Next());
    }
    if (random.OneIn(10)) payload.resize(random.Below(payload.size() + 1));
    if (random.OneIn(10)) {
      payload.clear();
      for (uint64_t n = random.Below(40); n > 0; --n) {
        payload.push_back(static_cast<char>(random.Next()));
      }
    }
    replica_.ApplyBytes(payload);
  }
  replica_.machine().TakeEffects();
}

TEST_F(CommandsTest, RandomRetriesCountEachCommandOnce) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    base::Random random(seed);
    Replica replica;
    struct Client {
      SessionId session;
      uint64_t next = 2;
      std::set<uint64_t> running;  // Sent, not answered yet.
    };
    std::vector<Client> clients(3);
    PrimitiveId box;
    for (Client& client : clients) {
      client.session = replica.Open();
      box = replica.Create(client.session, 1, "b");
    }
    std::set<std::string> answers;
    uint64_t finished = 0;
    auto send = [&](Client& client, uint64_t number) {
      const Applied applied = replica.Run(client.session, number, box, kAdd);
      if (client.running.count(number) == 0) return;  // A late duplicate.
      ASSERT_EQ(applied.outcome, Outcome::kAnswered);
      if (random.OneIn(2)) return;  // The answer is lost: it will retry.
      EXPECT_TRUE(answers.insert(applied.output.result.output).second);
      client.running.erase(number);
      ++finished;
    };
    for (int step = 0; step < 400; ++step) {
      Client& client = clients[random.Below(clients.size())];
      switch (random.Below(4)) {
        case 0:
          client.running.insert(client.next);
          if (!random.OneIn(3)) send(client, client.next);
          ++client.next;
          break;
        case 1:
          if (!client.running.empty()) send(client, *client.running.begin());
          break;
        case 2:  // A duplicate of anything, from long ago.
          if (client.next > 2) send(client, random.Between(2, client.next - 1));
          break;
        case 3:
          replica.KeepAlive(client.session, client.next - 1,
                            {client.running.begin(), client.running.end()});
          break;
      }
    }
    for (Client& client : clients) {
      while (!client.running.empty()) {
        send(client, *client.running.begin());
      }
    }
    const std::string total =
        replica.Run(clients[0].session, 1'000'000, box, kAdd)
            .output.result.output;
    EXPECT_EQ(total, absl::StrCat(finished + 1)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace session
