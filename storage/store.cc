#include "storage/store.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/database.h"
#include "storage/fence.h"
#include "storage/file_system.h"
#include "storage/image_writer.h"
#include "storage/log_writer.h"
#include "storage/partition_rows.h"
#include "storage/pinned_images.h"
#include "storage/worker_thread.h"

namespace storage {
namespace {

constexpr int64_t kWatermarkSyncNanos = 1'000'000'000;

// Blocks until a completion reports. Only for calls made at start.
class Waiter {
 public:
  void Set(absl::Status status) {
    base::MutexLock lock(mu_);
    status_ = std::move(status);
    set_ = true;
    changed_.Signal();
  }
  absl::Status Wait() {
    base::MutexLock lock(mu_);
    while (!set_) changed_.Wait(mu_);
    return status_;
  }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

// Calls `done` with what `read` returns, on `thread`.
template <class Done, class Read>
void Answer(WorkerThread& thread, Done done, Read read) {
  // Shared, so that a refused read still can be completed.
  auto shared = std::make_shared<Done>(std::move(done));
  const bool posted = thread.Post(
      [shared, read = std::move(read)]() mutable { (*shared)(read()); });
  if (!posted) (*shared)(absl::UnavailableError("the store is closed"));
}

}  // namespace

Store::Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  auto store = std::unique_ptr<Store>(new Store);
  store->fence_ = std::make_shared<Fence>(std::move(options.on_fatal));
  ASSIGN_OR_RETURN(store->directory_, DataDirectory::Open(options.directory));
  if (options.reserve_file_bytes > 0) {
    store->reserve_file_.emplace(options.directory + "/reserve",
                                 options.reserve_file_bytes);
    store->reserve_file_->ReleaseIfNeeded();
  }

  const auto raise = [fence = store->fence_](absl::Status error) {
    fence->Raise(std::move(error));
  };
  store->file_system_ = std::make_shared<FileSystem>(
      rocksdb::FileSystem::Default(), options.io_hooks, raise);

  DatabaseOptions database;
  database.directory = store->directory_->database_path();
  database.file_system = store->file_system_;
  database.acknowledged_sequence =
      store->directory_->watermark().opened_at().sequence;
  database.acknowledged_is_exact =
      options.same_boot.value_or(store->directory_->same_boot());
  database.has_peers =
      options.identity.mode != kSingleMode && !options.last_resort;
  database.write_buffer_bytes = options.write_buffer_bytes;
  database.wal_bytes_max = options.wal_bytes_max;
  database.on_background_error = raise;
  database.is_fenced = [fence = store->fence_] { return fence->raised(); };
  database.on_log_switch = [self = store.get()] { self->WakeKeeper(); };
  database.on_log_compacted = std::move(options.on_log_space_freed);
  ASSIGN_OR_RETURN(store->database_, Database::Open(std::move(database)));

  RETURN_IF_ERROR(store->directory_->CheckWatermark(*store->database_));
  store->directory_->NoteOpened();
  ASSIGN_OR_RETURN(store->identity_, store->directory_->Claim(
                                         *store->database_, options.identity));
  ASSIGN_OR_RETURN(const std::optional<std::string> initial,
                   store->database_->Get(Family::kMeta, InitialClusterKey()));
  if (initial.has_value()) {
    ASSIGN_OR_RETURN(store->initial_cluster_, DecodeInitialCluster(*initial));
  }
  ASSIGN_OR_RETURN(Extents extents, ReadExtents(*store->database_));
  ASSIGN_OR_RETURN(Tombstones tombstones, ReadTombstones(*store->database_));

  store->log_writer_ = std::make_unique<LogWriter>(
      *store->database_, *store->file_system_, store->directory_->watermark(),
      *store->fence_, std::move(extents), std::move(tombstones));
  store->image_writer_ =
      std::make_unique<ImageWriter>(*store->database_, *store->fence_);
  store->log_reader_ = std::make_unique<WorkerThread>(
      "log-reader", WorkerThread::Priority::kNormal);
  store->pinned_images_ = std::make_unique<PinnedImages>();
  store->image_reader_ = std::make_unique<WorkerThread>(
      "image-reader", WorkerThread::Priority::kNormal);
  store->keeper_ = std::thread([self = store.get()] { self->KeepWatermark(); });
  return store;
}

bool Store::Exists(const std::string& directory) {
  return DataDirectory::HasDatabase(directory);
}

Store::~Store() { Close(); }

void Store::Close() {
  // Images first: their completions may queue the pointer that uses them.
  if (image_writer_ != nullptr) image_writer_->Stop();
  if (log_writer_ != nullptr) log_writer_->Stop();
  if (log_reader_ != nullptr) log_reader_->Stop();
  if (image_reader_ != nullptr) image_reader_->Stop();
  pinned_images_ = nullptr;  // Before the database that they read.
  {
    base::MutexLock lock(mu_);
    closing_ = true;
  }
  keeper_wakes_.Signal();
  if (keeper_.joinable()) keeper_.join();
  // From here on the directory may become another's.
  if (fence_->raised()) file_system_->Latch("the store is closed");
  database_ = nullptr;
  directory_ = nullptr;  // Unlocks it.
}

absl::Status Store::SetInitialCluster(const InitialCluster& cluster) {
  CHECK(!initial_cluster_.has_value());
  DatabaseBatch batch = database_->NewBatch();
  batch.Put(Family::kMeta, InitialClusterKey(), EncodeInitialCluster(cluster),
            absl::string_view());
  RETURN_IF_ERROR(database_->Write(batch, Database::Durability::kSynced));
  initial_cluster_ = cluster;
  return absl::OkStatus();
}

absl::Status Store::Recover(const InitialCluster& cluster,
                            const std::vector<RecoveredPartition>& partitions) {
  ASSIGN_OR_RETURN(Extents extents, ReadExtents(*database_));
  DatabaseBatch batch = database_->NewBatch();
  batch.Put(Family::kMeta, InitialClusterKey(), EncodeInitialCluster(cluster),
            absl::string_view());
  for (const RecoveredPartition& one : partitions) {
    if (one.begin.has_value()) {
      extents[one.partition] =
          EncodeNewPartition(one.partition, *one.begin, batch);
    }
    EncodeLogWrite({.partition = one.partition,
                    .hard_state = one.hard_state,
                    .entries = one.entries},
                   extents[one.partition], batch);
    batch.Put(
        Family::kMeta, ReplicaKey(one.partition),
        EncodeReplica({.replica = one.replica,
                       .dropped = raft::ReplicaId(one.replica.value() - 1)}),
        absl::string_view());
  }
  RETURN_IF_ERROR(database_->Write(batch, Database::Durability::kSynced));
  initial_cluster_ = cluster;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Group>> Store::ReadGroups() {
  std::vector<Group> groups;
  std::unique_ptr<Cursor> meta = database_->NewCursor(
      Family::kMeta, PartitionKeysBegin(), PartitionKeysEnd());
  for (meta->Seek(PartitionKeysBegin()); meta->valid(); meta->Next()) {
    const base::PartitionId id = PartitionOfGroupKey(meta->key());
    if (id == base::PartitionId{0}) continue;
    ASSIGN_OR_RETURN(Group group, DecodeGroup(id, meta->value()));
    groups.push_back(std::move(group));
  }
  RETURN_IF_ERROR(meta->status());
  return groups;
}

absl::Status Store::SetGroup(const Group& group) {
  Waiter waiter;
  log_writer_->WriteMeta(
      GroupKey(group.id), EncodeGroup(group),
      [&waiter](absl::Status status) { waiter.Set(std::move(status)); });
  return waiter.Wait();
}

absl::Status Store::ForgetGroup(base::PartitionId id) {
  Waiter waiter;
  log_writer_->WriteMeta(
      GroupKey(id), std::nullopt,
      [&waiter](absl::Status status) { waiter.Set(std::move(status)); });
  return waiter.Wait();
}

void Store::KeepReserve(uint64_t spare_bytes) {
  if (reserve_file_.has_value()) reserve_file_->Keep(spare_bytes);
}

uint64_t Store::synced_batches() const { return log_writer_->batches(); }

IoCounters Store::io_counters() const { return file_system_->counters(); }

int64_t Store::oldest_io_started_ns() const {
  return file_system_->oldest_call_started_ns();
}

absl::StatusOr<std::vector<base::PartitionId>> Store::ListPartitions() {
  return log_writer_->Partitions();
}

absl::Status Store::CreatePartition(base::PartitionId partition,
                                    const raft::Configuration& configuration) {
  Waiter waiter;
  RETURN_IF_ERROR(log_writer_->Create(
      partition, configuration,
      [&waiter](absl::Status status) { waiter.Set(std::move(status)); }));
  return waiter.Wait();
}

absl::Status Store::CreateReplica(base::PartitionId partition,
                                  raft::ReplicaId replica) {
  Waiter waiter;
  RETURN_IF_ERROR(log_writer_->CreateReplica(
      partition, replica,
      [&waiter](absl::Status status) { waiter.Set(std::move(status)); }));
  return waiter.Wait();
}

raft::ReplicaId Store::DroppedReplica(base::PartitionId partition) {
  return log_writer_->Dropped(partition);
}

void Store::DropReplica(base::PartitionId partition, raft::ReplicaId replica,
                        absl::AnyInvocable<void(absl::Status)> done) {
  log_writer_->Drop(partition, replica, std::move(done));
}

absl::StatusOr<StoredPartition> Store::LoadPartition(
    base::PartitionId partition) {
  return ReadPartition(*database_, partition);
}

absl::StatusOr<std::unique_ptr<ImageReader>> Store::OpenImage(
    base::PartitionId partition) {
  return storage::ReadImage(*database_->Pin(), partition);
}

void Store::Write(LogWrite write) { log_writer_->Write(std::move(write)); }

void Store::WriteImage(ImageBatch batch) {
  image_writer_->Write(std::move(batch));
}

void Store::ReadEntries(
    base::PartitionId partition, raft::Index from, uint64_t bytes_max,
    absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)> done) {
  Answer(*log_reader_, std::move(done),
         [=, this] { return ReadLog(*database_, partition, from, bytes_max); });
}

void Store::PinImage(
    base::PartitionId partition,
    absl::AnyInvocable<void(absl::StatusOr<PinnedImage>)> done) {
  Answer(*image_reader_, std::move(done),
         [=, this] { return pinned_images_->Pin(OpenImage(partition)); });
}

void Store::ReadImage(
    ImagePin pin, std::optional<ImageRowId> after, uint64_t bytes_max,
    absl::AnyInvocable<void(absl::StatusOr<ImageSlice>)> done) {
  Answer(*image_reader_, std::move(done), [=, this, after = std::move(after)] {
    return pinned_images_->Read(pin, after, bytes_max);
  });
}

void Store::UnpinImage(ImagePin pin) {
  image_reader_->Post([=, this] { pinned_images_->Unpin(pin); });
}

void Store::WakeKeeper() {
  {
    base::MutexLock lock(mu_);
    keep_now_ = true;
  }
  keeper_wakes_.Signal();
}

void Store::KeepWatermark() {
  NameThisThread("watermark", /*low=*/false);
  while (true) {
    bool closing = false;
    {
      base::MutexLock lock(mu_);
      if (!keep_now_ && !closing_) {
        keeper_wakes_.WaitFor(mu_, kWatermarkSyncNanos);
      }
      keep_now_ = false;
      closing = closing_;
    }
    // A disk that refuses this sync refuses the log's too, which is what
    // counts; still, it is a failed sync, and final.
    const absl::Status synced = directory_->watermark().Sync();
    if (!synced.ok()) fence_->Raise(synced);
    if (closing) return;
  }
}

}  // namespace storage
