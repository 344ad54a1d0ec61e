// How sessions end: by time, by close, in slices, and what grace they get.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace session {
namespace {

using testing::kAdd;
using testing::kEvents;
using testing::kHold;
using testing::kLock;
using testing::kPut;
using testing::kSecond;
using testing::kUnlock;
using testing::Replica;
using Outcome = Applied::Outcome;

TEST(ExpiryTest, ASessionIsGoneAtItsDeadlineAndNotBefore) {
  Replica replica;
  replica.At(100 * kSecond);
  const SessionId session = replica.Open(10 * kSecond);
  EXPECT_EQ(replica.machine().next_due_ns(), 110 * kSecond);
  replica.At(110 * kSecond - 1);
  EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kKeptAlive);
  replica.Pass(10 * kSecond);
  EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kUnknownSession);
  EXPECT_EQ(replica.machine().counts().sessions, 0u);
}

TEST(ExpiryTest, CommandsAndQueriesDoNotRefresh) {
  Replica replica;
  const SessionId session = replica.Open(10 * kSecond);
  replica.Pass(9 * kSecond);
  const PrimitiveId box = replica.Create(session, 1, "b");
  replica.Pass(kSecond);
  // Queries do not move time.
  EXPECT_EQ(replica.Get(session, box, "a"), "!4 no key");
  EXPECT_EQ(replica.Run(session, 2, box, kAdd).outcome,
            Outcome::kUnknownSession);
}

TEST(ExpiryTest, ATickExpiresAnIdleSession) {
  Replica replica;
  replica.Open(10 * kSecond);
  replica.At(replica.machine().next_due_ns());
  replica.Tick();
  EXPECT_EQ(replica.machine().counts().sessions, 0u);
  EXPECT_EQ(replica.machine().next_due_ns(), kNever);
}

TEST(ExpiryTest, AKeepAliveWithoutAUsableFilterRefreshesNothing) {
  Replica replica;
  const SessionId session = replica.Open(10 * kSecond);
  multiraft::disk::v1::Command command;
  command.mutable_keep_alive()->set_session_id(session.value());
  replica.Pass(9 * kSecond);
  EXPECT_FALSE(replica.machine().Admit(command).ok());
  EXPECT_EQ(replica.Apply(command).outcome, Outcome::kExhausted);
  replica.Pass(kSecond);
  EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kUnknownSession);
}

TEST(ExpiryTest, TimeNeverGoesBack) {
  Replica replica;
  replica.At(100 * kSecond);
  replica.Open(10 * kSecond);
  replica.At(50 * kSecond);
  replica.Tick();
  EXPECT_EQ(replica.machine().time_ns(), 100 * kSecond);
}

TEST(ExpiryTest, TheEndOfASessionReleasesWhatItHeld) {
  Replica replica;
  const SessionId holder = replica.Open(10 * kSecond);
  const SessionId waiter = replica.Open(60 * kSecond);
  const PrimitiveId box = replica.Create(holder, 1, "b");
  replica.Create(waiter, 1, "b");
  replica.Run(holder, 2, box, kLock);
  replica.Run(waiter, 2, box, kLock);
  replica.Run(holder, 3, box, kEvents);
  const auto query = replica.List(holder, 4, box, "watch");
  replica.ReadAll(query.id);
  replica.machine().TakeEffects();
  replica.Pass(10 * kSecond);
  replica.Tick();
  EXPECT_EQ(replica.Outputs(waiter, 2), "1:locked end");
  EXPECT_EQ(replica.Outputs(holder, 3), "end");
  const Effects effects = replica.machine().TakeEffects();
  EXPECT_EQ(effects.commands.size(), 2u);
  EXPECT_EQ(effects.queries, std::vector<QueryStreamId>{query.id});
  EXPECT_EQ(replica.ReadAll(query.id), "end");
  EXPECT_EQ(replica.machine().counts().query_streams, 0u);
}

TEST(ExpiryTest, ALockIsNotGrantedToASessionThatEndsWithItsHolder) {
  for (bool release_first : {false, true}) {
    Replica replica;
    const SessionId holder = replica.Open(10 * kSecond);
    const SessionId dead = replica.Open(10 * kSecond);
    const SessionId alive = replica.Open(60 * kSecond);
    PrimitiveId box;
    for (SessionId session : {holder, dead, alive}) {
      box = replica.Create(session, 1, "b");
    }
    replica.Run(holder, 2, box, kLock);
    replica.Run(dead, 2, box, kLock);
    replica.Run(alive, 2, box, kLock);
    replica.machine().TakeEffects();
    replica.Pass(10 * kSecond);
    if (release_first) {
      // Too late: it is gone, whatever it asks for.
      EXPECT_EQ(replica.Run(holder, 3, box, kUnlock).outcome,
                Outcome::kUnknownSession);
    } else {
      replica.Tick();
    }
    EXPECT_EQ(replica.Outputs(alive, 2), "1:locked end");
    EXPECT_EQ(replica.Outputs(dead, 2), "end");
  }
}

TEST(ExpiryTest, WhatIsDueHappensInTheOrderOfItsTime) {
  // The holder ends at 10 s, the wait times out at 11 s, the entry comes later.
  Replica replica;
  replica.At(0);
  const SessionId holder = replica.Open(10 * kSecond);
  const SessionId waiter = replica.Open(60 * kSecond);
  const PrimitiveId box = replica.Create(holder, 1, "b");
  replica.Create(waiter, 1, "b");
  replica.Run(holder, 2, box, kLock);
  replica.Run(waiter, 2, box, kLock, "11000000000");
  replica.At(20 * kSecond);
  replica.Tick();
  EXPECT_EQ(replica.Outputs(waiter, 2), "1:locked end");
}

TEST(ExpiryTest, AWaitThatTimesOutBeforeTheReleaseIsNotGranted) {
  Replica replica;
  replica.At(0);
  const SessionId holder = replica.Open(10 * kSecond);
  const SessionId waiter = replica.Open(60 * kSecond);
  const PrimitiveId box = replica.Create(holder, 1, "b");
  replica.Create(waiter, 1, "b");
  replica.Run(holder, 2, box, kLock);
  replica.Run(waiter, 2, box, kLock, "9000000000");
  replica.At(20 * kSecond);
  replica.Tick();
  EXPECT_EQ(replica.Outputs(waiter, 2), "1:!12 too late end");
}

TEST(ExpiryTest, TimersFireBeforeTheEntryTakesEffect) {
  Replica replica;
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  replica.Run(session, 2, box, kPut, "a 1 5000000000");
  EXPECT_EQ(replica.machine().next_due_ns(), replica.now() + 5 * kSecond);
  replica.Pass(5 * kSecond - 1);
  replica.Tick();
  EXPECT_EQ(replica.Get(session, box, "a"), "1");
  replica.Pass(1);
  EXPECT_EQ(replica.Get(session, box, "a"), "1");
  replica.Tick();
  EXPECT_EQ(replica.Get(session, box, "a"), "!4 no key");
}

TEST(SlicesTest, TenThousandSessionsEndInSlicesAndNoneEarly) {
  Limits limits;
  limits.reclaim_items_max = 500;
  Replica replica(limits);
  std::vector<SessionId> dying, staying;
  PrimitiveId box;
  for (int i = 0; i < 10'000; ++i) {
    dying.push_back(replica.Open(10 * kSecond));
    if (i % 100 != 0) continue;
    staying.push_back(replica.Open(11 * kSecond));
    box = replica.Create(dying.back(), 1, "b");
    replica.Run(dying.back(), 2, box, kHold, "20");
    replica.Run(dying.back(), 3, box, kLock);
    replica.Run(dying.back(), 4, box, kEvents);
  }
  replica.Pass(10 * kSecond);
  // Gone at once, for every command.
  EXPECT_EQ(replica.KeepAlive(dying.back(), 0).outcome,
            Outcome::kUnknownSession);
  EXPECT_EQ(replica.Run(dying[100], 5, box, kAdd).outcome,
            Outcome::kUnknownSession);
  EXPECT_EQ(replica.Get(dying[200], box, "a"), "unknown session");
  EXPECT_GT(replica.machine().counts().sessions, 8'000u);
  int ticks = 0;
  while (replica.machine().next_due_ns() == replica.machine().time_ns()) {
    replica.Tick();
    ASSERT_LT(++ticks, 100);
  }
  EXPECT_GT(ticks, 15);
  EXPECT_EQ(replica.machine().counts().sessions, staying.size());
  EXPECT_EQ(replica.machine().counts().open_commands, 0u);
  for (SessionId session : staying) {
    EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kKeptAlive);
  }
}

TEST(SlicesTest, LocksAreReleasedBeforeMemory) {
  Limits limits;
  limits.reclaim_items_max = 10;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const SessionId waiter = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  replica.Create(waiter, 1, "b");
  replica.Run(session, 2, box, kLock);
  for (uint64_t i = 3; i < 2000; ++i) replica.Run(session, i, box, kAdd);
  replica.Run(waiter, 2, box, kLock);
  EXPECT_EQ(replica.Close(session).outcome, Outcome::kSessionClosed);
  EXPECT_EQ(replica.Outputs(waiter, 2), "1:locked end");
  EXPECT_EQ(replica.machine().next_due_ns(), replica.machine().time_ns());
}

TEST(SlicesTest, ABigKeepAliveIsWorkedOffInSlicesButHoldsAtOnce) {
  Limits limits;
  limits.reclaim_items_max = 10;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  for (uint64_t i = 2; i < 1000; ++i) replica.Run(session, i, box, kAdd);
  replica.KeepAlive(session, 1200, {500, 1100});
  EXPECT_EQ(replica.machine().next_due_ns(), replica.machine().time_ns());
  EXPECT_EQ(replica.Outputs(session, 999), "end");
  EXPECT_EQ(replica.Run(session, 990, box, kAdd).outcome, Outcome::kCanceled);
  EXPECT_EQ(replica.Outputs(session, 500), "1:499 end");
  EXPECT_EQ(replica.Run(session, 1100, box, kAdd).output.result.output, "999");
  while (replica.machine().next_due_ns() == replica.machine().time_ns()) {
    replica.Tick();
  }
  EXPECT_EQ(replica.Run(session, 990, box, kAdd).outcome, Outcome::kCanceled);
  EXPECT_EQ(replica.Run(session, 500, box, kAdd).output.result.output, "499");
  EXPECT_EQ(replica.Run(session, 1100, box, kAdd).output.result.output, "999");
}

// --- Grace ------------------------------------------------------------------

TEST(GraceTest, AnOutageLongerThanTheTimeoutExpiresNobody) {
  Replica replica;
  const SessionId session = replica.Open(10 * kSecond);
  replica.Pass(1000 * kSecond);
  replica.NewTerm();
  replica.NoOp();
  replica.Pass(10 * kSecond - 1);
  EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kKeptAlive);
}

TEST(GraceTest, EvenIfTheFirstEntryIsAKeepAlive) {
  Replica replica;
  const SessionId session = replica.Open(10 * kSecond);
  replica.Pass(1000 * kSecond);
  replica.NewTerm();
  EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kKeptAlive);
}

TEST(GraceTest, TheDeadGetAtMostOneExtraTimeoutHoweverOftenLeadersChange) {
  Replica replica;
  const SessionId session = replica.Open(10 * kSecond);
  const uint64_t opened = replica.now();
  for (int i = 0; i < 100; ++i) {
    replica.Pass(kSecond);
    replica.NewTerm();
    replica.NoOp();
    if (replica.machine().counts().sessions == 0) break;
  }
  EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kUnknownSession);
  EXPECT_LE(replica.now() - opened, 20 * kSecond);
  EXPECT_GE(replica.now() - opened, 10 * kSecond);
}

TEST(GraceTest, TheLivingSurviveFrequentLeaderChanges) {
  Replica replica;
  const SessionId session = replica.Open(10 * kSecond);
  for (int i = 0; i < 100; ++i) {
    replica.Pass(9 * kSecond);
    replica.NewTerm();
    replica.NoOp();
    EXPECT_EQ(replica.KeepAlive(session, 0).outcome, Outcome::kKeptAlive);
  }
}

TEST(GraceTest, DeadlinesAgreeWithTheRuleAfterAnyHistory) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    base::Random random(seed);
    Replica replica;
    struct Model {
      SessionId id;
      uint64_t timeout, refreshed;
    };
    std::vector<Model> sessions;
    uint64_t grace = replica.now(), previous = 0;
    auto deadline = [&](const Model& m) {
      uint64_t from = m.refreshed;
      if (from >= previous && from < grace) from = grace;
      return from + m.timeout;
    };
    for (int step = 0; step < 300; ++step) {
      if (random.OneIn(3)) replica.Pass(random.Below(3) * kSecond);
      if (random.OneIn(6)) {
        replica.NewTerm();
        previous = grace;
        grace = replica.now();
      }
      auto expire = [&] {
        std::erase_if(sessions, [&](const Model& m) {
          return deadline(m) <= replica.now();
        });
      };
      expire();
      switch (random.Below(3)) {
        case 0: {
          const uint64_t timeout = random.Between(1, 12) * kSecond;
          sessions.push_back({replica.Open(timeout), timeout, replica.now()});
          break;
        }
        case 1:
          if (sessions.empty()) {
            replica.NoOp();
            break;
          }
          {
            Model& m = sessions[random.Below(sessions.size())];
            EXPECT_EQ(replica.KeepAlive(m.id, 0).outcome, Outcome::kKeptAlive);
            m.refreshed = replica.now();
          }
          break;
        case 2:
          replica.Tick();
      }
      ASSERT_EQ(replica.machine().counts().sessions, sessions.size())
          << "seed " << seed << " step " << step;
      uint64_t next = kNever;
      for (const Model& m : sessions) next = std::min(next, deadline(m));
      ASSERT_EQ(replica.machine().next_due_ns(), next);
    }
  }
}

// --- Admission and bounds ---------------------------------------------------

TEST(BoundsTest, TimeoutsOutOfRangeAreRefusedTwice) {
  Replica replica;
  multiraft::disk::v1::Command command;
  for (uint64_t timeout : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
    command.mutable_open_session()->set_timeout_ns(timeout);
    EXPECT_EQ(replica.machine().Admit(command).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(replica.Apply(command).outcome, Outcome::kExhausted);
  }
  command.mutable_open_session()->set_timeout_ns(kSecond);
  EXPECT_TRUE(replica.machine().Admit(command).ok());
}

TEST(BoundsTest, SessionsAndPrimitives) {
  Limits limits;
  limits.sessions_max = 2;
  limits.primitives_max = 1;
  Replica replica(limits);
  multiraft::disk::v1::Command open;
  open.mutable_open_session()->set_timeout_ns(kSecond);
  const SessionId session = replica.Open();
  EXPECT_TRUE(replica.machine().Admit(open).ok());
  replica.Open();
  EXPECT_EQ(replica.machine().Admit(open).code(),
            absl::StatusCode::kResourceExhausted);
  // What was proposed before the bound was seen still passes, up to twice it.
  EXPECT_EQ(replica.Apply(open).outcome, Outcome::kSessionOpened);
  EXPECT_EQ(replica.Apply(open).outcome, Outcome::kSessionOpened);
  const Applied refused = replica.Apply(open);
  EXPECT_EQ(refused.outcome, Outcome::kExhausted);
  EXPECT_EQ(refused.message, "sessions_max");

  multiraft::disk::v1::Command create;
  auto& body = *create.mutable_session_command();
  body.set_session_id(session.value());
  body.set_sequence_num(9);
  body.mutable_create_primitive()->set_service("test.Box");
  body.mutable_create_primitive()->set_name("x");
  EXPECT_TRUE(replica.machine().Admit(create).ok());
  replica.Create(session, 1, "y");
  EXPECT_EQ(replica.machine().Admit(create).code(),
            absl::StatusCode::kResourceExhausted);
  body.mutable_create_primitive()->set_name("y");  // It exists.
  EXPECT_TRUE(replica.machine().Admit(create).ok());
  body.mutable_create_primitive()->set_name(std::string(5000, 'n'));
  EXPECT_EQ(replica.machine().Admit(create).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(BoundsTest, ASessionsCache) {
  Limits limits;
  limits.session_records_max = 4;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  auto admit = [&](uint64_t number) {
    return replica.machine()
        .Admit(testing::PrimitiveCommandOf(session, number, box, kAdd, ""))
        .code();
  };
  for (uint64_t n = 2; n <= 4; ++n) {
    EXPECT_EQ(admit(n), absl::StatusCode::kOk);
    replica.Run(session, n, box, kAdd);
  }
  EXPECT_EQ(admit(5), absl::StatusCode::kUnavailable);
  EXPECT_EQ(admit(4), absl::StatusCode::kOk);  // A retry costs nothing more.
  for (uint64_t n = 5; n <= 8; ++n) {
    EXPECT_EQ(replica.Run(session, n, box, kAdd).outcome, Outcome::kAnswered);
  }
  EXPECT_EQ(replica.Run(session, 9, box, kAdd).outcome, Outcome::kBusy);
  EXPECT_EQ(replica.Run(session, 2, box, kAdd).output.result.output, "1");
  replica.KeepAlive(session, 8);
  EXPECT_EQ(admit(9), absl::StatusCode::kOk);
  EXPECT_EQ(replica.Run(session, 9, box, kAdd).output.result.output, "8");
}

TEST(BoundsTest, AcknowledgementsOfAKeepAlive) {
  Limits limits;
  limits.acknowledgements_max = 2;
  Replica replica(limits);
  multiraft::disk::v1::Command command;
  auto& keep_alive = *command.mutable_keep_alive();
  keep_alive.set_session_id(replica.Open().value());
  keep_alive.mutable_input_filter()->set_bits(1);
  keep_alive.mutable_input_filter()->set_hashes(1);
  for (int i = 0; i < 2; ++i) keep_alive.add_acknowledgements();
  EXPECT_TRUE(replica.machine().Admit(command).ok());
  EXPECT_EQ(replica.Apply(command).outcome, Outcome::kKeptAlive);
  keep_alive.add_acknowledgements();
  EXPECT_EQ(replica.machine().Admit(command).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(replica.Apply(command).outcome, Outcome::kExhausted);
}

// Else sessions with low ids could hold up the others for ever.
TEST(BoundsTest, KeepAlivesAreWorkedOffInTheOrderTheyCame) {
  Limits limits;
  limits.reclaim_items_max = 20;
  Replica replica(limits);
  const SessionId low = replica.Open();
  const SessionId high = replica.Open();
  const PrimitiveId box = replica.Create(low, 1, "b");
  replica.Create(high, 1, "b");
  for (uint64_t n = 2; n <= 200; ++n) {
    replica.Run(low, n, box, kAdd);
    replica.Run(high, n, box, kAdd);
  }
  // Every other number goes on, so each is looked at by itself.
  std::vector<uint64_t> running;
  for (uint64_t n = 2; n <= 200; n += 2) running.push_back(n);
  replica.KeepAlive(high, 200, running);
  replica.KeepAlive(low, 200, running);
  const auto cached = [&](size_t position) {
    return replica.machine()
        .ListSessions(SessionId(0), 5)[position]
        .cached_bytes;
  };
  const uint64_t before = cached(0);
  for (int i = 0; i < 5; ++i) replica.Tick();
  EXPECT_EQ(cached(0), before);
  EXPECT_LT(cached(1), before);
  for (int i = 0; i < 100; ++i) replica.Tick();
  EXPECT_LT(cached(0), before);
}

TEST(BoundsTest, StreamQueriesOfASession) {
  Limits limits;
  limits.session_query_streams_max = 2;
  Replica replica(limits);
  const SessionId first = replica.Open();
  const SessionId second = replica.Open();
  const PrimitiveId box = replica.Create(first, 1, "b");
  replica.Create(second, 1, "b");
  replica.List(first, 2, box, "watch");
  const QueryStreamId last = replica.List(first, 3, box, "watch").id;
  EXPECT_EQ(replica.List(first, 4, box, "watch").exhausted,
            "session_query_streams_max");
  EXPECT_EQ(replica.List(second, 2, box, "watch").exhausted, "");
  replica.machine().CloseQuery(last);
  EXPECT_EQ(replica.List(first, 4, box, "watch").exhausted, "");
}

TEST(BoundsTest, BytesOfASessionsCache) {
  Limits limits;
  limits.session_cache_bytes_max = 1000;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  const std::string value(600, 'v');
  replica.Run(session, 2, box, kPut, "k " + value);
  replica.Run(session, 3, box, kPut, "k " + value);
  EXPECT_EQ(replica.machine()
                .Admit(testing::PrimitiveCommandOf(session, 4, box, kAdd, ""))
                .code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(replica.machine().ListSessions(SessionId(0), 5)[0].cached_bytes,
            3 * 48 + 2 + 2 * 600);
}

TEST(BoundsTest, StateBytesStopGrowthAndLetTheRestPass) {
  Limits limits;
  limits.state_bytes_max = 20'000;
  Replica replica(limits);
  const SessionId session = replica.Open();
  const PrimitiveId box = replica.Create(session, 1, "b");
  auto admit = [&](uint32_t operation) {
    return replica.machine()
        .Admit(testing::PrimitiveCommandOf(session, 900, box, operation, "x y"))
        .code();
  };
  EXPECT_EQ(admit(kPut), absl::StatusCode::kOk);
  uint64_t n = 2;
  auto grow = [&] {
    ++n;
    return replica.Run(session, n, box, kPut,
                       "k" + std::to_string(n) + " " + std::string(3000, 'v'));
  };
  while (replica.machine().size_bytes() < limits.state_bytes_max) grow();
  EXPECT_EQ(admit(kPut), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(admit(testing::kDrop), absl::StatusCode::kOk);
  Applied applied;
  for (int i = 0; i < 20; ++i) applied = grow();
  EXPECT_EQ(applied.outcome, Outcome::kExhausted);
  EXPECT_LE(replica.machine().size_bytes(), 2 * limits.state_bytes_max + 8000);
}

TEST(ListSessionsTest, GoesOnBehindTheLastOne) {
  Replica replica;
  for (int i = 0; i < 5; ++i) replica.Open((10 + i) * kSecond);
  const auto first = replica.machine().ListSessions(SessionId(0), 3);
  ASSERT_EQ(first.size(), 3u);
  const auto rest = replica.machine().ListSessions(first.back().id, 3);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].timeout_ns, 13 * kSecond);
  EXPECT_EQ(rest[0].deadline_ns, replica.now() + 13 * kSecond);
}

}  // namespace
}  // namespace session
