#include "storage/store.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/help_scope.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/io_hooks.h"
#include "storage/log_builder.h"
#include "storage/log_store_conformance.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

using base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

StoreOptions Options(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.identity = {.cluster = "test",
                      .node = base::NodeId{1},
                      .mode = "single",
                      .partitions = 4};
  return options;
}

class DiskHarness : public StoreHarness {
 public:
  DiskHarness() { Open(); }

  LogStore& store() override { return *store_; }

  void RunUntil(const std::function<bool()>& finished) override {
    while (!finished()) std::this_thread::yield();
  }

  void Reopen() override {
    store_ = nullptr;
    Open();
  }

  // What a killed process leaves is what the kernel has: a copy of the files.
  void KillAndReopen() override {
    auto copy = std::make_unique<TestDirectory>();
    std::filesystem::copy(directory_->path(), copy->path(),
                          std::filesystem::copy_options::recursive);
    store_ = nullptr;
    directory_ = std::move(copy);
    Open();
  }

 private:
  void Open() {
    auto store = Store::Open(Options(directory_->path()));
    CHECK(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  std::unique_ptr<TestDirectory> directory_ = std::make_unique<TestDirectory>();
  std::unique_ptr<Store> store_;  // Closed before its directory goes.
};

INSTANTIATE_TEST_SUITE_P(
    Disk, LogStoreConformance,
    ::testing::Values(+[]() -> std::unique_ptr<StoreHarness> {
      return std::make_unique<DiskHarness>();
    }));

class StoreTest : public ::testing::Test {
 protected:
  // Why the directory does not open with these options.
  absl::Status Refusal(StoreOptions options) {
    return Store::Open(std::move(options)).status();
  }

  const TestDirectory test_directory_;
  const std::string directory_ = test_directory_.path();
};

TEST_F(StoreTest, IncarnationIsDrawnOnceForADirectory) {
  uint64_t first = 0;
  {
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
    first = store->identity().incarnation;
    EXPECT_NE(first, 0u);
  }
  {
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
    EXPECT_EQ(store->identity().incarnation, first);
  }
  std::filesystem::remove_all(directory_);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  EXPECT_NE(store->identity().incarnation, first);
}

TEST_F(StoreTest, DirectoryInUseNamesItsProcess) {
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  EXPECT_THAT(Refusal(Options(directory_)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("data directory ", directory_,
                                    " is in use by process ", getpid())));
}

TEST_F(StoreTest, DirectoryOfAnotherIsRefusedWithBothValues) {
  { ASSERT_OK(Store::Open(Options(directory_)).status()); }
  constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;

  StoreOptions options = Options(directory_);
  options.identity.node = base::NodeId{2};
  EXPECT_THAT(Refusal(std::move(options)),
              StatusIs(kRefused, HasSubstr("belongs to node 1, not 2")));

  options = Options(directory_);
  options.identity.cluster = "other";
  EXPECT_THAT(
      Refusal(std::move(options)),
      StatusIs(kRefused,
               HasSubstr("belongs to cluster \"test\", not \"other\"")));

  options = Options(directory_);
  options.identity.mode = "managed";
  EXPECT_THAT(
      Refusal(std::move(options)),
      StatusIs(kRefused,
               HasSubstr("belongs to mode \"single\", not \"managed\"")));

  options = Options(directory_);
  options.identity.partitions = 8;
  EXPECT_THAT(Refusal(std::move(options)),
              StatusIs(kRefused, HasSubstr("made for 4 partitions, not 8")));

  EXPECT_OK(Store::Open(Options(directory_)).status());
}

TEST_F(StoreTest, LostDatabaseIsRefused) {
  { ASSERT_OK(Store::Open(Options(directory_)).status()); }
  // The identity alone is below the watermark's interest; a write is not.
  {
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
    ASSERT_OK(store->CreatePartition(base::PartitionId{1}, OneVoter()));
  }
  std::filesystem::remove_all(directory_ + "/db");
  EXPECT_THAT(
      Refusal(Options(directory_)),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost its database")));
}

TEST_F(StoreTest, LostWatermarkIsRefused) {
  { ASSERT_OK(Store::Open(Options(directory_)).status()); }
  std::filesystem::remove(directory_ + "/watermark");
  EXPECT_THAT(Refusal(Options(directory_)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("watermark file is gone")));
}

TEST_F(StoreTest, WritesOfManyThreadsShareSyncs) {
  constexpr int kThreads = 8;
  constexpr int kWrites = 50;
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  for (uint32_t i = 1; i <= kThreads; ++i) {
    ASSERT_OK(store->CreatePartition(base::PartitionId{i}, OneVoter()));
  }
  const uint64_t before = store->synced_batches();
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i <= kThreads; ++i) {
    threads.emplace_back([&, partition = base::PartitionId{i}] {
      LogBuilder log(partition);
      for (int j = 0; j < kWrites; ++j) {
        LogWrite write{.partition = partition, .entries = log.Many(1, 1)};
        write.done = [&](absl::Status status) {
          if (status.ok()) ++acknowledged;
        };
        store->Write(std::move(write));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  store->Close();
  EXPECT_EQ(acknowledged, kThreads * kWrites);
  ASSERT_OK_AND_ASSIGN(store, Store::Open(Options(directory_)));
  for (uint32_t i = 1; i <= kThreads; ++i) {
    ASSERT_OK_AND_ASSIGN(auto stored,
                         store->LoadPartition(base::PartitionId{i}));
    EXPECT_EQ(stored.entries.size(), size_t{kWrites});
  }
  EXPECT_EQ(before, uint64_t{kThreads});
}

TEST_F(StoreTest, LogsStayBoundedThoughMetaIsRarelyWritten) {
  StoreOptions options = Options(directory_);
  options.write_buffer_bytes = 64 << 10;
  options.wal_bytes_max = 256 << 10;
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(std::move(options)));
  ASSERT_OK(store->CreatePartition(base::PartitionId{1}, OneVoter()));
  LogBuilder log(base::PartitionId{1});
  for (int i = 0; i < 200; ++i) {  // 4 MB, in batches of 20 kB.
    std::atomic<bool> durable{false};
    store->Write({.partition = base::PartitionId{1},
                  .entries = log.Many(1, 5, std::string(4000, 'b')),
                  .done = [&](absl::Status) { durable = true; }});
    while (!durable) std::this_thread::yield();
  }
  store->Close();
  uint64_t bytes = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(directory_ + "/db")) {
    if (file.path().extension() == ".log") bytes += file.file_size();
  }
  EXPECT_LT(bytes, uint64_t{2} << 20);
}

TEST_F(StoreTest, WriteAfterCloseIsUnavailable) {
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  ASSERT_OK(store->CreatePartition(base::PartitionId{1}, OneVoter()));
  store->Close();
  absl::Status written;
  absl::Status read;
  store->Write({.partition = base::PartitionId{1},
                .done = [&](absl::Status status) { written = status; }});
  store->ReadEntries(base::PartitionId{1}, raft::Index{1}, 1,
                     [&](auto entries) { read = entries.status(); });
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kUnavailable));
}

// --- Helping -----------------------------------------------------------------

TEST_F(StoreTest, AThreadInAScopeMakesItsOwnWriteDurable) {
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  ASSERT_OK(store->CreatePartition(base::PartitionId{1}, OneVoter()));
  LogBuilder log(base::PartitionId{1});
  const std::thread::id here = std::this_thread::get_id();
  // Tries until the log writer sleeps.
  for (std::atomic<bool> helped = false; !helped;) {
    std::atomic<bool> durable = false;
    {
      base::HelpScope scope(1);
      store->Write({.partition = base::PartitionId{1},
                    .entries = log.Many(1, 1, "own"),
                    .done = [&](absl::Status status) {
                      EXPECT_OK(status);
                      helped = std::this_thread::get_id() == here;
                      durable = true;
                    }});
    }
    while (!durable) std::this_thread::yield();
  }
  store = nullptr;
  ASSERT_OK_AND_ASSIGN(store, Store::Open(Options(directory_)));
  ASSERT_OK_AND_ASSIGN(StoredPartition stored,
                       store->LoadPartition(base::PartitionId{1}));
  EXPECT_EQ(raft::Index{stored.entries.size()}, log.position().index);
}

TEST_F(StoreTest, HelpersAndTheLogWriterReportInOrderOneAtATime) {
  constexpr int kThreads = 4;
  constexpr int kWrites = 100;
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  for (uint32_t id = 1; id <= kThreads; ++id) {
    ASSERT_OK(store->CreatePartition(base::PartitionId{id}, OneVoter()));
  }
  // Neither is atomic nor locked: TSan sees two `done` at once.
  int reported = 0;
  std::vector<int> next(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const base::PartitionId partition{static_cast<uint32_t>(thread) + 1};
      LogBuilder log(partition);
      for (int i = 0; i < kWrites; ++i) {
        base::HelpScope scope(i % 3);
        store->Write({.partition = partition,
                      .entries = log.Many(1, 1, "x"),
                      .done = [&, thread, i](absl::Status status) {
                        EXPECT_OK(status);
                        EXPECT_EQ(next[thread]++, i);
                        ++reported;
                      }});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  store->Close();  // Writes what is queued.
  EXPECT_EQ(reported, kThreads * kWrites);
}

// P54: what one partition's report leaves to the thread that wrote may take
// long; the others' writes do not wait for it.
TEST_F(StoreTest, WritesGoOnWhileAThreadOfTheWriterHelpsElsewhere) {
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  static constexpr base::PartitionId kOne{1}, kOther{2};
  for (base::PartitionId id : {kOne, kOther}) {
    ASSERT_OK(store->CreatePartition(id, OneVoter()));
  }
  // Long work: it ends when a write of the other partition is durable.
  struct LongWork : public base::Helped {
    void Help() override {
      other.Write({.partition = kOther,
                   .entries = log.Many(1, 1, "other"),
                   .done = [this](absl::Status status) {
                     EXPECT_OK(status);
                     durable.set_value();
                   }});
      durable.get_future().wait();
      ended.set_value();
    }
    explicit LongWork(Store& other) : other(other) {}
    Store& other;
    LogBuilder log{kOther};
    std::promise<void> durable, ended;
  };
  LongWork work(*store);
  LogBuilder log(kOne);
  // Tries until the writer's other thread sleeps.
  for (std::atomic<bool> promised = false; !promised;) {
    std::promise<void> done;
    store->Write({.partition = kOne,
                  .entries = log.Many(1, 1, "one"),
                  .done = [&](absl::Status status) {
                    EXPECT_OK(status);
                    promised = base::HelpScope::Promise(work);
                    done.set_value();
                  }});
    done.get_future().wait();
  }
  work.ended.get_future().wait();
}

TEST_F(StoreTest, GroupsAreKeptUntilTheyAreForgotten) {
  Group group{.id = base::PartitionId{7},
              .self = base::NodeId{1},
              .members = {{base::NodeId{1}, "p:1"}, {base::NodeId{2}, "q:2"}}};
  const Group other{.id = base::PartitionId{3}, .self = base::NodeId{1}};
  {
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
    ASSERT_OK(store->SetGroup(group));
    ASSERT_OK(store->SetGroup(other));
    ASSERT_OK(store->CreatePartition(group.id, OneVoter()));
    group.beginning = OneVoter();
    ASSERT_OK(store->SetGroup(group));
  }
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  ASSERT_OK_AND_ASSIGN(std::vector<Group> groups, store->ReadGroups());
  EXPECT_THAT(groups, ElementsAre(other, group));
  // They are no partitions, and no replica's.
  ASSERT_OK_AND_ASSIGN(auto partitions, store->ListPartitions());
  EXPECT_THAT(partitions, ElementsAre(group.id));
  std::promise<absl::Status> dropped;
  store->DropReplica(group.id, raft::ReplicaId{1}, [&](absl::Status status) {
    dropped.set_value(std::move(status));
  });
  EXPECT_OK(dropped.get_future().get());
  ASSERT_OK(store->ForgetGroup(other.id));
  ASSERT_OK_AND_ASSIGN(groups, store->ReadGroups());
  EXPECT_THAT(groups, ElementsAre(group));
  store->Close();
  EXPECT_THAT(store->SetGroup(group), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(StoreTest, CloseWaitsForAHelperInItsSync) {
  // Holds the thread that syncs the log until `open`.
  struct Gate : public IoHooks {
    IoFault Before(const IoEvent& event) override {
      if (armed && event.file == FileKind::kLog &&
          event.call == IoCall::kSync) {
        entered = true;
        while (!open) std::this_thread::yield();
      }
      return IoFault::kNone;
    }
    void After(const IoEvent&, size_t) override {}
    std::atomic<bool> armed = false, entered = false, open = false;
  };
  Gate gate;
  StoreOptions options = Options(directory_);
  options.io_hooks = &gate;
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(std::move(options)));
  ASSERT_OK(store->CreatePartition(base::PartitionId{1}, OneVoter()));
  LogBuilder log(base::PartitionId{1});
  std::vector<std::string> reported;  // By one at a time.
  const auto write = [&](std::string name) {
    store->Write({.partition = base::PartitionId{1},
                  .entries = log.Many(1, 1, name),
                  .done = [&reported, name](absl::Status status) {
                    EXPECT_OK(status);
                    reported.push_back(name);
                  }});
  };
  gate.armed = true;
  std::thread helper([&] {
    base::HelpScope scope(1);
    write("helped");
  });
  while (!gate.entered) std::this_thread::yield();
  write("gathered meanwhile");
  gate.open = true;
  store->Close();
  EXPECT_THAT(reported, ElementsAre("helped", "gathered meanwhile"));
  helper.join();
}

}  // namespace
}  // namespace storage
