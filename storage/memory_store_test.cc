#include "storage/memory_store.h"

#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log_store_conformance.h"

namespace storage {
namespace {

using base::testing::StatusIs;

void Step(MemoryStore& store) {
  store.ImageStep();
  store.SyncStep();
  store.ReadStep();
}

class MemoryHarness : public StoreHarness {
 public:
  LogStore& store() override { return *store_; }

  void RunUntil(const std::function<bool()>& finished) override {
    while (!finished()) {
      CHECK(store_->has_pending());
      Step(*store_);
    }
  }

  void Reopen() override {
    store_ = nullptr;
    store_ = std::make_unique<MemoryStore>(disk_);
  }

  void KillAndReopen() override {
    store_->Abandon();
    store_ = nullptr;
    disk_.CrashLosingAll();
    store_ = std::make_unique<MemoryStore>(disk_);
  }

 private:
  MemoryDisk disk_;
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>(disk_);
};

INSTANTIATE_TEST_SUITE_P(
    Memory, LogStoreConformance,
    ::testing::Values(+[]() -> std::unique_ptr<StoreHarness> {
      return std::make_unique<MemoryHarness>();
    }));

class MemoryStoreTest : public ::testing::Test {
 protected:
  static constexpr base::PartitionId kOne{1};

  MemoryStoreTest() { EXPECT_OK(store_->CreatePartition(kOne, OneVoter())); }

  // Queues `count` writes of one entry each.
  void Queue(int count) {
    for (int i = 0; i < count; ++i) {
      LogWrite write{.partition = kOne, .entries = log_.Many(1, 1)};
      write.done = [this](absl::Status status) {
        (status.ok() ? acknowledged_ : refused_)++;
      };
      store_->Write(std::move(write));
    }
  }

  void Restart() {
    store_->Abandon();
    store_ = nullptr;
    disk_.Crash(random_);
    store_ = std::make_unique<MemoryStore>(disk_);
  }

  size_t EntriesOnDisk() {
    auto stored = store_->LoadPartition(kOne);
    EXPECT_OK(stored);
    return stored.ok() ? stored->entries.size() : 0;
  }

  base::Random random_{1};
  MemoryDisk disk_;
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>(disk_);
  LogBuilder log_{kOne};
  int acknowledged_ = 0;
  int refused_ = 0;
};

TEST_F(MemoryStoreTest, NothingCompletesBeforeTheSync) {
  Queue(2);
  EXPECT_EQ(acknowledged_, 0);
  store_->AppendStep();
  EXPECT_EQ(acknowledged_, 0);
  store_->SyncStep();
  EXPECT_EQ(acknowledged_, 2);
  EXPECT_FALSE(store_->has_pending());
}

TEST_F(MemoryStoreTest, OneSyncCoversEverythingQueued) {
  const uint64_t before = disk_.sync_count();
  Queue(10);
  store_->SyncStep();
  EXPECT_EQ(disk_.sync_count(), before + 1);
}

TEST_F(MemoryStoreTest, CrashKeepsAPrefixOfWhatWasAppended) {
  std::set<size_t> kept;
  for (int round = 0; round < 40; ++round) {
    log_.Rewind({});
    MemoryDisk disk;
    MemoryStore store(disk);
    ASSERT_OK(store.CreatePartition(kOne, OneVoter()));
    for (int i = 0; i < 3; ++i) {
      store.Write({.partition = kOne, .entries = log_.Many(1, 1)});
    }
    store.AppendStep();
    store.Abandon();
    disk.Crash(random_);
    MemoryStore reopened(disk);
    ASSERT_OK_AND_ASSIGN(auto stored, reopened.LoadPartition(kOne));
    kept.insert(stored.entries.size());
  }
  EXPECT_THAT(kept, ::testing::ElementsAre(0, 1, 2, 3));
}

TEST_F(MemoryStoreTest, CrashNeverLosesWhatWasSynced) {
  for (int round = 0; round < 20; ++round) {
    Queue(1);
    store_->SyncStep();
    LogWrite lost{.partition = kOne, .hard_state = raft::HardState{}};
    store_->Write(std::move(lost));
    store_->AppendStep();
    Restart();
    EXPECT_EQ(EntriesOnDisk(), static_cast<size_t>(acknowledged_));
  }
}

TEST_F(MemoryStoreTest, QueuedWritesAreLostByAKill) {
  Queue(1);
  Restart();
  EXPECT_EQ(EntriesOnDisk(), 0u);
  EXPECT_EQ(acknowledged_ + refused_, 0);
}

TEST_F(MemoryStoreTest, FailedSyncFencesTheStoreForEver) {
  disk_.FailNextSync(absl::UnavailableError("EIO"));
  Queue(1);
  store_->SyncStep();
  EXPECT_EQ(refused_, 1);
  Queue(1);
  store_->SyncStep();
  EXPECT_EQ(refused_, 2);
  EXPECT_TRUE(store_->fenced());
  EXPECT_THAT(store_->CreatePartition(base::PartitionId{2}, OneVoter()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(MemoryStoreTest, FlippedBitOfAnEntryIsDataLossOrAnotherVersion) {
  Queue(3);
  store_->SyncStep();
  for (uint64_t bit = 0; bit < 8 * 32; ++bit) {
    ASSERT_TRUE(disk_.CorruptEntry(kOne, raft::Index{2}, bit));
    const absl::Status status = store_->LoadPartition(kOne).status();
    EXPECT_TRUE(status.code() == absl::StatusCode::kDataLoss ||
                status.code() == absl::StatusCode::kFailedPrecondition)
        << "bit " << bit << ": " << status;
    ASSERT_TRUE(disk_.CorruptEntry(kOne, raft::Index{2}, bit));
  }
  EXPECT_OK(store_->LoadPartition(kOne));
}

}  // namespace
}  // namespace storage
