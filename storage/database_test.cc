#include "storage/database.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "storage/synced_claims.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

TEST(DatabaseTest, BatchesKnowTheirSequenceNumbers) {
  constexpr int kThreads = 4;
  constexpr int kBatches = 200;
  const TestDirectory directory;
  ASSERT_OK_AND_ASSIGN(auto database,
                       Database::Open({.directory = directory.path()}));
  const uint64_t before = database->latest_sequence();
  // First and last of each batch, whoever it was written together with.
  std::vector<std::vector<std::pair<uint64_t, uint64_t>>> ranges(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      DatabaseBatch batch = database->NewBatch();
      for (int i = 0; i < kBatches; ++i) {
        const int keys = 1 + (i + thread) % 3;
        for (int key = 0; key < keys; ++key) {
          batch.Put(Family::kLog, absl::StrCat(thread, "/", key), "value", "");
        }
        batch.ClaimSynced(before);
        EXPECT_OK(database->Write(
            batch, thread % 2 == 0 ? Database::Durability::kSynced
                                   : Database::Durability::kUnsynced));
        ranges[thread].emplace_back(batch.last_sequence() - keys + 1,
                                    batch.last_sequence());
        batch.Clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::pair<uint64_t, uint64_t>> all;
  for (const auto& one : ranges) all.insert(all.end(), one.begin(), one.end());
  std::sort(all.begin(), all.end());
  uint64_t next = before + 1;
  for (const auto& [first, last] : all) {
    ASSERT_EQ(first, next);
    next = last + 1;
  }
  EXPECT_EQ(next, database->latest_sequence() + 1);
}

TEST(DatabaseTest, ItSaysWhenTheLogWasCompacted) {
  const TestDirectory directory;
  std::atomic<int> compacted{0};
  ASSERT_OK_AND_ASSIGN(
      auto database,
      Database::Open({.directory = directory.path(),
                      .on_log_compacted = [&] { ++compacted; }}));
  // Files that overlap are merged when there are four of them.
  for (int i = 0; i < 8 || compacted == 0; ++i) {
    DatabaseBatch batch = database->NewBatch();
    batch.Put(Family::kLog, "a", absl::StrCat(i), "");
    batch.Put(Family::kLog, "z", absl::StrCat(i), "");
    batch.Put(Family::kMeta, "a", absl::StrCat(i), "");
    ASSERT_OK(database->Write(batch, Database::Durability::kUnsynced));
    ASSERT_OK(database->Flush());
  }
  EXPECT_GT(compacted, 0);
}

TEST(SyncedClaimsTest, TheHighestOneIsFound) {
  const TestDirectory directory;
  EXPECT_EQ(HighestSyncedClaim(directory.path()), 0u);
  ASSERT_OK_AND_ASSIGN(auto database,
                       Database::Open({.directory = directory.path()}));
  // Some are longer than a block.
  for (const auto& [claim, bytes] : std::vector<std::pair<uint64_t, size_t>>{
           {7, 10}, {9, 100'000}, {12, 40'000}, {0, 20}}) {
    DatabaseBatch batch = database->NewBatch();
    batch.Put(Family::kLog, "key", std::string(bytes, 'v'), "");
    if (claim != 0) batch.ClaimSynced(claim);
    ASSERT_OK(database->Write(batch, Database::Durability::kSynced));
  }
  EXPECT_EQ(HighestSyncedClaim(directory.path()), 12u);
}

TEST(SyncedClaimsTest, GoldenBytes) {
  EXPECT_EQ(EncodeSyncedClaim(0x0102), std::string("mrsy\0\0\0\0\0\0\1\2", 12));
  EXPECT_EQ(DecodeSyncedClaim(EncodeSyncedClaim(0x0102)), 0x0102u);
  EXPECT_EQ(DecodeSyncedClaim("mrsy"), std::nullopt);
  EXPECT_EQ(DecodeSyncedClaim("something else"), std::nullopt);
}

}  // namespace
}  // namespace storage
