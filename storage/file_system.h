// FileSystem is what RocksDB does its I/O through: the machine's file system,
// but
//
// - it latches: after the first failed call on a write-ahead log or MANIFEST
//   every later call that changes the disk fails. Left alone, RocksDB answers
//   OK to the next synced write after a failed sync (measured; P32, U3);
// - a full disk is a plain error, not one that RocksDB tries to recover from by
//   itself (D5);
// - it counts, and knows since when its oldest unfinished call is under way,
//   for a watchdog that must not take a lock;
// - write-ahead logs have their full length from the beginning (wal_tail.h);
// - tests can make any call fail.
//
// Internal to storage/. Thread-safe.

#ifndef STORAGE_FILE_SYSTEM_H_
#define STORAGE_FILE_SYSTEM_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "rocksdb/file_system.h"
#include "storage/io_hooks.h"

namespace storage {

class FileSystem : public rocksdb::FileSystemWrapper {
 public:
  // `hooks` may be null and outlives this. `on_latched` is called once, on the
  // thread whose call failed.
  FileSystem(std::shared_ptr<rocksdb::FileSystem> base, IoHooks* hooks,
             std::function<void(absl::Status)> on_latched);

  // Latches as after a failed call.
  void Latch(const std::string& cause);

  bool latched() const { return latched_.load(std::memory_order_acquire); }

  IoCounters counters() const;

  // The number in the name of the write-ahead log made last; 0 before any.
  uint64_t newest_log() const {
    return newest_log_.load(std::memory_order_acquire);
  }

  // When the oldest call that is still under way began, by CLOCK_MONOTONIC; 0
  // if there is none. Lock-free.
  int64_t oldest_call_started_ns() const;

  // --- rocksdb::FileSystem ---------------------------------------------------

  const char* Name() const override { return "MultiraftFileSystem"; }

  rocksdb::FileOptions OptimizeForLogWrite(
      const rocksdb::FileOptions& options,
      const rocksdb::DBOptions& db_options) const override;

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* result,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* result,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(
      const std::string& path, const std::string& old_path,
      const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* result,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path,
                                 const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  // No lock of RocksDB's own: it belongs to the whole data directory, and is
  // DataDirectory's.
  rocksdb::IOStatus LockFile(const std::string& path,
                             const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Directory;

  // Makes `call` unless latched or told to fail, counts it, and latches if it
  // was one that matters. `short_write` is made instead for kShortWrite.
  rocksdb::IOStatus Run(IoEvent event,
                        absl::FunctionRef<rocksdb::IOStatus()> call,
                        absl::FunctionRef<rocksdb::IOStatus()> short_write);
  rocksdb::IOStatus Run(IoEvent event,
                        absl::FunctionRef<rocksdb::IOStatus()> call);

  rocksdb::IOStatus Failed(const IoEvent& event,
                           const rocksdb::IOStatus& status);

  // Calls under way at once: RocksDB has a handful of threads.
  static constexpr int kSlots = 64;

  IoHooks* const hooks_;
  const std::function<void(absl::Status)> on_latched_;

  std::atomic<bool> latched_{false};
  std::atomic<uint64_t> newest_log_{0};
  std::array<std::atomic<int64_t>, kSlots> started_ns_ = {};
  std::array<std::atomic<uint64_t>, kFileKindCount* kIoCallCount> calls_ = {};
  std::array<std::atomic<uint64_t>, kFileKindCount> bytes_ = {};

  base::Mutex mu_;
  std::string latch_cause_ ABSL_GUARDED_BY(mu_);
};

}  // namespace storage

#endif  // STORAGE_FILE_SYSTEM_H_
