// Store is the LogStore on a disk: one RocksDB in one data directory, written
// by one thread for the logs of all partitions and one for their images.
//
// It is fenced by the first failed write or sync: from then on nothing is
// acknowledged, every write completes as Unavailable, and the owner, told by
// `on_fatal`, ends the process (D5, P32).

#ifndef STORAGE_STORE_H_
#define STORAGE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "storage/group.h"
#include "storage/io_hooks.h"
#include "storage/log_store.h"
#include "storage/records.h"
#include "storage/reserve_file.h"

namespace storage {

class Database;
class DataDirectory;
class Fence;
class FileSystem;
class ImageWriter;
class LogWriter;
class PinnedImages;
class WorkerThread;

struct StoreOptions {
  std::string directory;

  // To whom the directory must belong; `incarnation` is ignored, and so are 0
  // `partitions` and node 0 of one that exists. Without a `mode` it belongs to
  // whomever it does, and must exist.
  Identity identity;

  // Called at most once, on any thread, when the store is fenced. It must not
  // call the store, and returns soon or ends the process.
  absl::AnyInvocable<void(absl::Status)> on_fatal;

  // Called on any thread when space of trimmed logs was given back to the disk.
  // Must not call the store. May be null.
  std::function<void()> on_log_space_freed;

  uint64_t write_buffer_bytes = 64 << 20;  // Of each column family.
  // What a restart has to read and to write to tables before anything is
  // served: about a second (recovery_benchmark). Two full write buffers, so
  // more would not save flushes.
  uint64_t wal_bytes_max = 128 << 20;

  // Set aside for a start on a full disk (ReserveFile), by KeepReserve: more
  // than wal_bytes_max, or it is of little use. 0: nothing.
  uint64_t reserve_file_bytes = 0;

  // Nobody else has the data any more: damage at the end of the log that may or
  // may not be in something acknowledged is cut off, as on a node alone,
  // instead of refused (docs/formats.md).
  bool last_resort = false;

  // For tests: whether the machine was not started since; else the kernel says.
  std::optional<bool> same_boot;

  // For tests: sees and fails calls to the disk. Outlives the store.
  IoHooks* io_hooks = nullptr;
};

// How one partition goes on when its replica here is all that is left of it.
struct RecoveredPartition {
  base::PartitionId partition;
  // It is not here, and begins with this.
  std::optional<raft::Configuration> begin;
  // The replica here from now on. None below it ever comes back.
  raft::ReplicaId replica;
  raft::HardState hard_state;
  std::vector<raft::Entry> entries;  // Behind what is there.
};

class Store : public LogStore {
 public:
  // Opens the directory, or makes it. FailedPrecondition: it is in use, or
  // belongs to another. DataLoss: acknowledged writes are missing or damaged.
  // Both say in one sentence what to do.
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options);

  // Whether there is anything to open; otherwise Open makes it.
  static bool Exists(const std::string& directory);

  // As Close.
  ~Store() override;

  // Writes what is queued, joins the threads, closes the database. Later
  // writes complete as Unavailable. Unpins all images. REQUIRES: no ImageReader
  // is left.
  void Close();

  // Whose data this is, with the incarnation of the directory.
  const Identity& identity() const { return identity_; }

  // How the static cluster that this node belongs to began; nothing: it has
  // not, as far as this directory knows. Written once, durably.
  const std::optional<InitialCluster>& initial_cluster() const {
    return initial_cluster_;
  }
  // REQUIRES: !initial_cluster(), and nothing else is written meanwhile.
  absl::Status SetInitialCluster(const InitialCluster& cluster);

  // What controllers have said, by id. DataLoss: a record is damaged.
  absl::StatusOr<std::vector<Group>> ReadGroups();
  // Keeps `group` in the place of what is known of it, durably; forgets it.
  // Both wait for the disk.
  absl::Status SetGroup(const Group& group);
  absl::Status ForgetGroup(base::PartitionId id);

  // For an operator who makes a new cluster from what this directory has: the
  // cluster begins with `cluster`, and its partitions go on as they say, all in
  // one synced write. REQUIRES: nothing else is written, before or after.
  absl::Status Recover(const InitialCluster& cluster,
                       const std::vector<RecoveredPartition>& partitions);

  // Sets reserve_file_bytes aside, unless they are, if `spare_bytes` stay free
  // beside them: there is space again, or still. By one thread at a time.
  void KeepReserve(uint64_t spare_bytes);

  // Synced batches so far; with the number of writes: what joining gains.
  uint64_t synced_batches() const;

  // What was asked of the disk so far. Lock-free.
  IoCounters io_counters() const;

  // When the oldest call to the disk that is still under way began
  // (CLOCK_MONOTONIC); 0 if none is. Lock-free, for a watchdog.
  int64_t oldest_io_started_ns() const;

  // --- LogStore
  // ---------------------------------------------------------------

  absl::StatusOr<std::vector<base::PartitionId>> ListPartitions() override;
  absl::Status CreatePartition(
      base::PartitionId partition,
      const raft::Configuration& configuration) override;
  raft::ReplicaId DroppedReplica(base::PartitionId partition) override;
  absl::Status CreateReplica(base::PartitionId partition,
                             raft::ReplicaId replica) override;
  void DropReplica(base::PartitionId partition, raft::ReplicaId replica,
                   absl::AnyInvocable<void(absl::Status)> done) override;
  absl::StatusOr<StoredPartition> LoadPartition(
      base::PartitionId partition) override;
  absl::StatusOr<std::unique_ptr<ImageReader>> OpenImage(
      base::PartitionId partition) override;
  void Write(LogWrite write) override;
  void WriteImage(ImageBatch batch) override;
  void ReadEntries(
      base::PartitionId partition, raft::Index from, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)> done)
      override;
  void PinImage(
      base::PartitionId partition,
      absl::AnyInvocable<void(absl::StatusOr<PinnedImage>)> done) override;
  void ReadImage(
      ImagePin pin, std::optional<ImageRowId> after, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<ImageSlice>)> done) override;
  void UnpinImage(ImagePin pin) override;

 private:
  Store();

  // Syncs the watermark once a second and when a log is switched.
  void KeepWatermark();
  void WakeKeeper();

  Identity identity_;  // Constant after Open.
  std::optional<InitialCluster> initial_cluster_;
  std::optional<ReserveFile> reserve_file_;  // Nothing: none is wanted.

  // Constant after Open; in the order in which they use each other.
  std::shared_ptr<Fence> fence_;  // RocksDB's callbacks hold it too.
  std::unique_ptr<DataDirectory> directory_;
  std::shared_ptr<FileSystem> file_system_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<LogWriter> log_writer_;
  std::unique_ptr<ImageWriter> image_writer_;
  std::unique_ptr<WorkerThread> log_reader_;
  std::unique_ptr<PinnedImages> pinned_images_;  // On image_reader_ only.
  std::unique_ptr<WorkerThread> image_reader_;

  base::Mutex mu_;
  base::CondVar keeper_wakes_;
  bool keep_now_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread keeper_;  // Last: it uses the above.
};

}  // namespace storage

#endif  // STORAGE_STORE_H_
