#include "server/cluster/node_book.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace server::cluster {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class FakeClock : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return now_ns; }
  int64_t WallNanos() override { return now_ns; }
  int64_t now_ns = 1000 * static_cast<int64_t>(kSecond);
};

KnownNode Node(uint32_t number, uint64_t incarnation, const char* address) {
  return {.node = base::NodeId(number),
          .incarnation = incarnation,
          .peer_address = address};
}

class NodeBookTest : public testing::Test {
 protected:
  // The address of a node; "": it is not known.
  std::string AddressOf(uint32_t number) {
    for (const NodeBook::Heard& heard : book_.All()) {
      if (heard.node.node == base::NodeId(number)) {
        return heard.node.peer_address;
      }
    }
    return "";
  }

  FakeClock clock_;
  int changes_ = 0;
  NodeBook book_{Node(1, 11, "self"), clock_, [this] { ++changes_; }};
};

TEST_F(NodeBookTest, TellsOnlyOfWhatIsNew) {
  book_.Learn(Node(2, 22, "a"), 0);
  EXPECT_EQ(changes_, 1);
  clock_.now_ns += 1;
  book_.Learn(Node(2, 22, "a"), 0);
  EXPECT_EQ(changes_, 1);
  clock_.now_ns += 1;
  book_.Learn(Node(2, 22, "b"), 0);
  EXPECT_EQ(changes_, 2);
  EXPECT_EQ(AddressOf(2), "b");
}

TEST_F(NodeBookTest, WhatWasHeardLastCounts) {
  book_.Learn(Node(2, 22, "new"), 1 * kSecond);
  book_.Learn(Node(2, 21, "old"), 5 * kSecond);
  EXPECT_EQ(AddressOf(2), "new");
  book_.Learn(Node(2, 23, "newest"), 0);
  EXPECT_EQ(AddressOf(2), "newest");
}

TEST_F(NodeBookTest, NobodySpeaksForThisNode) {
  book_.Learn(Node(1, 99, "elsewhere"), 0);
  EXPECT_EQ(AddressOf(1), "self");
  EXPECT_EQ(changes_, 0);
}

// Two that tell each other of a node that is gone must not keep it alive.
TEST_F(NodeBookTest, WhoIsSilentForAMinuteIsForgottenByAll) {
  NodeBook other(Node(3, 33, "other"), clock_, [] {});
  book_.Learn(Node(2, 22, "a"), 0);
  for (int i = 0; i < 12; ++i) {
    clock_.now_ns += 5 * static_cast<int64_t>(kSecond);
    for (const auto& heard : book_.All()) other.Learn(heard.node, heard.ago_ns);
    for (const auto& heard : other.All()) book_.Learn(heard.node, heard.ago_ns);
  }
  EXPECT_EQ(AddressOf(2), "");
  EXPECT_EQ(AddressOf(3), "other");
}

// Numbers of nodes that come and go do not add up.
TEST_F(NodeBookTest, ThereIsRoomForThoseThatAreThere) {
  const auto fill = [&](uint32_t from) {
    for (uint32_t i = 0; i < NodeBook::kNodesMax; ++i) {
      book_.Learn(Node(from + i, 22, "a"), 0);
    }
  };
  fill(2);
  book_.Learn(Node(5000, 22, "b"), 0);
  EXPECT_EQ(AddressOf(5000), "");
  // Those that are known may still move.
  clock_.now_ns += 1;
  book_.Learn(Node(2, 22, "c"), 0);
  EXPECT_EQ(AddressOf(2), "c");
  clock_.now_ns += static_cast<int64_t>(NodeBook::kForgetNs);
  fill(5000);
  EXPECT_EQ(book_.All().size(), 1 + NodeBook::kNodesMax);
  EXPECT_EQ(AddressOf(5000), "a");
}

TEST_F(NodeBookTest, WhatNobodyCouldUseIsNotTaken) {
  book_.Learn(Node(0, 22, "a"), 0);
  book_.Learn(Node(2, 0, "a"), 0);
  book_.Learn(Node(2, 22, ""), 0);
  EXPECT_EQ(book_.All().size(), 1u);
}

}  // namespace
}  // namespace server::cluster
