// What a store makes of a directory that was damaged while nobody looked: a
// torn tail opens, everything else is refused in words that name the file and
// say what to do (D4, D9, P30, P31, P37, U2, U4).

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/database.h"
#include "storage/io_hooks.h"
#include "storage/log_builder.h"
#include "storage/records.h"
#include "storage/store.h"
#include "storage/test_directory.h"
#include "storage/wal_tail.h"

namespace storage {
namespace {

namespace fs = std::filesystem;
using base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr base::PartitionId kOne{1};

// Holds up every new table until it is released.
class BlockTables : public IoHooks {
 public:
  IoFault Before(const IoEvent& event) override {
    if (event.file != FileKind::kTable) return IoFault::kNone;
    base::MutexLock lock(mu_);
    while (!released_) changed_.Wait(mu_);
    return IoFault::kNone;
  }
  void After(const IoEvent&, size_t) override {}

  void Release() {
    base::MutexLock lock(mu_);
    released_ = true;
    changed_.SignalAll();
  }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
};

class DamageTest : public ::testing::Test {
 protected:
  static StoreOptions Options(const std::string& directory) {
    StoreOptions options;
    options.directory = directory;
    options.identity = {.cluster = "damage",
                        .node = base::NodeId{1},
                        .mode = "single",
                        .partitions = 1};
    options.write_buffer_bytes = 64 << 10;
    return options;
  }

  absl::StatusOr<std::unique_ptr<Store>> Open(IoHooks* hooks) {
    StoreOptions options = Options(directory_);
    options.io_hooks = hooks;
    return Store::Open(std::move(options));
  }

  // Opens the store, appends `entries` one sync each, and closes it.
  void Write(int entries, size_t payload_bytes = 500) {
    ASSERT_OK_AND_ASSIGN(auto store, Open(nullptr));
    if (log_.position().index == raft::Index{0}) {
      ASSERT_OK(store->CreatePartition(kOne, OneVoter()));
    }
    Append(*store, entries, payload_bytes);
  }

  void Append(Store& store, int entries, size_t payload_bytes) {
    for (int i = 0; i < entries; ++i) {
      base::Mutex mu;
      base::CondVar changed;
      bool finished = false;
      LogWrite write{
          .partition = kOne,
          .entries = {log_.Next(1, std::string(payload_bytes, 'd'))}};
      write.done = [&](absl::Status status) {
        EXPECT_OK(status);
        base::MutexLock lock(mu);
        finished = true;
        changed.Signal();
      };
      store.Write(std::move(write));
      base::MutexLock lock(mu);
      while (!finished) changed.Wait(mu);
    }
  }

  // Leaves what a kill would while tables are still being written: two logs.
  void WriteTwoLogs() {
    BlockTables block;
    const std::string killed = directory_ + ".killed";
    {
      ASSERT_OK_AND_ASSIGN(auto store, Open(&block));
      ASSERT_OK(store->CreatePartition(kOne, OneVoter()));
      Append(*store, 60, 2000);
      fs::copy(directory_, killed, fs::copy_options::recursive);
      block.Release();
    }
    fs::remove_all(directory_);
    fs::rename(killed, directory_);
    ASSERT_GE(Logs().size(), 2u);
    ASSERT_OK(CutUnwrittenTails(directory_ + "/db"));
  }

  // The write-ahead logs, oldest first.
  std::vector<fs::path> Logs() const { return Files(".log"); }
  std::vector<fs::path> Tables() const { return Files(".sst"); }

  std::vector<fs::path> Files(const std::string& extension) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory_ + "/db")) {
      if (entry.path().extension() == extension) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  static void Flip(const fs::path& path, uint64_t offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 0x10));
  }

  static void Cut(const fs::path& path, uint64_t bytes) {
    fs::resize_file(path, fs::file_size(path) - bytes);
  }

  // Overwrites a row of the database.
  void Put(const std::string& meta_key, const std::string& value) {
    ASSERT_OK_AND_ASSIGN(auto database,
                         Database::Open({.directory = directory_ + "/db"}));
    DatabaseBatch batch = database->NewBatch();
    batch.Put(Family::kMeta, meta_key, value, "");
    ASSERT_OK(database->Write(batch, Database::Durability::kSynced));
  }

  absl::Status Reopen() { return Store::Open(Options(directory_)).status(); }

  void ExpectRefused(const std::string& file) {
    EXPECT_THAT(Reopen(), StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr(file),
                                         HasSubstr("member replace N N"))));
  }

  const TestDirectory test_directory_;
  const std::string directory_ = test_directory_.path();
  LogBuilder log_{kOne};
};

TEST_F(DamageTest, FlippedBitAnywhereInTheLogIsRefusedWithItsName) {
  Write(20);
  const fs::path log = Logs().back();
  const uint64_t size = fs::file_size(log);
  const std::string saved = directory_ + "/saved";
  fs::copy(directory_ + "/db", saved, fs::copy_options::recursive);
  for (uint64_t offset = 7; offset < size; offset += size / 23) {
    SCOPED_TRACE(absl::StrCat("offset ", offset, " of ", size));
    Flip(log, offset);
    ExpectRefused(log.filename().string());
    fs::remove_all(directory_ + "/db");
    fs::copy(saved, directory_ + "/db", fs::copy_options::recursive);
  }
  EXPECT_OK(Reopen());
}

TEST_F(DamageTest, LogCutInAcknowledgedBytesIsRefusedWithItsName) {
  Write(20);
  const fs::path log = Logs().back();
  Cut(log, 700);
  ExpectRefused(log.filename().string());
  // And stays refused.
  EXPECT_THAT(Reopen(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(DamageTest, LogCutAtARecordIsRefusedToo) {
  Write(5);
  Write(5);
  const fs::path log = Logs().back();
  fs::resize_file(log, 0);  // As if the second run had never been.
  ExpectRefused(log.filename().string());
}

TEST_F(DamageTest, DeletedNewestLogIsRefused) {
  Write(20);
  const fs::path log = Logs().back();
  fs::remove(log);
  ExpectRefused(log.filename().string());
}

TEST_F(DamageTest, DeletedOlderLogIsRefusedWithItsName) {
  WriteTwoLogs();
  const fs::path older = Logs().front();
  fs::remove(older);
  ExpectRefused(older.filename().string());
}

TEST_F(DamageTest, CutOlderLogIsRefusedWithItsName) {
  WriteTwoLogs();
  const fs::path older = Logs().front();
  Cut(older, 100);
  ExpectRefused(older.filename().string());
}

TEST_F(DamageTest, OnlyOneLogIsLeftAfterARestart) {
  WriteTwoLogs();
  { ASSERT_OK(Reopen()); }
  EXPECT_EQ(Logs().size(), 1u);
}

TEST_F(DamageTest, TornTailOpensWithEverythingAcknowledged) {
  Write(10);
  // A record of which only the beginning arrived: header and some bytes of the
  // last one, again.
  const fs::path log = Logs().back();
  std::ifstream in(log, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  in.close();
  std::ofstream out(log, std::ios::binary | std::ios::app);
  out << bytes.substr(0, 30);
  out.close();
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(Options(directory_)));
  ASSERT_OK_AND_ASSIGN(auto stored, store->LoadPartition(kOne));
  EXPECT_EQ(stored.entries.size(), 10u);
}

// The same in a log that was allocated ahead, of a node with peers and behind a
// power cut: a doubt would keep it down (P31), and there is none.
TEST_F(DamageTest, TornTailInAllocatedSpaceOpensToo) {
  const auto open = [this](bool same_boot) {
    StoreOptions options = Options(directory_);
    options.identity.mode = "cluster";
    options.same_boot = same_boot;
    return Store::Open(std::move(options));
  };
  {
    ASSERT_OK_AND_ASSIGN(auto store, open(true));
    ASSERT_OK(store->CreatePartition(kOne, OneVoter()));
    Append(*store, 10, 500);
  }
  const fs::path log = Logs().back();
  std::ifstream in(log, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  in.close();
  std::ofstream out(log, std::ios::binary | std::ios::app);
  out << bytes.substr(0, 30) << std::string(200'000, '\0');
  out.close();
  ASSERT_OK_AND_ASSIGN(auto store, open(false));
  ASSERT_OK_AND_ASSIGN(auto stored, store->LoadPartition(kOne));
  EXPECT_EQ(stored.entries.size(), 10u);
}

TEST_F(DamageTest, FlippedBitInATableIsDataLossThatNamesIt) {
  Write(100, 2000);
  Write(1);  // A restart writes tables of what was in the log.
  ASSERT_FALSE(Tables().empty());
  for (const fs::path& table : Tables()) {
    Flip(table, fs::file_size(table) / 2);
  }
  absl::Status status = absl::OkStatus();
  auto store = Store::Open(Options(directory_));
  status = store.ok() ? (*store)->LoadPartition(kOne).status() : store.status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(".sst")));
}

TEST_F(DamageTest, DeletedTableIsRefusedWithItsName) {
  Write(100, 2000);
  Write(1);  // A restart writes tables of what was in the log.
  ASSERT_FALSE(Tables().empty());
  const fs::path table = Tables().front();
  fs::remove(table);
  ExpectRefused(table.stem().string());
}

TEST_F(DamageTest, FlippedBitInTheManifestIsRefusedWithItsName) {
  Write(5);
  std::string name;
  for (const auto& entry : fs::directory_iterator(directory_ + "/db")) {
    const std::string file = entry.path().filename().string();
    if (file.rfind("MANIFEST-", 0) == 0) name = file;
  }
  Flip(directory_ + "/db/" + name, 40);
  ExpectRefused(name);
}

// What is damaged in one partition keeps neither the store nor the others down.
TEST_F(DamageTest, DamagedPointerOfOnePartitionLeavesTheOthers) {
  constexpr base::PartitionId kTwo{2};
  Write(3);
  {
    ASSERT_OK_AND_ASSIGN(auto store, Open(nullptr));
    ASSERT_OK(store->CreatePartition(kTwo, OneVoter()));
  }
  Put(ImagePointerKey(kOne), "\x01 no pointer");
  ASSERT_OK_AND_ASSIGN(auto store, Open(nullptr));
  ASSERT_OK_AND_ASSIGN(const auto listed, store->ListPartitions());
  EXPECT_THAT(listed, ElementsAre(kOne, kTwo));
  EXPECT_THAT(store->LoadPartition(kOne).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("partition 1")));
  EXPECT_OK(store->LoadPartition(kTwo).status());
  // It is there, damaged or not.
  EXPECT_THAT(store->CreatePartition(kOne, OneVoter()),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

// P45: what a replica was is not forgotten because the note is damaged.
TEST_F(DamageTest, DamagedTombstoneStandsForAllReplicas) {
  Write(1);
  Put(ReplicaKey(base::PartitionId{2}), "\x01 no tombstone");
  ASSERT_OK_AND_ASSIGN(auto store, Open(nullptr));
  EXPECT_OK(store->LoadPartition(kOne).status());
  EXPECT_THAT(store->CreateReplica(base::PartitionId{2}, raft::ReplicaId{9}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(DamageTest, DamagedWatermarkIsRefused) {
  Write(5);
  std::ofstream(directory_ + "/watermark") << std::string(600, 'x');
  EXPECT_THAT(Reopen(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("watermark")));
}

// --- Behind a watermark that is old, as a power cut leaves it ----------------

class OldMarkTest : public DamageTest {
 protected:
  // So many entries, one sync each; the mark knows the first five.
  void WriteWithOldMark(int entries, const std::string& mode) {
    mode_ = mode;
    const std::string mark = directory_ + "/watermark";
    ASSERT_OK_AND_ASSIGN(auto store, Store::Open(AfterPowerCut()));
    ASSERT_OK(store->CreatePartition(kOne, OneVoter()));
    Append(*store, 5, 500);
    fs::copy(mark, mark + ".old");
    Append(*store, entries - 5, 500);
    store = nullptr;
    fs::rename(mark + ".old", mark);
  }

  StoreOptions AfterPowerCut() const {
    StoreOptions options = Options(directory_);
    options.identity.mode = mode_;
    options.same_boot = false;
    return options;
  }

  // The entry `back` from the last one, in its payload.
  void FlipEntry(int back) {
    const fs::path log = Logs().back();
    std::ifstream in(log, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    size_t at = bytes.size();
    for (int i = 0; i <= back; ++i) {
      at = bytes.rfind(std::string(100, 'd'), at);
      ASSERT_NE(at, bytes.npos);
      if (i < back) at = bytes.find_last_not_of('d', at);
    }
    Flip(log, at);
  }

  std::string mode_;
};

TEST_F(OldMarkTest, DamageThatALaterBatchShowsToBeSyncedIsRefused) {  // P31
  WriteWithOldMark(12, kSingleMode);
  FlipEntry(/*back=*/3);
  const std::string log = Logs().back().filename().string();
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT(
        Store::Open(AfterPowerCut()).status(),
        StatusIs(absl::StatusCode::kDataLoss,
                 AllOf(HasSubstr(log), HasSubstr("it was synced up to"))));
  }
}

// Nothing tells it from one that was being synced.
TEST_F(OldMarkTest, DamageInTheLastBatchIsDroppedByANodeAlone) {
  WriteWithOldMark(12, kSingleMode);
  FlipEntry(/*back=*/0);
  ASSERT_OK_AND_ASSIGN(auto store, Store::Open(AfterPowerCut()));
  ASSERT_OK_AND_ASSIGN(auto stored, store->LoadPartition(kOne));
  EXPECT_EQ(stored.entries.size(), 11u);
}

TEST_F(OldMarkTest, DamageInTheLastBatchIsRefusedWhereOthersHaveTheData) {
  WriteWithOldMark(12, "static");
  FlipEntry(/*back=*/0);
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT(
        Store::Open(AfterPowerCut()).status(),
        StatusIs(absl::StatusCode::kDataLoss, HasSubstr("may be behind that")));
  }
}

// Nor does the refusal pass for an opening by the next attempt's time.
TEST_F(OldMarkTest, ARefusedDirectoryIsStillThatOfAnotherBoot) {
  WriteWithOldMark(12, "static");
  FlipEntry(/*back=*/0);
  std::ofstream(directory_ + "/boot", std::ios::trunc) << "another boot";
  for (int attempt = 0; attempt < 2; ++attempt) {
    StoreOptions options = AfterPowerCut();
    options.same_boot = std::nullopt;
    EXPECT_THAT(Store::Open(std::move(options)).status(),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(OldMarkTest, WithoutAPowerCutTheMarkIsExact) {
  WriteWithOldMark(12, "static");
  FlipEntry(/*back=*/0);
  StoreOptions options = AfterPowerCut();
  options.same_boot = std::nullopt;  // It is the same, as the kernel says.
  EXPECT_OK(Store::Open(std::move(options)).status());
}

}  // namespace
}  // namespace storage
