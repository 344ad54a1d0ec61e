#include "storage/database.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/system_clock.h"
#include "rocksdb/table.h"
#include "storage/rocks_log.h"
#include "storage/rocks_status.h"
#include "storage/synced_claims.h"
#include "storage/wal_tail.h"

namespace storage {

std::string LogPath(absl::string_view directory, uint64_t log) {
  return absl::StrCat(directory, "/", absl::Dec(log, absl::kZeroPad6), ".log");
}

namespace {

constexpr uint64_t kBlockCacheBytes = 64 << 20;
// Rows are read in ranges: with blocks of 4 KiB, kept in the cache, loading a
// log takes half as long again (measured).
constexpr uint64_t kBlockBytes = 32 << 10;
constexpr size_t kBatchBufferKeptBytes = 1 << 20;

// In the order of Family. Do not change: on disk. RocksDB insists on a family
// called "default"; it stays empty.
constexpr const char* kFamilyNames[kFamilyCount] = {"log", "image", "meta"};

class Listener : public rocksdb::EventListener {
 public:
  explicit Listener(const DatabaseOptions& options)
      : on_background_error_(options.on_background_error),
        on_log_switch_(options.on_log_switch),
        on_log_compacted_(options.on_log_compacted) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason,
                         rocksdb::Status* error) override {
    // Closing cuts off a flush, which is no failure: the log has everything.
    if (error->IsShutdownInProgress()) return;
    if (on_background_error_) {
      on_background_error_(FromRocks(*error, "background work failed"));
    }
  }

  void OnMemTableSealed(const rocksdb::MemTableInfo&) override {
    if (on_log_switch_) on_log_switch_();
  }

  void OnCompactionCompleted(rocksdb::DB*,
                             const rocksdb::CompactionJobInfo& job) override {
    if (on_log_compacted_ && job.status.ok() &&
        job.cf_name == kFamilyNames[static_cast<size_t>(Family::kLog)]) {
      on_log_compacted_();
    }
  }

 private:
  const std::function<void(absl::Status)> on_background_error_;
  const std::function<void()> on_log_switch_;
  const std::function<void()> on_log_compacted_;
};

// RocksDB sleeps for a second after a failed flush before it tries again. A
// fenced store has nothing to wait for: it is about to be closed.
class ImpatientClock : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock(const std::shared_ptr<rocksdb::SystemClock>& clock,
                 std::function<bool()> is_fenced)
      : SystemClockWrapper(clock), is_fenced_(std::move(is_fenced)) {}

  const char* Name() const override { return "ImpatientClock"; }

  void SleepForMicroseconds(int micros) override {
    const bool fenced = is_fenced_ && is_fenced_();
    SystemClockWrapper::SleepForMicroseconds(fenced ? std::min(micros, 1000)
                                                    : micros);
  }

 private:
  const std::function<bool()> is_fenced_;
};

class DatabaseEnv : public rocksdb::EnvWrapper {
 public:
  explicit DatabaseEnv(const DatabaseOptions& options)
      : EnvWrapper(rocksdb::NewCompositeEnv(
            options.file_system != nullptr ? options.file_system
                                           : rocksdb::FileSystem::Default())) {
    system_clock_ =
        std::make_shared<ImpatientClock>(system_clock_, options.is_fenced);
  }

  const char* Name() const override { return "DatabaseEnv"; }
};

rocksdb::DBOptions MakeDbOptions(const DatabaseOptions& options,
                                 rocksdb::Env* env,
                                 std::shared_ptr<RocksLog> log) {
  rocksdb::DBOptions db;
  db.env = env;
  db.info_log = std::move(log);
  db.create_if_missing = true;
  db.create_missing_column_families = true;

  // D4: a torn tail is dropped, damage anywhere else is an error. Recycling
  // would make old records look like a tail.
  db.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.track_and_verify_wals_in_manifest = true;
  db.recycle_log_file_num = 0;

  // D5: the first error is the last.
  db.paranoid_checks = true;
  db.max_bgerror_resume_count = 0;

  // The families are flushed together: none is ever ahead of another behind a
  // lost log (P36), and a family that is rarely written (`meta`) pins no old
  // log. Restarts stay quick, since the logs are at most wal_bytes_max.
  db.atomic_flush = true;
  db.max_total_wal_size = options.wal_bytes_max;
  db.avoid_flush_during_shutdown = true;

  // Not at recovery: a log that outlives its process is not in the MANIFEST, so
  // nobody would miss it at the restart after next (damage_test).
  db.avoid_flush_during_recovery = false;

  // Two threads write: order matters, and there is nothing to gain from
  // concurrency inside one batch.
  db.enable_pipelined_write = false;
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;

  db.max_background_jobs = 2;
  db.max_open_files = 1024;
  db.bytes_per_sync = 1 << 20;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.skip_stats_update_on_db_open = true;
  db.max_manifest_file_size = 64 << 20;
  db.listeners.push_back(std::make_shared<Listener>(options));
  return db;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies(
    const DatabaseOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.format_version = 5;
  table.block_size = kBlockBytes;

  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  family.max_write_buffer_number = 4;
  family.compression = rocksdb::kNoCompression;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, family);
  for (const char* name : kFamilyNames) families.emplace_back(name, family);
  return families;
}

// Keeps a database whose disk failed instead of closing it: RocksDB 7.8 loses
// count of its references when it cannot switch to a new log
// (DBImpl::ScheduleFlushes leaves its loop early), and then aborts in its
// destructor. The process is about to end anyway.
void Abandon(std::unique_ptr<rocksdb::DB> db,
             std::unique_ptr<rocksdb::Env> env) {
  static base::Mutex* const mu = new base::Mutex;
  static auto* const abandoned =
      new std::vector<std::pair<rocksdb::DB*, rocksdb::Env*>>;
  base::MutexLock lock(*mu);
  abandoned->emplace_back(db.release(), env.release());
}

// Whether the logs may be cut at the first damage, and why not. A power cut can
// leave holes, not only a cut, in what was never synced (U1), and RocksDB takes
// those for corruption. Looks without changing a file.
//
// What would be dropped was not synced, and may go, if
//  - all that was acknowledged is in front of it, and
//  - no whole batch behind the damage says that more was synced by then.
// That leaves one doubt, where power was lost and the acknowledged number may
// be old: the last batch of all. Nobody wrote behind it, so nothing tells a
// batch whose sync had returned from one that was being synced. A node alone
// takes it for the latter, as RocksDB does with a tail that is cut off; where
// others have the data, the doubt is worth a new incarnation (P31).
struct Tail {
  bool may_go = false;
  uint64_t ends_at = 0;
  std::string why;  // It may not.
};

Tail JudgeTail(const DatabaseOptions& options, rocksdb::DBOptions db_options) {
  db_options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db_options.create_if_missing = false;
  db_options.create_missing_column_families = false;
  db_options.listeners.clear();
  // The line that names the damaged file was logged already.
  db_options.info_log = std::make_shared<RocksLog>();
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(
      db_options, options.directory, MakeFamilies(options), &handles, &opened);
  if (!status.ok()) return {};
  const std::unique_ptr<rocksdb::DB> db(opened);
  Tail tail{.ends_at = db->GetLatestSequenceNumber()};
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    db->DestroyColumnFamilyHandle(handle);
  }
  const uint64_t synced = std::max(options.acknowledged_sequence,
                                   HighestSyncedClaim(options.directory));
  if (tail.ends_at < synced) {
    tail.why = absl::StrCat("it was synced up to sequence number ", synced,
                            ", and is whole up to ", tail.ends_at);
  } else if (options.has_peers && !options.acknowledged_is_exact) {
    tail.why =
        absl::StrCat("it is whole up to sequence number ", tail.ends_at,
                     ", and the last that was synced may be behind that");
  } else {
    tail.may_go = true;
  }
  return tail;
}

// What went wrong, the file if RocksDB's log names one, and what to do.
absl::Status ExplainOpenError(const rocksdb::Status& status,
                              const RocksLog& log, const std::string& why,
                              const std::string& directory) {
  const absl::Status error =
      FromRocks(status, absl::StrCat("database ", directory));
  if (!status.IsCorruption()) return error;
  // "Missing WAL with log number: 12" means a file of that number.
  std::string named;
  const std::string message = status.ToString();
  constexpr absl::string_view kNumber = "log number: ";
  if (const size_t at = message.find(kNumber.data()); at != message.npos) {
    const uint64_t log =
        std::strtoull(message.c_str() + at + kNumber.size(), nullptr, 10);
    named = absl::StrCat(" (", LogPath(directory, log), ")");
  }
  const std::string line = log.LineNamingAFile();
  return absl::DataLossError(absl::StrCat(
      error.message(), named, line.empty() ? "" : "; RocksDB says: ", line,
      why.empty() ? "" : "; ", why,
      ". A file is damaged or missing, so acknowledged writes may be lost: "
      "put the file back if you have it; otherwise keep the directory, start "
      "this node with an empty one and --join, and replace it by itself "
      "(multiraftctl member replace N N ADDRESS), or restore a backup"));
}

}  // namespace

// --- DatabaseBatch
// -------------------------------------------------------------

void DatabaseBatch::Put(Family family, absl::string_view key,
                        absl::string_view head, absl::string_view tail) {
  const rocksdb::Slice key_slice = ToSlice(key);
  const rocksdb::Slice value[2] = {ToSlice(head), ToSlice(tail)};
  const rocksdb::Status status = batch_.Put(families_[static_cast<int>(family)],
                                            rocksdb::SliceParts(&key_slice, 1),
                                            rocksdb::SliceParts(value, 2));
  CHECK(status.ok()) << status.ToString();
}

void DatabaseBatch::Delete(Family family, absl::string_view key) {
  const rocksdb::Status status =
      batch_.Delete(families_[static_cast<int>(family)], ToSlice(key));
  CHECK(status.ok()) << status.ToString();
}

void DatabaseBatch::DeleteRange(Family family, absl::string_view begin,
                                absl::string_view end) {
  const rocksdb::Status status = batch_.DeleteRange(
      families_[static_cast<int>(family)], ToSlice(begin), ToSlice(end));
  CHECK(status.ok()) << status.ToString();
}

uint64_t DatabaseBatch::last_sequence() const {
  CHECK(!empty());
  // RocksDB has put the number of the first change, little-endian, where its
  // format has it: in front of everything.
  uint64_t first = 0;
  for (size_t i = sizeof(first); i-- > 0;) {
    first = first << 8 | static_cast<uint8_t>(batch_.Data()[i]);
  }
  return first + batch_.Count() - 1;
}

void DatabaseBatch::ClaimSynced(uint64_t sequence) {
  const rocksdb::Status status = batch_.PutLogData(EncodeSyncedClaim(sequence));
  CHECK(status.ok()) << status.ToString();
}

void DatabaseBatch::Clear() {
  if (batch_.GetDataSize() > kBatchBufferKeptBytes) {
    batch_ = rocksdb::WriteBatch();
  } else {
    batch_.Clear();
  }
}

// --- Cursors and views
// -----------------------------------------------------------

class Database::RangeCursor : public Cursor {
 public:
  RangeCursor(absl::string_view begin, absl::string_view end)
      : begin_(begin),
        end_(end),
        begin_slice_(ToSlice(begin_)),
        end_slice_(ToSlice(end_)) {}

  // `options` but for the bounds; the handle and the database outlive us.
  void Open(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
            rocksdb::ReadOptions options) {
    options.iterate_lower_bound = &begin_slice_;
    options.iterate_upper_bound = &end_slice_;
    options.total_order_seek = true;
    // A scan reads each block once.
    options.fill_cache = false;
    iterator_.reset(db.NewIterator(options, family));
  }

  void Seek(absl::string_view key) override { iterator_->Seek(ToSlice(key)); }
  void SeekForPrev(absl::string_view key) override {
    iterator_->SeekForPrev(ToSlice(key));
  }
  void Next() override { iterator_->Next(); }
  bool valid() const override { return iterator_->Valid(); }
  absl::string_view key() const override { return FromSlice(iterator_->key()); }
  absl::string_view value() const override {
    return FromSlice(iterator_->value());
  }
  absl::Status status() const override {
    return FromRocks(iterator_->status(), "reading the database");
  }

 private:
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice begin_slice_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class Database::PinnedView : public KeyValueView {
 public:
  explicit PinnedView(Database& database)
      : database_(database), snapshot_(database.db_->GetSnapshot()) {}
  ~PinnedView() override { database_.db_->ReleaseSnapshot(snapshot_); }

  absl::StatusOr<std::optional<std::string>> Get(
      Family family, absl::string_view key) override {
    return database_.GetAt(snapshot_, family, key);
  }
  std::unique_ptr<Cursor> NewCursor(Family family, absl::string_view begin,
                                    absl::string_view end) override {
    return database_.NewCursorAt(snapshot_, family, begin, end);
  }

 private:
  Database& database_;
  const rocksdb::Snapshot* const snapshot_;
};

// --- Database
// --------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    DatabaseOptions options) {
  auto database = std::unique_ptr<Database>(new Database);
  database->is_fenced_ = options.is_fenced;
  database->log_ = std::make_shared<RocksLog>();
  database->env_ = std::make_unique<DatabaseEnv>(options);
  rocksdb::DBOptions db_options =
      MakeDbOptions(options, database->env_.get(), database->log_);
  RETURN_IF_ERROR(CutUnwrittenTails(options.directory));
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::Status status = rocksdb::DB::Open(
      db_options, options.directory, MakeFamilies(options), &handles, &db);
  Tail tail;
  if (status.IsCorruption()) tail = JudgeTail(options, db_options);
  if (tail.may_go) {
    LOG(WARNING) << "database " << options.directory
                 << ": dropping what is behind sequence number " << tail.ends_at
                 << ": it is damaged, and was never acknowledged ("
                 << status.ToString() << ")";
    db_options.wal_recovery_mode =
        rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    status = rocksdb::DB::Open(db_options, options.directory,
                               MakeFamilies(options), &handles, &db);
  }
  if (!status.ok()) {
    return ExplainOpenError(status, *database->log_, tail.why,
                            options.directory);
  }
  database->db_.reset(db);
  CHECK_EQ(handles.size(), size_t{1 + kFamilyCount});
  db->DestroyColumnFamilyHandle(handles[0]);
  for (int i = 0; i < kFamilyCount; ++i) {
    database->families_[i] = handles[1 + i];
  }
  return database;
}

Database::~Database() {
  if (db_ == nullptr) return;
  if (is_fenced_ && is_fenced_()) {
    rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/true);
    Abandon(std::move(db_), std::move(env_));
    return;
  }
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    db_->DestroyColumnFamilyHandle(family);
  }
  // An error here is no news: what was acknowledged is already in the log.
  db_->Close().PermitUncheckedError();
}

absl::Status Database::Write(DatabaseBatch& batch, Durability durability) {
  rocksdb::WriteOptions options;
  options.sync = durability == Durability::kSynced;
  return FromRocks(db_->Write(options, &batch.batch_), "writing the log");
}

uint64_t Database::latest_sequence() const {
  return db_->GetLatestSequenceNumber();
}

absl::Status Database::Flush() {
  return FromRocks(
      db_->Flush(rocksdb::FlushOptions(), {families_.begin(), families_.end()}),
      "flushing");
}

absl::StatusOr<std::optional<std::string>> Database::GetAt(
    const rocksdb::Snapshot* snapshot, Family family, absl::string_view key) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  const rocksdb::Status status = db_->Get(
      options, families_[static_cast<int>(family)], ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  RETURN_IF_ERROR(FromRocks(status, "reading the database"));
  return std::optional<std::string>(std::move(value));
}

std::unique_ptr<Cursor> Database::NewCursorAt(const rocksdb::Snapshot* snapshot,
                                              Family family,
                                              absl::string_view begin,
                                              absl::string_view end) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  auto cursor = std::make_unique<RangeCursor>(begin, end);
  cursor->Open(*db_, families_[static_cast<int>(family)], options);
  return cursor;
}

absl::StatusOr<std::optional<std::string>> Database::Get(
    Family family, absl::string_view key) {
  return GetAt(nullptr, family, key);
}

std::unique_ptr<Cursor> Database::NewCursor(Family family,
                                            absl::string_view begin,
                                            absl::string_view end) {
  return NewCursorAt(nullptr, family, begin, end);
}

std::unique_ptr<KeyValueView> Database::Pin() {
  return std::make_unique<PinnedView>(*this);
}

}  // namespace storage
