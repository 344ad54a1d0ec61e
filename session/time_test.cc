// Log time, session deadlines and timers, each alone.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "base/random.h"
#include "gtest/gtest.h"
#include "session/deadlines.h"
#include "session/log_time.h"
#include "session/rows.h"
#include "session/table_set.h"
#include "session/timers.h"

namespace session {
namespace {

TEST(LogTimeTest, TimeIsTheLatestSeenAndTermsSetGrace) {
  TableSet tables;
  LogTime time(tables);
  EXPECT_TRUE(time.Advance(1, 100));
  EXPECT_FALSE(time.Advance(1, 50));
  EXPECT_EQ(time.time_ns(), 100u);
  EXPECT_FALSE(time.Advance(1, 300));
  EXPECT_TRUE(time.Advance(4, 200));
  EXPECT_EQ(time.time_ns(), 300u);
  EXPECT_EQ(time.grace_start_ns(), 300u);
  EXPECT_EQ(time.previous_grace_start_ns(), 100u);
}

TEST(LogTimeTest, GraceIsForThoseRefreshedSinceTheGraceBefore) {
  TableSet tables;
  LogTime time(tables);
  time.Advance(1, 100);
  time.Advance(2, 200);
  auto deadline = [&](uint64_t refreshed) {
    return time.DeadlineOf({.timeout_ns = 10, .refreshed_ns = refreshed});
  };
  EXPECT_EQ(deadline(99), 109u);
  EXPECT_EQ(deadline(100), 210u);
  EXPECT_EQ(deadline(150), 210u);
  EXPECT_EQ(deadline(250), 260u);
  EXPECT_EQ(time.DeadlineOf({.timeout_ns = kNever, .refreshed_ns = 5}), kNever);
}

TEST(LogTimeTest, WhatIsStoredIsLoaded) {
  TableSet tables;
  LogTime time(tables);
  EXPECT_FALSE(time.Load());
  time.Advance(3, 7);
  time.NextIndex();
  time.NextEventPosition();
  time.Store();
  time.NextIndex();
  EXPECT_TRUE(time.Load());
  EXPECT_EQ(time.index(), 1u);
  EXPECT_EQ(time.event_position(), 1u);
  EXPECT_EQ(time.time_ns(), 7u);
}

TEST(DeadlinesTest, AgreeWithTheRuleForEverySession) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    base::Random random(seed);
    TableSet tables;
    LogTime time(tables);
    Deadlines deadlines(time);
    std::map<SessionId, SessionRow> rows;
    uint64_t term = 1, now = 1;
    for (int step = 0; step < 400; ++step) {
      now += random.Below(3);
      if (random.OneIn(8)) ++term;
      if (time.Advance(term, now)) deadlines.NewTerm();
      const SessionId id(random.Between(1, 20));
      if (random.OneIn(4)) {
        deadlines.Remove(id);
        rows.erase(id);
      } else if (random.OneIn(2)) {
        rows[id] = {.timeout_ns = random.Between(1, 30), .refreshed_ns = now};
        deadlines.Set(id, rows[id]);
      }
      ASSERT_EQ(deadlines.size(), rows.size());
      std::pair<uint64_t, SessionId> first(kNever, SessionId(0));
      for (const auto& [session, row] : rows) {
        first = std::min(first, {time.DeadlineOf(row), session});
      }
      const auto next = deadlines.Next();
      ASSERT_EQ(next.has_value(), !rows.empty());
      if (!next) continue;
      ASSERT_EQ(next->at_ns, first.first) << "seed " << seed;
      // Whoever it names is due then.
      ASSERT_EQ(time.DeadlineOf(rows.at(next->session)), next->at_ns);
    }
  }
}

std::string FireAll(Timers& timers, uint64_t now) {
  std::string fired;
  while (true) {
    const auto next = timers.Next(0);
    if (!next || next->at_ns > now) return fired;
    fired += std::to_string(next->at_ns) + ":" +
             std::to_string(next->primitive.value()) + timers.Take(0) + " ";
  }
}

TEST(TimersTest, FireInTheOrderOfTimePrimitiveAndKey) {
  Timers timers;
  timers.Set(PrimitiveId(2), "b", 10);
  timers.Set(PrimitiveId(2), "a", 10);
  timers.Set(PrimitiveId(1), "z", 10);
  timers.Set(PrimitiveId(9), "q", 5);
  timers.Set(PrimitiveId(1), "y", 20);
  timers.Settle();
  EXPECT_EQ(FireAll(timers, 15), "5:9q 10:1z 10:2a 10:2b ");
  EXPECT_EQ(timers.next_due_ns(), 20u);
  EXPECT_EQ(timers.size(), 1u);
}

TEST(TimersTest, SettingAgainMovesAndCancellingRemoves) {
  Timers timers;
  timers.Set(PrimitiveId(1), "a", 10);
  timers.Settle();
  timers.Set(PrimitiveId(1), "a", 5);
  timers.Set(PrimitiveId(1), "b", 6);
  timers.Cancel(PrimitiveId(1), "b");
  timers.Cancel(PrimitiveId(7), "b");
  timers.Settle();
  EXPECT_EQ(FireAll(timers, 100), "5:1a ");
}

TEST(TimersTest, ANewTimerWaitsForTheNextEntry) {
  Timers timers;
  timers.Set(PrimitiveId(1), "a", 0);
  EXPECT_EQ(FireAll(timers, 100), "");
  EXPECT_EQ(timers.next_due_ns(), 0u);
  timers.Settle();
  EXPECT_EQ(FireAll(timers, 100), "0:1a ");
}

TEST(TimersTest, ThoseThatAreDueLaterAreFoundBehindTheOthers) {
  Timers timers;
  timers.Set(PrimitiveId(1), "c", 0);
  timers.Set(PrimitiveId(2), "c", 0);
  timers.Set(PrimitiveId(1), "t", 7);
  timers.Set(PrimitiveId(3), "t", 5);
  timers.Settle();
  EXPECT_EQ(timers.Next(1)->at_ns, 5u);
  EXPECT_EQ(timers.Next(1)->primitive, PrimitiveId(3));
  EXPECT_EQ(timers.Take(1), "t");
  EXPECT_EQ(timers.Next(6)->primitive, PrimitiveId(1));
  EXPECT_FALSE(timers.Next(8).has_value());
  EXPECT_EQ(FireAll(timers, 100), "0:1c 0:2c 7:1t ");
}

TEST(TimersTest, CancelAllIsOfOnePrefixOfOnePrimitive) {
  Timers timers;
  for (int i = 0; i < 500; ++i) {
    timers.Set(PrimitiveId(1), "t" + std::to_string(i), 10);
  }
  timers.Set(PrimitiveId(1), "w1", 11);
  timers.Set(PrimitiveId(2), "tx", 10);
  timers.Settle();
  timers.Set(PrimitiveId(1), "tnew", 1);
  timers.CancelAll(PrimitiveId(1), 't');
  timers.Set(PrimitiveId(1), "tafter", 12);
  for (int i = 0; i < 20; ++i) timers.Settle();
  EXPECT_EQ(FireAll(timers, 100), "10:2tx 11:1w1 12:1tafter ");
}

TEST(TimersTest, AgreeWithANaiveModel) {
  base::Random random(3);
  Timers timers;
  std::map<std::pair<PrimitiveId, std::string>, uint64_t> model;
  for (int step = 0; step < 3000; ++step) {
    const PrimitiveId primitive(random.Between(1, 4));
    const char prefix = static_cast<char>('p' + random.Below(2));
    const std::string key{prefix, static_cast<char>('a' + random.Below(3))};
    switch (random.Below(5)) {
      case 0:
        timers.Cancel(primitive, key);
        model.erase({primitive, key});
        break;
      case 1:
        if (!random.OneIn(10)) break;
        timers.CancelAll(primitive, prefix);
        std::erase_if(model, [&](const auto& timer) {
          return timer.first.first == primitive &&
                 timer.first.second[0] == prefix;
        });
        break;
      default: {
        const uint64_t due = random.Below(1000);
        timers.Set(primitive, key, due);
        model[{primitive, key}] = due;
      }
    }
    if (!random.OneIn(3)) continue;
    timers.Settle();
    if (model.empty()) {
      ASSERT_FALSE(timers.Next(0).has_value());
      continue;
    }
    std::tuple<uint64_t, PrimitiveId, std::string> first(kNever, PrimitiveId(0),
                                                         "");
    for (const auto& [name, due] : model) {
      first = std::min(first, {due, name.first, name.second});
    }
    ASSERT_EQ(timers.Next(0)->at_ns, std::get<0>(first));
    ASSERT_EQ(timers.Next(0)->primitive, std::get<1>(first));
    ASSERT_EQ(timers.Take(0), std::get<2>(first));
    model.erase({std::get<1>(first), std::get<2>(first)});
  }
}

}  // namespace
}  // namespace session
