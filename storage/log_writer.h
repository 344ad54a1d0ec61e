// LogWriter makes things durable, on threads of its own: everything that all
// partitions queued while the last sync ran becomes one RocksDB batch with one
// sync, and is then reported in order.
//
// It is eager: when idle it writes at once, and while it syncs, the next batch
// gathers. Callers encode straight into that batch, under one mutex. While the
// threads sleep and writes come one by one, a caller in a base::HelpScope
// writes, syncs and reports one batch itself: one thread at a time, so at most
// one caller ever waits for the disk.
//
// It helps in turn: with nothing more to write, the thread that wrote runs what
// its reports left to a sleeping thread. That may take long, so there are two:
// one helps only while the other is there to write for everybody else (P54).
//
// Thread-safe.

#ifndef STORAGE_LOG_WRITER_H_
#define STORAGE_LOG_WRITER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/help_scope.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "raft/configuration.h"
#include "storage/database.h"
#include "storage/fence.h"
#include "storage/file_system.h"
#include "storage/log_store.h"
#include "storage/partition_rows.h"
#include "storage/watermark.h"

namespace storage {

class LogWriter : public base::Helped {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // Borrows them for its life. `extents` and `tombstones` are what the database
  // holds.
  LogWriter(Database& database, const FileSystem& file_system,
            Watermark& watermark, Fence& fence, Extents extents,
            Tombstones tombstones);

  // As Stop.
  ~LogWriter();

  // Queues `write`; see LogStore::Write. REQUIRES: its partition exists, or was
  // dropped.
  void Write(LogWrite write);

  // Queue the rows of an empty partition, of a replica that knows nobody. If
  // that cannot be (CheckCanCreate), `done` is not called.
  absl::Status Create(base::PartitionId partition,
                      const raft::Configuration& configuration, Done done);
  absl::Status CreateReplica(base::PartitionId partition,
                             raft::ReplicaId replica, Done done);

  // See LogStore::DropReplica.
  void Drop(base::PartitionId partition, raft::ReplicaId replica, Done done);

  // Queues a row of `meta`, or its removal, that belongs to no replica. Never
  // left to the caller, who may wait for it.
  void WriteMeta(const std::string& key,
                 const std::optional<std::string>& value, Done done);

  std::vector<base::PartitionId> Partitions() const;
  raft::ReplicaId Dropped(base::PartitionId partition) const;

  // Writes what was queued, waits for whoever helps, then joins the threads.
  // Later writes complete at once, as Unavailable.
  void Stop();

  // Writes, syncs and reports what has gathered, unless somebody is at it.
  void Help() override;

  // Batches written, for rates: writes per batch is what joining gains.
  uint64_t batches() const { return batches_.load(std::memory_order_relaxed); }

 private:
  struct Gathering {
    DatabaseBatch batch;
    std::vector<Done> done;  // In the order of queueing.
  };

  template <class Encode>
  absl::Status CreateWith(base::PartitionId partition, raft::ReplicaId replica,
                          Done done, Encode encode) ABSL_LOCKS_EXCLUDED(mu_);
  raft::ReplicaId TombstoneOf(base::PartitionId partition) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void Run();
  // Waits until something has gathered and nobody writes, then as Begin; false
  // when nothing will come any more.
  bool BeginNext() ABSL_LOCKS_EXCLUDED(mu_);
  // Makes what has gathered the caller's to write. REQUIRES: nobody writes.
  void Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteSynced();
  // Tells of writing_ how it went.
  void Report(const absl::Status& result);
  // Ends the caller's write. True: it goes on with what has gathered meanwhile,
  // as after Begin; never if not `goes_on`: then that is left to our threads.
  bool End(bool goes_on) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether one of our threads may leave the writing to the other for a while.
  bool MayHelp() const ABSL_LOCKS_EXCLUDED(mu_);
  // For Write, with its write gathered: our threads, or the caller's, will
  // write it.
  void Gathered() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Wakes one of our threads, if one sleeps.
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WakeAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Database& database_;  // Constant after construction.
  const FileSystem& file_system_;
  Watermark& watermark_;
  Fence& fence_;

  std::atomic<uint64_t> batches_{0};

  // These belong to the thread that set is_writing_.
  Gathering writing_;
  uint64_t synced_;  // Up to this sequence number.

  mutable base::Mutex mu_;  // Never held across I/O.
  base::CondVar queued_;
  Gathering gathering_ ABSL_GUARDED_BY(mu_);
  Extents extents_ ABSL_GUARDED_BY(mu_);  // Behind all of gathering_.
  Tombstones tombstones_ ABSL_GUARDED_BY(mu_);
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  size_t last_batch_ ABSL_GUARDED_BY(mu_) = 0;  // Its number of writes.
  int sleeping_ ABSL_GUARDED_BY(mu_) = 0;       // Of our threads.
  int woken_ ABSL_GUARDED_BY(mu_) = 0;          // Of these; not awake yet.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::array<std::thread, 2> threads_;  // Last: they use all of the above.
};

}  // namespace storage

#endif  // STORAGE_LOG_WRITER_H_
