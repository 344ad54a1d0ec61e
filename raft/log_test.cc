#include "raft/log.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/hash.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace raft {
namespace {

using ::base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr base::PartitionId kPartition{9};
constexpr uint64_t kNoLimit = 1 << 30;

// A chained log with these terms, from index 1 on.
std::vector<Entry> Chained(const std::vector<uint64_t>& terms) {
  std::vector<Entry> entries;
  uint64_t chain = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    Entry entry{.term = Term{terms[i]}, .index = Index{i + 1}};
    entry.chain = chain = ChainOf(chain, kPartition, entry);
    entries.push_back(entry);
  }
  return entries;
}

Log NewLog(const std::vector<uint64_t>& terms = {},
           uint64_t memory_bytes = kNoLimit) {
  Log log(kPartition, Position{}, Index{1}, memory_bytes);
  EXPECT_OK(log.Load(Chained(terms)));
  return log;
}

std::vector<uint64_t> TermsOf(const Log& log) {
  std::vector<uint64_t> terms;
  for (Index i = log.memory_first_index(); i <= log.last_index(); ++i) {
    terms.push_back(log.At(i).term.value());
  }
  return terms;
}

// What figure 2 says of a follower's log, on a list of terms: from the first
// conflict on it is the leader's, and without a conflict nothing is dropped.
std::vector<uint64_t> NaiveMerge(std::vector<uint64_t> mine,
                                 const std::vector<uint64_t>& theirs,
                                 size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    if (i < mine.size() && mine[i] != theirs[i]) mine.resize(i);
    if (i == mine.size()) mine.push_back(theirs[i]);
  }
  return mine;
}

// Every list of rising terms up to `length`, terms 1 to 3.
std::vector<std::vector<uint64_t>> AllLogs(size_t length) {
  std::vector<std::vector<uint64_t>> logs = {{}};
  for (size_t i = 0; i < logs.size(); ++i) {
    if (logs[i].size() == length) continue;
    for (uint64_t term = logs[i].empty() ? 1 : logs[i].back(); term <= 3;
         ++term) {
      std::vector<uint64_t> longer = logs[i];
      longer.push_back(term);
      logs.push_back(std::move(longer));
    }
  }
  return logs;
}

TEST(LogTest, MergesLikeTheNaiveModelOnAllSmallInputs) {  // P20, P22
  const auto logs = AllLogs(4);
  size_t merged = 0;
  for (const auto& mine : logs) {
    for (const auto& theirs : logs) {
      const std::vector<Entry> entries = Chained(theirs);
      for (size_t from = 0; from <= theirs.size(); ++from) {
        for (size_t to = from; to <= theirs.size(); ++to) {
          Log log = NewLog(mine);
          // The receiver merges only behind a position that agrees.
          const std::optional<Position> at = log.PositionAt(Index{from});
          const uint64_t chain = from == 0 ? 0 : entries[from - 1].chain;
          if (!at.has_value() || at->chain != chain) continue;
          log.Merge(std::span(entries).subspan(from, to - from));
          EXPECT_EQ(TermsOf(log), NaiveMerge(mine, theirs, from, to));
          ++merged;
        }
      }
    }
  }
  EXPECT_GT(merged, 1000u);
}

TEST(LogTest, EqualChainsMeanEqualLogs) {  // P22
  const auto logs = AllLogs(4);
  for (const auto& a : logs) {
    for (const auto& b : logs) {
      EXPECT_EQ(NewLog(a).last().chain == NewLog(b).last().chain, a == b);
    }
  }
}

TEST(LogTest, ConflictTruncatesOnlyTheSuffix) {  // P20
  Log log = NewLog({1, 1, 1, 1});
  EXPECT_EQ(log.Merge(std::span<const Entry>(Chained({1, 1, 2})).subspan(1)),
            Index{3});
  EXPECT_EQ(TermsOf(log), std::vector<uint64_t>({1, 1, 2}));
}

TEST(LogTest, OverlapTruncatesNothing) {  // P20
  Log log = NewLog({1, 1, 1, 1});
  EXPECT_EQ(log.Merge(Chained({1, 1})), std::nullopt);
  EXPECT_EQ(log.last_index(), Index{4});
}

TEST(LogDeathTest, CommittedEntriesAreNeverReplaced) {  // P29
  Log log = NewLog({1, 1, 1});
  log.CommitTo(Index{2});
  EXPECT_DEATH(log.Merge(Chained({1, 2})), "would be replaced");
}

TEST(LogTest, TruncationTakesDurabilityBack) {  // P26
  Log log = NewLog({1, 1, 1});
  EXPECT_EQ(log.persisted_index(), Index{3});
  log.Merge(Chained({1, 2}));
  EXPECT_EQ(log.persisted_index(), Index{1});
  EXPECT_EQ(log.TakeUnwritten().front().index, Index{2});
  EXPECT_FALSE(log.has_unwritten());
}

TEST(LogTest, HandsOutEachEntryToWriteOnce) {
  Log log = NewLog();
  log.Append({.term = Term{1}});
  log.Append({.term = Term{1}});
  EXPECT_EQ(log.TakeUnwritten().size(), 2u);
  EXPECT_FALSE(log.has_unwritten());
  log.Append({.term = Term{1}});
  EXPECT_EQ(log.TakeUnwritten().size(), 1u);
}

TEST(LogTest, CountsBytesUntilTheyAreCommittedAndDurable) {  // P56
  Log log = NewLog();
  for (int i = 0; i < 4; ++i) log.Append({.term = Term{1}});
  EXPECT_EQ(log.pending_bytes(), 4 * sizeof(Entry));
  log.TakeUnwritten();
  log.CommitTo(Index{3});
  EXPECT_EQ(log.pending_bytes(), 4 * sizeof(Entry));
  log.PersistTo(Index{2});
  EXPECT_EQ(log.pending_bytes(), 2 * sizeof(Entry));
  log.PersistTo(Index{4});
  EXPECT_EQ(log.pending_bytes(), 1 * sizeof(Entry));
  log.CommitTo(Index{4});
  EXPECT_EQ(log.pending_bytes(), 0u);
}

TEST(LogTest, CountsBytesOfWhatIsTruncatedNoMore) {
  Log log = NewLog();
  for (int i = 0; i < 4; ++i) log.Append({.term = Term{1}});
  log.Merge(Chained({2}));
  EXPECT_EQ(log.pending_bytes(), sizeof(Entry));
}

TEST(LogTest, HandsOutNoMoreThanCanBeApplied) {
  Log log = NewLog({1, 1, 1, 1, 1});
  log.CommitTo(Index{5});
  const uint64_t two = 2 * sizeof(Entry);
  EXPECT_EQ(log.TakeCommitted(two).size(), 2u);
  EXPECT_FALSE(log.has_unapplied(two));
  log.ApplyTo(Index{1});
  EXPECT_EQ(log.TakeCommitted(two).size(), 1u);
  log.ApplyTo(Index{3});
  EXPECT_EQ(log.TakeCommitted(two).back().index, Index{5});
}

TEST(LogTest, KeepsInMemoryWhatIsNotApplied) {
  Log log = NewLog({1, 1, 1, 1}, /*memory_bytes=*/0);
  log.CommitTo(Index{4});
  log.TakeCommitted(kNoLimit);
  log.ApplyTo(Index{2});
  EXPECT_EQ(log.memory_first_index(), Index{3});
  EXPECT_EQ(log.PositionAt(Index{1}), std::nullopt);
  EXPECT_EQ(log.PositionAt(Index{2})->index, Index{2});
}

TEST(LogTest, KeepsInMemoryWhatIsNotDurable) {  // P26
  Log log = NewLog({}, /*memory_bytes=*/0);
  for (int i = 0; i < 3; ++i) log.Append({.term = Term{1}});
  log.TakeUnwritten();
  log.CommitTo(Index{3});
  log.TakeCommitted(kNoLimit);
  log.ApplyTo(Index{3});
  EXPECT_EQ(log.memory_first_index(), Index{1});
  log.PersistTo(Index{2});
  EXPECT_EQ(log.memory_first_index(), Index{3});
}

TEST(LogTest, KnowsThePositionOfItsImageWithoutTheEntry) {  // P21
  Log log = NewLog({1, 1, 2}, /*memory_bytes=*/0);
  log.CommitTo(Index{3});
  log.TakeCommitted(kNoLimit);
  const Position image = *log.PositionAt(Index{2});
  log.ApplyTo(Index{3});
  EXPECT_EQ(log.PositionAt(Index{2}), std::nullopt);
  log.Compact(image, Index{2});
  EXPECT_EQ(log.PositionAt(Index{2}), image);
  EXPECT_EQ(log.first_index(), Index{2});
}

TEST(LogTest, ResetLeavesOnlyTheImage) {  // P38
  Log log = NewLog({1, 1, 1, 1});
  log.CommitTo(Index{1});
  const Position image{.index = Index{3}, .term = Term{2}, .chain = 77};
  log.Reset(image);
  EXPECT_EQ(log.last(), image);
  EXPECT_EQ(log.first_index(), Index{4});
  EXPECT_EQ(log.applied_index(), Index{3});
  EXPECT_EQ(log.persisted_index(), Index{3});
  EXPECT_EQ(log.pending_bytes(), 0u);
  EXPECT_EQ(log.Append({.term = Term{2}}).index, Index{4});
}

TEST(LogTest, SlicesByBytesButNeverNothing) {
  const Log log = NewLog({1, 1, 1, 1});
  EXPECT_EQ(log.Slice(Index{2}, 0).size(), 1u);
  EXPECT_EQ(log.Slice(Index{2}, 2 * sizeof(Entry)).size(), 2u);
  EXPECT_EQ(log.Slice(Index{2}, kNoLimit).size(), 3u);
}

TEST(LogTest, EntriesFitOnlyWithoutHoleAndWithTheRightChain) {  // P22
  const Log log = NewLog();
  std::vector<Entry> entries = Chained({1, 1, 2});
  EXPECT_TRUE(log.Fits(Position{}, entries));
  EXPECT_FALSE(log.Fits(Position{}, std::span(entries).subspan(1)));
  std::swap(entries[1], entries[2]);
  EXPECT_FALSE(log.Fits(Position{}, entries));
  entries = Chained({1, 1, 2});
  entries[1].time_ns = 1;
  EXPECT_FALSE(log.Fits(Position{}, entries));
}

TEST(LogTest, LoadRefusesWhatDoesNotFit) {  // P30
  const auto load = [](std::vector<Entry> entries) {
    Log log(kPartition, Position{}, Index{1}, kNoLimit);
    return log.Load(std::move(entries));
  };
  std::vector<Entry> entries = Chained({1, 1, 2});
  entries.erase(entries.begin());
  EXPECT_THAT(load(entries),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("hole")));
  EXPECT_THAT(load(Chained({2, 1})),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("term")));
}

// The bytes that chains are made of are on disk: they never change.
TEST(TypesTest, ChainHasItsGoldenValue) {
  const Entry entry{.term = Term{2},
                    .index = Index{3},
                    .type = EntryType::kApp,
                    .time_ns = 4,
                    .payload_crc = 5};
  const uint64_t chain = ChainOf(1, base::PartitionId{6}, entry);
  EXPECT_EQ(chain, 12918733618678585652u);
  EXPECT_EQ(chain, base::Hash64(absl::HexStringToBytes(
                       "0000000000000001"  // Previous chain.
                       "00000006"          // Partition.
                       "0000000000000003"  // Index.
                       "0000000000000002"  // Term.
                       "0000000000000004"  // Time.
                       "03"                // Type.
                       "00000005")));      // Payload crc.
}

TEST(TypesTest, ChainCoversEveryField) {
  const Entry entry{.term = Term{2},
                    .index = Index{3},
                    .type = EntryType::kApp,
                    .time_ns = 4,
                    .payload_crc = 5};
  const uint64_t chain = ChainOf(1, kPartition, entry);
  EXPECT_NE(ChainOf(2, kPartition, entry), chain);
  EXPECT_NE(ChainOf(1, base::PartitionId{8}, entry), chain);
  const auto differs = [&](auto change) {
    Entry other = entry;
    change(other);
    return ChainOf(1, kPartition, other) != chain;
  };
  EXPECT_TRUE(differs([](Entry& e) { e.term = Term{3}; }));
  EXPECT_TRUE(differs([](Entry& e) { e.index = Index{4}; }));
  EXPECT_TRUE(differs([](Entry& e) { e.type = EntryType::kNoop; }));
  EXPECT_TRUE(differs([](Entry& e) { e.time_ns = 5; }));
  EXPECT_TRUE(differs([](Entry& e) { e.payload_crc = 6; }));
}

}  // namespace
}  // namespace raft
