// What the streams of a whole state machine do not show of the event log alone.

#include "session/event_log.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "session/limits.h"
#include "session/log_time.h"
#include "session/table_set.h"
#include "session/types.h"

namespace session {
namespace {

constexpr PrimitiveId kMap{9};

class EventLogTest : public ::testing::Test {
 protected:
  CommandKey Listen(uint64_t sequence, const std::string& filter = "") {
    log_time_.NextIndex();
    const CommandKey command{SessionId(1), SequenceNum(sequence)};
    events_.Listen(command, kMap, filter, "");
    return command;
  }

  // Whom the event was for.
  std::string Publish(uint64_t change_index, const std::string& key,
                      const std::string& output) {
    std::vector<CommandKey> touched;
    events_.Publish(kMap, change_index, key, output, touched);
    std::string sequences;
    for (const CommandKey& command : touched) {
      sequences += std::to_string(command.sequence.value()) + " ";
    }
    return sequences;
  }

  std::string Read(CommandKey command, uint64_t after = 0) {
    const EventLog::Read read = events_.ReadOutput(command, after);
    if (read.kind == EventLog::Read::Kind::kEnded) return "end";
    if (read.kind == EventLog::Read::Kind::kNothingYet) return "";
    return std::to_string(read.number) + ":" + read.result.output +
           read.result.message;
  }

  Limits limits_{.stream_outputs_max = 5};
  TableSet tables_;
  LogTime log_time_{tables_};
  EventLog events_{tables_, limits_, log_time_};
};

TEST_F(EventLogTest, WhatHappenedBeforeAListenerCameIsNotForIt) {
  Listen(1);
  Listen(2);
  EXPECT_EQ(Publish(1, "k", "put off"), "1 ");
  EXPECT_EQ(Publish(2, "k", "now"), "1 2 ");
}

TEST_F(EventLogTest, ListenersAreToldInTheOrderOfTheirCommands) {
  Listen(3);
  Listen(1, "k");
  Listen(2);
  EXPECT_EQ(Publish(3, "k", "x"), "1 2 3 ");
  EXPECT_EQ(Publish(3, "other", "x"), "2 3 ");
}

TEST_F(EventLogTest, NobodyListensMeansNothingIsKept) {
  EXPECT_FALSE(events_.HasListeners(kMap));
  EXPECT_EQ(Publish(1, "k", "x"), "");
  EXPECT_EQ(tables_.rows(), 0u);
  const CommandKey command = Listen(1, "k");
  EXPECT_TRUE(events_.HasListeners(kMap));
  EXPECT_EQ(Publish(1, "other", "x"), "");
  EXPECT_EQ(tables_.rows(), 1u);  // The listener.
  EXPECT_FALSE(events_.Forget(command));
  EXPECT_FALSE(events_.HasListeners(kMap));
  EXPECT_EQ(tables_.rows(), 0u);
}

TEST_F(EventLogTest, AcknowledgedOutputsAreGoneAtOnceAndLetGoInSlices) {
  const CommandKey command = Listen(1);
  for (const char* output : {"a", "b", "c", "d"}) Publish(1, "k", output);
  EXPECT_TRUE(events_.Acknowledge(command, 3));
  EXPECT_EQ(Read(command), "4:d");
  uint64_t budget = 2;
  EXPECT_FALSE(events_.Release(command, budget));
  EXPECT_EQ(budget, 0u);
  EXPECT_EQ(tables_.rows(), 1u + 2u);
  budget = 10;
  EXPECT_TRUE(events_.Release(command, budget));
  EXPECT_EQ(budget, 9u);
  EXPECT_EQ(tables_.rows(), 1u + 1u);
  EXPECT_EQ(Read(command), "4:d");
  EXPECT_EQ(Read(command, 4), "");
}

TEST_F(EventLogTest, AForgottenListenerGetsNothingWhileItIsLetGo) {
  const CommandKey command = Listen(1);
  for (const char* output : {"a", "b", "c"}) Publish(1, "k", output);
  EXPECT_TRUE(events_.Forget(command));
  EXPECT_EQ(Read(command), "end");
  EXPECT_EQ(Publish(1, "k", "d"), "");
  uint64_t budget = 2;
  EXPECT_FALSE(events_.Release(command, budget));
  EXPECT_GT(events_.cached_bytes(SessionId(1)), 0u);
  budget = 2;
  EXPECT_TRUE(events_.Release(command, budget));
  EXPECT_EQ(events_.cached_bytes(SessionId(1)), 0u);
  EXPECT_EQ(tables_.rows(), 0u);
}

TEST_F(EventLogTest, OneThatFallsBehindDoesNotEndTheOthers) {
  const CommandKey slow = Listen(1);
  for (int i = 0; i < 3; ++i) Publish(1, "k", "x");
  const CommandKey other = Listen(2);
  for (int i = 0; i < 4; ++i) Publish(2, "k", "y");
  EXPECT_EQ(Read(slow, 5), "6:more than 5 outputs are not acknowledged");
  EXPECT_EQ(Read(slow, 6), "end");
  EXPECT_EQ(Read(other, 3), "4:y");
  EXPECT_EQ(Read(other, 4), "");
}

}  // namespace
}  // namespace session
