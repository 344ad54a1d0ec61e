#include "storage/file_system.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"

namespace storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// An error without any of the marks that make RocksDB try again.
IOStatus PlainError(const std::string& message) {
  IOStatus status = IOStatus::IOError(message);
  status.SetRetryable(false);
  status.SetDataLoss(false);
  return status;
}

// Whether RocksDB has lost track of what is durable when this call fails. That
// a deleted file stays is harmless.
bool IsFatal(const IoEvent& event) {
  if (event.call == IoCall::kSyncDirectory) return true;
  if (event.call == IoCall::kDelete) return false;
  return event.file == FileKind::kLog || event.file == FileKind::kManifest;
}

// The 12 of "/x/000012.log".
uint64_t NumberOf(const std::string& path) {
  return std::strtoull(path.c_str() + path.rfind('/') + 1, nullptr, 10);
}

// Which call a failure is injected into.
std::string Describe(const IoEvent& event) {
  return absl::StrCat(IoCallName(event.call), " of ", event.path);
}

// DataDirectory's lock covers the database too.
class NoLock : public rocksdb::FileLock {};

// Occupies a slot with its start time while it lives.
class UnderWay {
 public:
  template <class Slots>
  explicit UnderWay(Slots& slots) {
    const int64_t now = base::SystemClock().MonotonicNanos();
    for (std::atomic<int64_t>& slot : slots) {
      int64_t free = 0;
      if (slot.compare_exchange_strong(free, now, std::memory_order_acq_rel)) {
        slot_ = &slot;
        return;
      }
    }
    // More calls at once than slots: this one is not watched.
  }
  ~UnderWay() {
    if (slot_ != nullptr) slot_->store(0, std::memory_order_release);
  }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

 private:
  std::atomic<int64_t>* slot_ = nullptr;
};

}  // namespace

// --- Files
// -----------------------------------------------------------------------

class FileSystem::File : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FileSystem& file_system, std::string path,
       std::unique_ptr<FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        file_system_(file_system),
        path_(std::move(path)),
        kind_(FileKindOf(path_)) {}

  IOStatus Append(const Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    return file_system_.Run(
        Event(IoCall::kAppend, data.size()),
        [&] { return target()->Append(data, options, debug); },
        [&] {
          return target()->Append(Slice(data.data(), data.size() / 2), options,
                                  debug);
        });
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  // Only direct I/O does these, which is off.
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&,
                            IODebugContext*) override {
    return IOStatus::NotSupported("PositionedAppend");
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&,
                            const rocksdb::DataVerificationInfo&,
                            IODebugContext*) override {
    return IOStatus::NotSupported("PositionedAppend");
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return file_system_.Run(Event(IoCall::kSync, 0),
                            [&] { return target()->Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return file_system_.Run(Event(IoCall::kSync, 0),
                            [&] { return target()->Fsync(options, debug); });
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return file_system_.Run(Event(IoCall::kClose, 0),
                            [&] { return target()->Close(options, debug); });
  }

 private:
  IoEvent Event(IoCall call, size_t bytes) const {
    return {.file = kind_, .call = call, .path = path_, .bytes = bytes};
  }

  FileSystem& file_system_;
  const std::string path_;
  const FileKind kind_;
};

class FileSystem::Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(FileSystem& file_system, std::string path,
            std::unique_ptr<FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)),
        file_system_(file_system),
        path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return file_system_.Run(
        Event(), [&] { return FSDirectoryWrapper::Fsync(options, debug); });
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& how) override {
    return file_system_.Run(Event(), [&] {
      return FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how);
    });
  }

 private:
  IoEvent Event() const {
    return {.file = FileKind::kOther,
            .call = IoCall::kSyncDirectory,
            .path = path_};
  }

  FileSystem& file_system_;
  const std::string path_;
};

// --- FileSystem
// --------------------------------------------------------------------

FileSystem::FileSystem(std::shared_ptr<rocksdb::FileSystem> base,
                       IoHooks* hooks,
                       std::function<void(absl::Status)> on_latched)
    : FileSystemWrapper(std::move(base)),
      hooks_(hooks),
      on_latched_(std::move(on_latched)) {}

IOStatus FileSystem::Run(IoEvent event, absl::FunctionRef<IOStatus()> call) {
  return Run(std::move(event), call,
             [&] { return PlainError("injected I/O error"); });
}

IOStatus FileSystem::Run(IoEvent event, absl::FunctionRef<IOStatus()> call,
                         absl::FunctionRef<IOStatus()> short_write) {
  if (latched()) {
    base::MutexLock lock(mu_);
    return PlainError(absl::StrCat("no more writes: ", latch_cause_));
  }
  const UnderWay under_way(started_ns_);
  const int file = static_cast<int>(event.file);
  calls_[file * kIoCallCount + static_cast<int>(event.call)].fetch_add(
      1, std::memory_order_relaxed);
  const IoFault fault =
      hooks_ == nullptr ? IoFault::kNone : hooks_->Before(event);
  switch (fault) {
    case IoFault::kNone:
      break;
    case IoFault::kIoError:
      return Failed(event, PlainError("injected I/O error"));
    case IoFault::kNoSpace:
      return Failed(event, IOStatus::NoSpace("injected: no space left"));
    case IoFault::kShortWrite:
      if (short_write().ok()) hooks_->After(event, event.bytes / 2);
      return Failed(event, PlainError("injected short write"));
  }
  IOStatus status = call();
  if (!status.ok()) return Failed(event, status);
  bytes_[file].fetch_add(event.bytes, std::memory_order_relaxed);
  if (hooks_ != nullptr) hooks_->After(event, event.bytes);
  return status;
}

IOStatus FileSystem::Failed(const IoEvent& event, const IOStatus& status) {
  // Answers, not failures: RocksDB asks and looks at the code.
  if (status.IsPathNotFound() || status.IsNotFound() ||
      status.IsNotSupported()) {
    return status;
  }
  const std::string message =
      absl::StrCat(Describe(event), ": ", status.ToString());
  if (IsFatal(event)) Latch(message);
  return PlainError(message);
}

void FileSystem::Latch(const std::string& cause) {
  {
    base::MutexLock lock(mu_);
    if (!latch_cause_.empty()) return;
    latch_cause_ = cause;
    latched_.store(true, std::memory_order_release);
  }
  if (on_latched_) on_latched_(absl::UnavailableError(cause));
}

IoCounters FileSystem::counters() const {
  IoCounters counters;
  for (int file = 0; file < kFileKindCount; ++file) {
    for (int call = 0; call < kIoCallCount; ++call) {
      counters.calls[file][call] =
          calls_[file * kIoCallCount + call].load(std::memory_order_relaxed);
    }
    counters.bytes_appended[file] =
        bytes_[file].load(std::memory_order_relaxed);
  }
  return counters;
}

int64_t FileSystem::oldest_call_started_ns() const {
  int64_t oldest = 0;
  for (const std::atomic<int64_t>& slot : started_ns_) {
    const int64_t started = slot.load(std::memory_order_acquire);
    if (started != 0 && (oldest == 0 || started < oldest)) oldest = started;
  }
  return oldest;
}

rocksdb::FileOptions FileSystem::OptimizeForLogWrite(
    const rocksdb::FileOptions& options,
    const rocksdb::DBOptions& db_options) const {
  rocksdb::FileOptions log =
      FileSystemWrapper::OptimizeForLogWrite(options, db_options);
  log.fallocate_with_keep_size = false;
  return log;
}

IOStatus FileSystem::NewWritableFile(const std::string& path,
                                     const FileOptions& options,
                                     std::unique_ptr<FSWritableFile>* result,
                                     IODebugContext* debug) {
  std::unique_ptr<FSWritableFile> file;
  IOStatus status = Run(
      {.file = FileKindOf(path), .call = IoCall::kCreate, .path = path},
      [&] { return target()->NewWritableFile(path, options, &file, debug); });
  if (status.ok()) {
    *result = std::make_unique<File>(*this, path, std::move(file));
    if (FileKindOf(path) == FileKind::kLog) {
      newest_log_.store(NumberOf(path), std::memory_order_release);
    }
  }
  return status;
}

IOStatus FileSystem::ReopenWritableFile(const std::string& path,
                                        const FileOptions&,
                                        std::unique_ptr<FSWritableFile>*,
                                        IODebugContext*) {
  // RocksDB only writes new files; if a version ever did not, the crash model
  // would have to learn it first.
  return IOStatus::NotSupported("ReopenWritableFile", path);
}

IOStatus FileSystem::ReuseWritableFile(const std::string& path,
                                       const std::string&, const FileOptions&,
                                       std::unique_ptr<FSWritableFile>*,
                                       IODebugContext*) {
  // Log recycling is off: old records would look like a tail (D4).
  return IOStatus::NotSupported("ReuseWritableFile", path);
}

IOStatus FileSystem::NewDirectory(const std::string& path,
                                  const IOOptions& options,
                                  std::unique_ptr<FSDirectory>* result,
                                  IODebugContext* debug) {
  std::unique_ptr<FSDirectory> directory;
  IOStatus status = target()->NewDirectory(path, options, &directory, debug);
  if (status.ok()) {
    *result = std::make_unique<Directory>(*this, path, std::move(directory));
  }
  return status;
}

IOStatus FileSystem::LockFile(const std::string&, const IOOptions&,
                              rocksdb::FileLock** lock, IODebugContext*) {
  *lock = new NoLock;
  return IOStatus::OK();
}

IOStatus FileSystem::UnlockFile(rocksdb::FileLock* lock, const IOOptions&,
                                IODebugContext*) {
  delete lock;
  return IOStatus::OK();
}

IOStatus FileSystem::RenameFile(const std::string& from, const std::string& to,
                                const IOOptions& options,
                                IODebugContext* debug) {
  return Run({.file = FileKindOf(to),
              .call = IoCall::kRename,
              .path = from,
              .target = to},
             [&] { return target()->RenameFile(from, to, options, debug); });
}

IOStatus FileSystem::DeleteFile(const std::string& path,
                                const IOOptions& options,
                                IODebugContext* debug) {
  return Run({.file = FileKindOf(path), .call = IoCall::kDelete, .path = path},
             [&] { return target()->DeleteFile(path, options, debug); });
}

}  // namespace storage
