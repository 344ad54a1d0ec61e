// Database is the RocksDB of one data directory: three column families, one
// write-ahead log, and the options that make what is acknowledged survive.
//
// Internal to storage/: it is the only folder that includes RocksDB, and only
// its .cc files and this header do. Thread-safe.

#ifndef STORAGE_DATABASE_H_
#define STORAGE_DATABASE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rocksdb/write_batch.h"
#include "storage/key_value.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Env;
class FileSystem;
class Snapshot;
}  // namespace rocksdb

namespace storage {

class RocksLog;

struct DatabaseOptions {
  std::string directory;

  // What RocksDB does its I/O through; null: the machine's.
  std::shared_ptr<rocksdb::FileSystem> file_system;

  // What the database must still hold: all up to this sequence number was
  // acknowledged (D9).
  uint64_t acknowledged_sequence = 0;
  // And nothing behind it: no power was lost since, so the number is no older
  // than the rest.
  bool acknowledged_is_exact = false;
  // Other nodes count on what this one has acknowledged, and have it, too: what
  // may be lost is refused here rather than risked.
  bool has_peers = false;

  // Called, on a thread of RocksDB, when a flush or compaction failed.
  std::function<void(absl::Status)> on_background_error;

  // True once nothing will be written any more; null: never.
  std::function<bool()> is_fenced;

  // Called when a write-ahead log was closed and the next one begun.
  std::function<void()> on_log_switch;

  // Called, on a thread of RocksDB, when files of Family::kLog were compacted:
  // what was deleted of them is gone. May be null.
  std::function<void()> on_log_compacted;

  uint64_t write_buffer_bytes = 64 << 20;  // Of each family.
  uint64_t wal_bytes_max = 128 << 20;      // Of all write-ahead logs together.
};

// The write-ahead log with this number: "directory/000012.log".
std::string LogPath(absl::string_view directory, uint64_t log);

using FamilyHandles = std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount>;

// Changes that become visible, and durable, together or not at all.
class DatabaseBatch : public KeyValueSink {
 public:
  explicit DatabaseBatch(const FamilyHandles& families) : families_(families) {}

  void Put(Family family, absl::string_view key, absl::string_view head,
           absl::string_view tail) override;
  void Delete(Family family, absl::string_view key) override;
  void DeleteRange(Family family, absl::string_view begin,
                   absl::string_view end) override;

  bool empty() const { return batch_.Count() == 0; }
  // The number of its last change. REQUIRES: it is not empty, and was written.
  uint64_t last_sequence() const;

  // Has the log say, with this batch, that all up to `sequence` is durable.
  // REQUIRES: it is, when the batch is written.
  void ClaimSynced(uint64_t sequence);

  // Empties the batch. Keeps a modest buffer for the next use.
  void Clear();

 private:
  friend class Database;
  FamilyHandles families_;  // Borrowed from the Database.
  rocksdb::WriteBatch batch_;
};

class Database : public KeyValueView {
 public:
  // Opens or creates the database. DataLoss: a file is damaged or missing; the
  // message names it and says what to do (D4).
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      DatabaseOptions options);

  // Everything that was written is in the write-ahead log; nothing is flushed.
  // Waits for background work; if fenced, RocksDB's memory is not given back.
  ~Database() override;

  DatabaseBatch NewBatch() const { return DatabaseBatch(families_); }

  // Appends `batch` to the write-ahead log and makes it visible. With kSynced,
  // it and every batch before it are durable when this returns OK. After an
  // error nothing that was not durable may be acknowledged.
  enum class Durability { kSynced, kUnsynced };
  absl::Status Write(DatabaseBatch& batch, Durability durability);

  // The number of the last change: each key of each batch counts one.
  uint64_t latest_sequence() const;

  // Writes the memtables to files. For tests and tools.
  absl::Status Flush();

  // --- KeyValueView, at the present state
  // --------------------------------------

  absl::StatusOr<std::optional<std::string>> Get(
      Family family, absl::string_view key) override;
  std::unique_ptr<Cursor> NewCursor(Family family, absl::string_view begin,
                                    absl::string_view end) override;

  // A view of what is there now; later writes do not show. Must not outlive the
  // database, nor may its cursors.
  std::unique_ptr<KeyValueView> Pin();

 private:
  class PinnedView;
  class RangeCursor;
  Database() = default;

  absl::StatusOr<std::optional<std::string>> GetAt(
      const rocksdb::Snapshot* snapshot, Family family, absl::string_view key);
  std::unique_ptr<Cursor> NewCursorAt(const rocksdb::Snapshot* snapshot,
                                      Family family, absl::string_view begin,
                                      absl::string_view end);

  // Constant after Open, and destroyed in the opposite order.
  std::function<bool()> is_fenced_;
  std::shared_ptr<RocksLog> log_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  FamilyHandles families_ = {};
};

}  // namespace storage

#endif  // STORAGE_DATABASE_H_
