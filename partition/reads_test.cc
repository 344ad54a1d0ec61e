#include "partition/reads.h"

#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace partition {
namespace {

using raft::Index;

constexpr uint64_t kWaitNs = 5000;
constexpr uint64_t kBytesMax = 1 << 20;

// A query whose number is its sequence, and that wants `index` to be reached.
QueryItem Query(uint64_t number, uint64_t max_received_index = 0) {
  QueryItem item;
  item.request.query.sequence = session::SequenceNum{number};
  item.request.max_received_index = max_received_index;
  item.completion =
      Completion<session::QueryAnswer>([](Reply<session::QueryAnswer>) {});
  return item;
}

std::vector<uint64_t> Numbers(const std::vector<QueryItem>& items) {
  std::vector<uint64_t> numbers;
  for (const QueryItem& item : items) {
    numbers.push_back(item.request.query.sequence.value());
  }
  return numbers;
}

using Is = std::vector<uint64_t>;

TEST(ReadsTest, QueriesOfOneTurnShareARound) {
  Reads reads(kWaitNs, kBytesMax);
  EXPECT_EQ(reads.TakeContext(), 0u);
  reads.Add(Query(1), 0);
  reads.Add(Query(2), 0);
  const uint64_t context = reads.TakeContext();
  EXPECT_NE(context, 0u);
  EXPECT_EQ(reads.TakeContext(), 0u);
  reads.Confirm(context, Index{7});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{6}, 100)), Is{});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{7}, 100)), (Is{1, 2}));
  EXPECT_EQ(Numbers(reads.TakeReady(Index{7}, 100)), Is{});
}

TEST(ReadsTest, AConfirmationCoversOnlyEarlierQueries) {  // P47
  Reads reads(kWaitNs, kBytesMax);
  reads.Add(Query(1), 0);
  const uint64_t first = reads.TakeContext();
  reads.Add(Query(2), 0);
  reads.Confirm(first, Index{1});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{1}, 0)), Is{1});
  const uint64_t second = reads.TakeContext();
  EXPECT_NE(second, first);
  reads.Confirm(first, Index{1});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{9}, 0)), Is{});
  reads.Confirm(second, Index{2});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{2}, 0)), Is{2});
}

TEST(ReadsTest, AQueryWaitsForWhatItsClientHasSeen) {
  Reads reads(kWaitNs, kBytesMax);
  reads.Add(Query(1, 10), 0);
  reads.Add(Query(2, 0), 0);
  reads.Confirm(reads.TakeContext(), Index{1});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{5}, 9)), Is{2});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{5}, 10)), Is{1});
}

TEST(ReadsTest, ADroppedRoundGivesItsQueriesBack) {
  Reads reads(kWaitNs, kBytesMax);
  reads.Add(Query(1), 0);
  const uint64_t context = reads.TakeContext();
  EXPECT_EQ(Numbers(reads.Drop(context)), Is{1});
  EXPECT_EQ(Numbers(reads.Drop(context)), Is{});
  reads.Confirm(context, Index{1});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{1}, 0)), Is{});
}

TEST(ReadsTest, NothingWaitsForEver) {
  Reads reads(kWaitNs, kBytesMax);
  reads.Add(Query(1), 1000);
  reads.TakeContext();
  reads.Add(Query(2), 2000);
  EXPECT_EQ(Numbers(reads.TakeExpired(5999)), Is{});
  EXPECT_EQ(Numbers(reads.TakeExpired(6000)), Is{1});
  EXPECT_EQ(Numbers(reads.TakeExpired(7000)), Is{2});
  // The round that is still gathering survives its queries.
  reads.Add(Query(3), 7000);
  const uint64_t context = reads.TakeContext();
  reads.Confirm(context, Index{1});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{1}, 0)), Is{3});
}

TEST(ReadsTest, WaitingQueriesAreBoundedByBytes) {  // P56
  Reads reads(kWaitNs, /*bytes_max=*/2000);
  int added = 0;
  while (!reads.IsFull() && added < 100) reads.Add(Query(++added, 1000), 0);
  EXPECT_LT(added, 10);
  reads.Confirm(reads.TakeContext(), Index{1});
  EXPECT_EQ(Numbers(reads.TakeReady(Index{1}, 0)), Is{});
  EXPECT_TRUE(reads.IsFull());
  EXPECT_EQ(reads.TakeReady(Index{1}, 1000).size(), static_cast<size_t>(added));
  EXPECT_FALSE(reads.IsFull());
}

TEST(ReadsTest, TakeAllLeavesNothing) {
  Reads reads(kWaitNs, kBytesMax);
  reads.Add(Query(1), 0);
  reads.TakeContext();
  reads.Add(Query(2), 0);
  EXPECT_EQ(Numbers(reads.TakeAll()), (Is{1, 2}));
  EXPECT_EQ(reads.TakeContext(), 0u);
  EXPECT_EQ(Numbers(reads.TakeExpired(UINT64_MAX)), Is{});
}

}  // namespace
}  // namespace partition
