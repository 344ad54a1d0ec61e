// Event streams, which are replicated, and query streams, which are local.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace session {
namespace {

using testing::kDrop;
using testing::kEvents;
using testing::kPut;
using testing::kSecond;
using testing::Replica;
using Outcome = Applied::Outcome;

class StreamsTest : public ::testing::Test {
 protected:
  explicit StreamsTest(const Limits& limits = SmallLimits())
      : replica_(limits) {
    writer_ = replica_.Open();
    reader_ = replica_.Open();
    box_ = replica_.Create(writer_, 1, "b");
    replica_.Create(reader_, 1, "b");
  }

  static Limits SmallLimits() {
    Limits limits;
    limits.stream_outputs_max = 5;
    limits.stream_bytes_max = 2000;
    limits.listing_rows_max = 3;
    limits.watch_changes_max = 6;
    limits.watch_bytes_max = 2000;
    return limits;
  }

  void Put(const std::string& key, const std::string& value) {
    replica_.Run(writer_, next_++, box_, kPut, key + " " + value);
  }
  void Drop(const std::string& key) {
    replica_.Run(writer_, next_++, box_, kDrop, key);
  }
  Applied Events(uint64_t sequence, const std::string& filter = "") {
    return replica_.Run(reader_, sequence, box_, kEvents, filter);
  }
  std::string Read(uint64_t sequence, uint64_t after = 0) {
    return replica_.Outputs(reader_, sequence, after);
  }

  Replica replica_;
  SessionId writer_, reader_;
  PrimitiveId box_;
  uint64_t next_ = 2;
};

// --- Events -----------------------------------------------------------------

TEST_F(StreamsTest, AListenerGetsWhatIsWrittenAfterIt) {
  Put("a", "0");
  EXPECT_EQ(Events(2).outcome, Outcome::kOpen);
  EXPECT_EQ(Read(2), "");
  Put("a", "1");
  Drop("a");
  EXPECT_EQ(Read(2), "1:a=1 2:a!");
  EXPECT_EQ(Read(2, 1), "2:a!");
  EXPECT_EQ(Read(2, 2), "");
}

TEST_F(StreamsTest, AFilterIsAKeyAndNumbersHaveNoGaps) {
  Events(2, "a");
  Events(3);
  Put("b", "1");
  Put("a", "2");
  Put("c", "3");
  Put("a", "4");
  EXPECT_EQ(Read(2), "1:a=2 2:a=4");
  EXPECT_EQ(Read(3), "1:b=1 2:a=2 3:c=3 4:a=4");
}

TEST_F(StreamsTest, EffectsNameEachListenerOnce) {
  Events(2, "a");
  Events(3);
  replica_.machine().TakeEffects();
  Put("a", "1");
  Put("a", "2");
  const Effects effects = replica_.machine().TakeEffects();
  EXPECT_EQ(effects.commands,
            (std::vector<CommandKey>{{reader_, SequenceNum(2)},
                                     {reader_, SequenceNum(3)}}));
  EXPECT_TRUE(replica_.machine().TakeEffects().commands.empty());
}

TEST_F(StreamsTest, AReconnectReplaysWhatIsNotAcknowledged) {
  Events(2);
  for (int i = 1; i <= 4; ++i) Put("a", std::to_string(i));
  EXPECT_EQ(Events(2).outcome, Outcome::kOpen);
  EXPECT_EQ(Read(2), "1:a=1 2:a=2 3:a=3 4:a=4");
  replica_.KeepAlive(reader_, 2, {2}, {{2, 3}});
  EXPECT_EQ(Read(2), "4:a=4");
  replica_.KeepAlive(reader_, 2, {2}, {{2, 1}});  // Old: ignored.
  EXPECT_EQ(Read(2), "4:a=4");
  Put("a", "5");
  EXPECT_EQ(Read(2, 4), "5:a=5");
}

TEST_F(StreamsTest, AnAcknowledgementOfWhatIsNotSentYetDropsNothing) {
  Events(2);
  Put("a", "1");
  replica_.KeepAlive(reader_, 2, {2}, {{2, 99}});
  Put("a", "2");
  EXPECT_EQ(Read(2), "2:a=2");
}

TEST_F(StreamsTest, AStreamThatFallsBehindGetsAnErrorAndNoGap) {
  Events(2);
  Events(3, "b");
  for (int i = 1; i <= 8; ++i) Put("a", std::to_string(i));
  EXPECT_EQ(Read(2),
            "1:a=1 2:a=2 3:a=3 4:a=4 5:a=5 "
            "6:!14 more than 5 outputs are not acknowledged end");
  EXPECT_EQ(Read(2, 6), "end");
  Put("b", "1");
  EXPECT_EQ(Read(3), "1:b=1");
  EXPECT_EQ(Events(2).outcome, Outcome::kOpen);  // A retry sees the same.
  EXPECT_EQ(Read(2, 5).substr(0, 5), "6:!14");
  replica_.KeepAlive(reader_, 3, {2, 3}, {{2, 6}});
  EXPECT_EQ(Read(2), "end");
  replica_.KeepAlive(reader_, 3, {3});
  EXPECT_EQ(Events(2).outcome, Outcome::kCanceled);
}

TEST_F(StreamsTest, AStreamWhoseClientAcknowledgesNeverEnds) {
  Events(2);
  for (uint64_t i = 1; i <= 50; ++i) {
    Put("a", std::to_string(i));
    if (i % 4 == 0) replica_.KeepAlive(reader_, 2, {2}, {{2, i}});
  }
  EXPECT_EQ(Read(2), "49:a=49 50:a=50");
}

TEST_F(StreamsTest, BytesEndAStreamToo) {
  Events(2);
  for (int i = 0; i < 4; ++i) Put("a", std::string(900, 'v'));
  EXPECT_NE(Read(2, 3).find("bytes of outputs are not acknowledged end"),
            std::string::npos);
}

TEST_F(StreamsTest, AKeepAliveEndsAStreamItDoesNotHold) {
  Events(2);
  Put("a", "1");
  replica_.machine().TakeEffects();
  replica_.KeepAlive(reader_, 2, {});
  EXPECT_EQ(Read(2), "end");
  EXPECT_EQ(replica_.machine().TakeEffects().commands.size(), 1u);
  Put("a", "2");
  EXPECT_EQ(Read(2), "end");
}

TEST_F(StreamsTest, EventsAreKeptOnceAndUntilTheLastLetsGo) {
  Events(2);
  Events(3);
  const uint64_t before = replica_.machine().size_bytes();
  Put("a", std::string(500, 'v'));
  const uint64_t with_event = replica_.machine().size_bytes();
  // The value itself, and one event for both.
  EXPECT_LT(with_event - before, 2000u);
  replica_.KeepAlive(reader_, 3, {2, 3}, {{2, 1}});
  EXPECT_EQ(Read(3).substr(0, 4), "1:a=");
  EXPECT_GT(replica_.machine().size_bytes(), with_event - 500);
  replica_.KeepAlive(reader_, 3, {2, 3}, {{3, 1}});
  EXPECT_LT(replica_.machine().size_bytes(), with_event - 500);
}

TEST_F(StreamsTest, ExpiryIsAnEventToo) {
  Events(2);
  replica_.Run(writer_, next_++, box_, kPut, "a 1 1000000000");
  replica_.Pass(kSecond);
  replica_.Tick();
  EXPECT_EQ(Read(2), "1:a=1 2:a!");
}

TEST_F(StreamsTest, TheOtherApisStreamsStartWithAnEmptyEvent) {
  auto command = testing::PrimitiveCommandOf(reader_, 2, box_, kEvents, "a");
  command.mutable_session_command()->set_generation(2);
  EXPECT_EQ(replica_.Apply(command).outcome, Outcome::kOpen);
  Events(3, "a");
  Put("a", "1");
  EXPECT_EQ(Read(2), "1:first 2:a=1");
  EXPECT_EQ(Read(3), "1:a=1");
}

// --- Local queries ----------------------------------------------------------

TEST_F(StreamsTest, AListingComesInSlicesAndEnds) {
  for (char c = 'a'; c <= 'h'; ++c) Put(std::string(1, c), "1");
  const auto query = replica_.List(reader_, 2, box_);
  EXPECT_EQ(replica_.ReadAll(query.id), "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 end");
  EXPECT_EQ(replica_.machine().counts().query_streams, 0u);
}

TEST_F(StreamsTest, AWatchGoesOnWithTheChanges) {
  Put("a", "1");
  const auto query = replica_.List(reader_, 2, box_, "watch");
  EXPECT_EQ(replica_.ReadAll(query.id), "a=1");
  EXPECT_TRUE(replica_.machine().TakeEffects().queries.empty());
  Put("a", "2");
  Drop("a");
  EXPECT_EQ(replica_.machine().TakeEffects().queries,
            std::vector<QueryStreamId>{query.id});
  EXPECT_EQ(replica_.ReadAll(query.id), "a=2 a!");
  replica_.machine().CloseQuery(query.id);
  EXPECT_EQ(replica_.machine().counts().query_streams, 0u);
}

TEST_F(StreamsTest, FailedQueriesSayWhyAndEnd) {
  const auto query = replica_.List(reader_, 2, PrimitiveId(99), "watch");
  EXPECT_FALSE(query.unknown_session);
  EXPECT_EQ(replica_.ReadAll(query.id), "!7 primitive 99 not found end");
  EXPECT_TRUE(replica_.List(SessionId(99), 2, box_).unknown_session);
}

TEST_F(StreamsTest, AWatcherThatFallsBehindOverflowsAlone) {
  const auto slow = replica_.List(reader_, 2, box_, "watch");
  const auto fast = replica_.List(reader_, 3, box_, "watch");
  replica_.ReadAll(slow.id);
  for (int i = 0; i < 10; ++i) {
    Put("a", std::to_string(i));
    EXPECT_EQ(replica_.ReadAll(fast.id), "a=" + std::to_string(i));
  }
  EXPECT_EQ(replica_.ReadAll(slow.id), "overflow");
  EXPECT_EQ(replica_.machine().counts().query_streams, 1u);
}

TEST_F(StreamsTest, AKeepAliveEndsTheQueriesItDoesNotHold) {
  const auto two = replica_.List(reader_, 2, box_, "watch");
  const auto again = replica_.List(reader_, 2, box_, "watch");
  const auto three = replica_.List(reader_, 3, box_, "watch");
  const auto late = replica_.List(reader_, 90, box_, "watch");
  replica_.machine().TakeEffects();
  replica_.KeepAlive(reader_, 3, {3});
  EXPECT_EQ(replica_.machine().TakeEffects().queries.size(), 2u);
  EXPECT_EQ(replica_.ReadAll(two.id), "end");
  EXPECT_EQ(replica_.ReadAll(again.id), "end");
  EXPECT_EQ(replica_.ReadAll(three.id), "");
  EXPECT_EQ(replica_.ReadAll(late.id), "");
}

TEST_F(StreamsTest, AnInstalledImageInterruptsQueries) {
  const auto query = replica_.List(reader_, 2, box_, "watch");
  replica_.machine().InterruptQueries();
  EXPECT_EQ(replica_.ReadAll(query.id), "overflow");
  EXPECT_EQ(replica_.ReadAll(query.id), "end");
}

// Whatever is written while a listing is read, the stream adds up to the state,
// every change of a listed key is there, and none is there twice.
TEST(WatchTest, ListingAndChangesAreOneHistory) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    base::Random random(seed);
    Limits limits;
    limits.listing_rows_max = random.Between(1, 4);
    Replica replica(limits);
    const SessionId session = replica.Open();
    const PrimitiveId box = replica.Create(session, 1, "b");
    uint64_t sequence = 2;
    std::map<std::string, std::string> state;
    auto write = [&] {
      const std::string key(1, static_cast<char>('a' + random.Below(12)));
      if (random.OneIn(4)) {
        replica.Run(session, sequence++, box, kDrop, key);
        state.erase(key);
      } else {
        const std::string value = std::to_string(sequence);
        replica.Run(session, sequence++, box, kPut, key + " " + value);
        state[key] = value;
      }
    };
    for (int i = 0; i < 10; ++i) write();
    const auto query = replica.List(session, sequence++, box, "watch");
    std::map<std::string, std::string> seen;
    std::map<std::string, int> times;
    auto read = [&] {
      const OutputRead read = replica.machine().ReadQuery(query.id);
      if (read.kind != OutputRead::Kind::kOutput) return false;
      const std::string& text = read.output.result.output;
      if (text.back() == '!') {
        EXPECT_EQ(seen.erase(text.substr(0, 1)), 1u) << "seed " << seed;
      } else {
        EXPECT_EQ(++times[text], 1) << text << " twice, seed " << seed;
        seen[text.substr(0, 1)] = text.substr(2);
      }
      return true;
    };
    for (int i = 0; i < 200; ++i) {
      if (random.OneIn(3)) write();
      if (random.OneIn(2)) read();
    }
    while (read()) {
    }
    EXPECT_EQ(seen, state) << "seed " << seed;
  }
}

}  // namespace
}  // namespace session
