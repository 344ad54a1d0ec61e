#include "partition/held_streams.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace partition {
namespace {

constexpr uint64_t kHoldNs = 100;
constexpr uint64_t kBytesMax = 1 << 20;

class Sink : public StreamSink {
 public:
  void Write(session::CommandOutput) override {}
  void End(Refusal) override {}
};

ProposeItem Command(uint64_t stream, size_t bytes = 0) {
  ProposeItem item{.stream = StreamId{stream},
                   .sink = std::make_shared<Sink>()};
  item.request.bytes = std::string(bytes, 'x');
  return item;
}

QueryItem Query(uint64_t stream) {
  return {.stream = StreamId{stream}, .sink = std::make_shared<Sink>()};
}

class HeldStreamsTest : public ::testing::Test {
 protected:
  template <class Item>
  bool Hold(Item item, uint64_t now_ns) {
    return held_.Hold(item, now_ns);
  }
  HeldStreams held_{kHoldNs, kBytesMax};
};

TEST_F(HeldStreamsTest, TakesAllInTheOrderTheyCame) {
  EXPECT_TRUE(Hold(Command(1), 0));
  EXPECT_TRUE(Hold(Query(2), 0));
  EXPECT_TRUE(Hold(Command(3), 50));
  HeldStreams::Items items = held_.TakeAll();
  ASSERT_EQ(items.commands.size(), 2u);
  EXPECT_EQ(items.commands[0].stream, StreamId{1});
  EXPECT_EQ(items.commands[1].stream, StreamId{3});
  ASSERT_EQ(items.queries.size(), 1u);
  EXPECT_EQ(items.queries[0].stream, StreamId{2});
  EXPECT_TRUE(held_.empty());
}

TEST_F(HeldStreamsTest, EachWaitsForItsWholeTime) {
  EXPECT_TRUE(Hold(Command(1), 0));
  EXPECT_TRUE(Hold(Query(2), 0));
  EXPECT_TRUE(Hold(Command(3), 50));
  EXPECT_TRUE(held_.TakeExpired(99).commands.empty());
  HeldStreams::Items items = held_.TakeExpired(100);
  ASSERT_EQ(items.commands.size(), 1u);
  EXPECT_EQ(items.commands[0].stream, StreamId{1});
  EXPECT_EQ(items.queries.size(), 1u);
  EXPECT_FALSE(held_.empty());
  EXPECT_EQ(held_.TakeExpired(150).commands.size(), 1u);
  EXPECT_TRUE(held_.empty());
}

TEST_F(HeldStreamsTest, TryingAgainDoesNotProlong) {
  EXPECT_TRUE(Hold(Command(1), 0));
  ProposeItem item = std::move(held_.TakeAll().commands[0]);
  EXPECT_TRUE(held_.Hold(item, 60));
  item = std::move(held_.TakeAll().commands[0]);
  EXPECT_FALSE(held_.Hold(item, 100));
  EXPECT_NE(item.sink, nullptr);  // Still ours.
}

TEST_F(HeldStreamsTest, BytesAreBounded) {
  EXPECT_TRUE(Hold(Command(1, kBytesMax - 300), 0));
  EXPECT_FALSE(Hold(Query(2), 0));
  held_.TakeAll();
  EXPECT_TRUE(Hold(Query(2), 0));
}

}  // namespace
}  // namespace partition
