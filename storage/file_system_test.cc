#include "storage/file_system.h"

#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/file_system.h"
#include "storage/io_hooks.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

using ::testing::HasSubstr;

// Fails the next call of a kind, and looks at the file system meanwhile.
class OneFault : public IoHooks {
 public:
  IoFault Before(const IoEvent& event) override {
    if (file_system != nullptr) {
      started_ns_inside = file_system->oldest_call_started_ns();
    }
    if (event.call != call) return IoFault::kNone;
    call = IoCall::kClose;  // Once.
    return fault;
  }
  void After(const IoEvent&, size_t) override {}

  IoCall call = IoCall::kClose;
  IoFault fault = IoFault::kNone;
  const FileSystem* file_system = nullptr;
  int64_t started_ns_inside = 0;
};

class FileSystemTest : public ::testing::Test {
 protected:
  FileSystemTest() {
    std::filesystem::create_directories(directory_.path());
    hooks_.file_system = &file_system_;
  }

  std::string Path(const std::string& name) const {
    return directory_.path() + "/" + name;
  }

  std::unique_ptr<rocksdb::FSWritableFile> Create(const std::string& name) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    last_ = file_system_.NewWritableFile(Path(name), {}, &file, nullptr);
    return file;
  }

  rocksdb::IOStatus Append(rocksdb::FSWritableFile& file,
                           const std::string& bytes) {
    return file.Append(bytes, {}, nullptr);
  }

  const TestDirectory directory_;
  OneFault hooks_;
  int latched_calls_ = 0;
  FileSystem file_system_{rocksdb::FileSystem::Default(), &hooks_,
                          [this](absl::Status) { ++latched_calls_; }};
  rocksdb::IOStatus last_;
};

TEST_F(FileSystemTest, FailedSyncOfALogLatchesForEver) {
  auto log = Create("000001.log");
  auto table = Create("000002.sst");
  hooks_.call = IoCall::kSync;
  hooks_.fault = IoFault::kIoError;
  EXPECT_FALSE(log->Sync({}, nullptr).ok());
  EXPECT_TRUE(file_system_.latched());
  EXPECT_EQ(latched_calls_, 1);
  // The disk would take all of these again.
  EXPECT_FALSE(log->Sync({}, nullptr).ok());
  EXPECT_FALSE(Append(*log, "x").ok());
  EXPECT_FALSE(Append(*table, "x").ok());
  Create("000003.sst");
  EXPECT_THAT(last_.ToString(), HasSubstr("no more writes: sync of"));
  EXPECT_FALSE(file_system_.RenameFile(Path("a"), Path("b"), {}, nullptr).ok());
  EXPECT_FALSE(file_system_.DeleteFile(Path("000002.sst"), {}, nullptr).ok());
  EXPECT_EQ(latched_calls_, 1);
}

TEST_F(FileSystemTest, FailedTableDoesNotLatch) {
  auto log = Create("000001.log");
  auto table = Create("000002.sst");
  hooks_.call = IoCall::kAppend;
  hooks_.fault = IoFault::kIoError;
  EXPECT_FALSE(Append(*table, "x").ok());
  EXPECT_FALSE(file_system_.latched());
  EXPECT_TRUE(Append(*log, "x").ok());
}

TEST_F(FileSystemTest, FullDiskIsAPlainErrorThatNobodyRetries) {
  auto table = Create("000002.sst");
  hooks_.call = IoCall::kAppend;
  hooks_.fault = IoFault::kNoSpace;
  const rocksdb::IOStatus status = Append(*table, "x");
  EXPECT_TRUE(status.IsIOError());
  EXPECT_FALSE(status.IsNoSpace());
  EXPECT_FALSE(status.GetRetryable());
  EXPECT_FALSE(status.GetDataLoss());
  EXPECT_THAT(status.ToString(), HasSubstr("no space"));
}

TEST_F(FileSystemTest, ShortWriteLeavesHalf) {
  auto log = Create("000001.log");
  hooks_.call = IoCall::kAppend;
  hooks_.fault = IoFault::kShortWrite;
  EXPECT_FALSE(Append(*log, "12345678").ok());
  log = nullptr;
  EXPECT_EQ(std::filesystem::file_size(Path("000001.log")), 4u);
}

TEST_F(FileSystemTest, MissingFileIsAnAnswerAndNoFailure) {
  EXPECT_TRUE(file_system_.DeleteFile(Path("000009.log"), {}, nullptr)
                  .IsPathNotFound());
  EXPECT_FALSE(file_system_.latched());
}

TEST_F(FileSystemTest, CountsByKindAndCall) {
  auto log = Create("000001.log");
  EXPECT_TRUE(Append(*log, "12345").ok());
  EXPECT_TRUE(Append(*log, "678").ok());
  EXPECT_TRUE(log->Sync({}, nullptr).ok());
  const IoCounters counters = file_system_.counters();
  EXPECT_EQ(counters.calls_of(FileKind::kLog, IoCall::kAppend), 2u);
  EXPECT_EQ(counters.calls_of(FileKind::kLog, IoCall::kSync), 1u);
  EXPECT_EQ(counters.calls_of(FileKind::kTable, IoCall::kSync), 0u);
  EXPECT_EQ(counters.bytes_of(FileKind::kLog), 8u);
  EXPECT_EQ(file_system_.newest_log(), 1u);
}

TEST_F(FileSystemTest, CallUnderWayShowsSinceWhen) {
  EXPECT_EQ(file_system_.oldest_call_started_ns(), 0);
  auto log = Create("000001.log");
  EXPECT_GT(hooks_.started_ns_inside, 0);
  EXPECT_EQ(file_system_.oldest_call_started_ns(), 0);
}

TEST(FileKindTest, IsTakenFromTheName) {
  EXPECT_EQ(FileKindOf("/d/000012.log"), FileKind::kLog);
  EXPECT_EQ(FileKindOf("/d/000012.sst"), FileKind::kTable);
  EXPECT_EQ(FileKindOf("/d/MANIFEST-000005"), FileKind::kManifest);
  EXPECT_EQ(FileKindOf("/d/CURRENT"), FileKind::kManifest);
  EXPECT_EQ(FileKindOf("/d/000005.dbtmp"), FileKind::kManifest);
  EXPECT_EQ(FileKindOf("/d/OPTIONS-000007.dbtmp"), FileKind::kOther);
  EXPECT_EQ(FileKindOf("/d/LOG"), FileKind::kOther);
}

}  // namespace
}  // namespace storage
