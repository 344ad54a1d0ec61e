#include "partition/held_streams.h"

#include <memory>
#include <utility>

#include "gtest/gtest.h"

namespace partition {
namespace {

class Sink : public StreamSink {
 public:
  void Write(session::CommandOutput) override {}
  void End(Refusal) override {}
};

ProposeItem Command(uint64_t stream) {
  return {.stream = StreamId{stream}, .sink = std::make_shared<Sink>()};
}

QueryItem Query(uint64_t stream) {
  return {.stream = StreamId{stream}, .sink = std::make_shared<Sink>()};
}

TEST(HeldStreamsTest, TakesAllInTheOrderTheyCame) {
  HeldStreams held(100);
  held.Hold(Command(1), 0);
  held.Hold(Query(2), 0);
  held.Hold(Command(3), 50);
  HeldStreams::Items items = held.TakeAll();
  ASSERT_EQ(items.commands.size(), 2u);
  EXPECT_EQ(items.commands[0].stream, StreamId{1});
  EXPECT_EQ(items.commands[1].stream, StreamId{3});
  ASSERT_EQ(items.queries.size(), 1u);
  EXPECT_EQ(items.queries[0].stream, StreamId{2});
  EXPECT_TRUE(held.empty());
}

TEST(HeldStreamsTest, EachWaitsForItsWholeTime) {
  HeldStreams held(100);
  held.Hold(Command(1), 0);
  held.Hold(Query(2), 0);
  held.Hold(Command(3), 50);
  EXPECT_TRUE(held.TakeExpired(99).commands.empty());
  HeldStreams::Items items = held.TakeExpired(100);
  ASSERT_EQ(items.commands.size(), 1u);
  EXPECT_EQ(items.commands[0].stream, StreamId{1});
  EXPECT_EQ(items.queries.size(), 1u);
  EXPECT_FALSE(held.empty());
  EXPECT_EQ(held.TakeExpired(150).commands.size(), 1u);
  EXPECT_TRUE(held.empty());
}

}  // namespace
}  // namespace partition
