// MemoryStore is a LogStore for simulations and tests: single-threaded, moved
// by its owner, over a MemoryDisk that outlives it and can lose power.
//
//   MemoryDisk disk;
//   auto store = std::make_unique<MemoryStore>(disk);
//   store->Write(...);       // Queued.
//   store->SyncStep();       // Durable; `done` was called.
//   store->Abandon();        // The process died:
//   store = nullptr;         //   nobody is told,
//   disk.Crash(random);      //   and the page cache is lost or partly kept.
//
// It keeps the same rows as Store, by the same code.

#ifndef STORAGE_MEMORY_STORE_H_
#define STORAGE_MEMORY_STORE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/random.h"
#include "storage/key_value.h"
#include "storage/log_store.h"
#include "storage/partition_rows.h"
#include "storage/pinned_images.h"

namespace storage {

// The disk of one simulated node: rows, a list of atomic changes that only the
// page cache has, and what is behind the last sync. A crash keeps a prefix of
// that list, as one write-ahead log does.
class MemoryDisk {
 public:
  MemoryDisk() = default;
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;

  // Loses power: keeps what was synced and the first few, by `random`, of the
  // changes since. REQUIRES: no MemoryStore is open on the disk, or it was
  // abandoned.
  void Crash(base::Random& random);

  // As Crash, but loses every change that was not synced.
  void CrashLosingAll();

  // Makes the next sync fail with `status`, once. The store that meets it is
  // fenced; whether its changes survive is up to the next crash.
  void FailNextSync(absl::Status status) { next_sync_ = std::move(status); }

  // Syncs that made something durable, for counting.
  uint64_t sync_count() const { return sync_count_; }
  // Bytes of keys and values that were synced.
  uint64_t synced_bytes() const { return synced_bytes_; }

  // Flips one bit of the stored value of this entry's row; false if there is
  // none. For tests of bit rot (P37).
  bool CorruptEntry(base::PartitionId partition, raft::Index index,
                    uint64_t bit);

 private:
  friend class MemoryStore;
  class Sink;
  class View;
  class RangeCursor;

  using Value = std::shared_ptr<const std::string>;
  using Rows = std::map<std::string, Value>;
  struct State {
    Rows families[kFamilyCount];
  };
  struct Change {
    enum Kind { kPut, kDelete, kDeleteRange } kind;
    Family family;
    std::string key;
    std::string end;  // kDeleteRange.
    Value value;      // kPut.
  };
  using Batch = std::vector<Change>;  // Atomic.

  static void Apply(const Batch& batch, State& state);

  // Appends to the page cache.
  void Append(Batch batch);
  absl::Status Sync();

  State current_;               // What the process reads.
  State durable_;               // What a crash leaves for certain.
  std::deque<Batch> unsynced_;  // From durable_ to current_, in order.
  absl::Status next_sync_;      // Error: of the next sync.
  uint64_t sync_count_ = 0;
  uint64_t synced_bytes_ = 0;
};

// Not thread-safe. Nothing completes but inside SyncStep, ImageStep, ReadStep
// and the destructor; completions may call the store again.
class MemoryStore : public LogStore {
 public:
  // `disk` must outlive the store; one store at a time.
  explicit MemoryStore(MemoryDisk& disk);

  // What is queued completes as Unavailable, unless abandoned.
  ~MemoryStore() override;

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
  void UnpinImage(ImagePin pin) override { pinned_images_.Unpin(pin); }

  // --- Driven by its owner
  // ----------------------------------------------------

  // Something waits for one of the steps below.
  bool has_pending() const {
    return has_pending_writes() || has_pending_images() || has_pending_reads();
  }
  bool has_pending_writes() const { return !writes_.empty(); }
  bool has_pending_images() const { return !images_.empty(); }
  bool has_pending_reads() const { return !reads_.empty(); }

  // Makes every queued write durable with one sync, and all that is in the page
  // cache with it; then calls their `done` in order.
  void SyncStep();

  // The first half of SyncStep alone: what is queued is in the page cache, and
  // a crash now keeps any prefix of it. The next SyncStep completes it.
  void AppendStep();

  // Puts the next slice (128 KiB) of the oldest image batch into the page
  // cache; calls its `done` behind the last one.
  void ImageStep();

  // Answers the oldest read, of the log or of an image.
  void ReadStep();

  // The process died: forgets what is queued without calling anything. Only
  // destruction may follow.
  void Abandon();

  bool fenced() const { return !fence_.ok(); }

 private:
  struct PendingWrite {
    MemoryDisk::Batch batch;
    absl::AnyInvocable<void(absl::Status)> done;
  };
  struct PendingImage {
    ImageBatch batch;
    ImageProgress progress;
  };
  // Reads and answers; answers with the status if it is an error.
  using PendingRead = absl::AnyInvocable<void(absl::Status)>;

  MemoryDisk& disk_;
  // Makes what is queued and then `batch` durable.
  absl::Status SyncNow(MemoryDisk::Batch batch);

  Extents extents_;
  Tombstones tombstones_;
  absl::Status fence_;  // The first failed sync; final (P32).
  std::deque<PendingWrite> writes_;
  // The first of writes_ that AppendStep has not moved to the page cache.
  size_t appended_ = 0;
  std::deque<PendingImage> images_;
  std::deque<PendingRead> reads_;
  PinnedImages pinned_images_;
};

}  // namespace storage

#endif  // STORAGE_MEMORY_STORE_H_
