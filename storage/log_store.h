// LogStore is the port to the disk of one node: the logs, hard states and
// images of all its partitions, behind one synced write for all of them.
//
// Two implementations: Store (RocksDB) and MemoryStore (the simulation's disk,
// with a page cache that a crash loses). One conformance suite runs on both.
//
// Thread-safe. Writes never block the caller: they are queued, joined with
// what other partitions have queued, and reported by their `done`. Writes of
// one partition take effect in the order they were queued, and a durable write
// implies that all queued before it, by anyone, are durable.

#ifndef STORAGE_LOG_STORE_H_
#define STORAGE_LOG_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "raft/types.h"
#include "storage/image.h"

namespace storage {

// One atomic, synced change of one partition (D2).
struct LogWrite {
  base::PartitionId partition;

  std::optional<raft::HardState> hard_state;

  // Contiguous. They replace everything from entries.front().index on.
  std::vector<raft::Entry> entries;

  // Makes an image visible. Its rows were written by WriteImage calls whose
  // `done` has been called.
  //
  // One of a new generation replaces the rows of every older one. It was made
  // elsewhere (an install), so it replaces the whole log, too, in front of its
  // position and behind it; the log goes on at position + 1 (P38). REQUIRES
  // then: no `entries`.
  std::optional<ImagePointer> image;

  // With an image of a new generation: it is of this log's own history (a state
  // that was replaced, or an image that was damaged and is written anew), so
  // the log stays as it is, in front of its position and behind it. REQUIRES
  // then: the position is in the log.
  bool keeps_log = false;

  // Drops the log below this index. REQUIRES: not above the durable image's
  // index + 1, counting `image` of this same write (D3, P35).
  std::optional<raft::Index> trim_below;

  // Called once, on a thread of the store and in the order of durability: OK
  // when all of the above is durable. Any error is final for the whole store
  // (D5, P32): nothing may be acknowledged any more.
  absl::AnyInvocable<void(absl::Status)> done;
};

// What a partition finds on its disk.
struct StoredPartition {
  base::PartitionId partition;
  // Which replica this is; 0: one that the partition began with, and its
  // configuration tells.
  raft::ReplicaId replica;
  raft::HardState hard_state;
  ImagePointer image;
  raft::Index first_index;           // Of the log on disk.
  std::vector<raft::Entry> entries;  // Behind image.position, contiguous.
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  // --- At start -------------------------------------------------------------
  // What a store finds when it is opened is durable, also what its predecessor
  // had not synced: replicas acknowledge it as their own (P25).

  virtual absl::StatusOr<std::vector<base::PartitionId>> ListPartitions() = 0;

  // Makes an empty partition with this configuration, durably.
  // AlreadyExists: it is there. FailedPrecondition: it was, and was dropped.
  virtual absl::Status CreatePartition(
      base::PartitionId partition,
      const raft::Configuration& configuration) = 0;

  // The newest replica of the partition that was dropped here; 0: none was.
  virtual raft::ReplicaId DroppedReplica(base::PartitionId partition) = 0;

  // NotFound: no such partition. DataLoss, naming partition and index: a hole,
  // a checksum or a chain that does not fit, a record that does not decode.
  // FailedPrecondition: a record of a newer format.
  virtual absl::StatusOr<StoredPartition> LoadPartition(
      base::PartitionId partition) = 0;

  virtual absl::StatusOr<std::unique_ptr<ImageReader>> OpenImage(
      base::PartitionId partition) = 0;

  // --- While serving --------------------------------------------------------

  // Makes a replica that knows nobody, durably: all it will know comes from a
  // leader. AlreadyExists: a replica of the partition is here.
  // FailedPrecondition: this one, or a later one, was dropped here. Waits for
  // the disk.
  virtual absl::Status CreateReplica(base::PartitionId partition,
                                     raft::ReplicaId replica) = 0;

  // Drops the replica that is here with all its data, behind what is queued,
  // and leaves a tombstone: neither `replica` nor one below it is ever created
  // here again, so that nobody votes twice. What is written to it from now on
  // fails as Unavailable. `done` as in LogWrite. An image of it that is pinned,
  // or is being unpinned, stays readable. REQUIRES: it exists, and no
  // WriteImage of it is on its way.
  virtual void DropReplica(base::PartitionId partition, raft::ReplicaId replica,
                           absl::AnyInvocable<void(absl::Status)> done) = 0;

  virtual void Write(LogWrite write) = 0;
  virtual void WriteImage(ImageBatch batch) = 0;

  // Reads entries [from, ...), about `bytes_max` bytes of them but at least
  // one, on a thread of the store. OutOfRange: trimmed or beyond the end.
  virtual void ReadEntries(
      base::PartitionId partition, raft::Index from, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)>
          done) = 0;

  // --- Images for other nodes -----------------------------------------------
  // A pinned image is read on a thread of the store, slice by slice.

  // Pins the image that the pointer names when the store gets to it. It costs
  // the disk what is replaced meanwhile, so whoever pins must unpin; the end of
  // the store does so, too.
  virtual void PinImage(
      base::PartitionId partition,
      absl::AnyInvocable<void(absl::StatusOr<PinnedImage>)> done) = 0;

  // The rows behind `after` (none: from the first), about `bytes_max` bytes of
  // them but at least one, if there is one. Cheapest if `after` is the last row
  // of the previous call. FailedPrecondition: it is not pinned.
  // DataLoss: a row does not decode; then it is not pinned any more.
  virtual void ReadImage(
      ImagePin pin, std::optional<ImageRowId> after, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<ImageSlice>)> done) = 0;

  virtual void UnpinImage(ImagePin pin) = 0;
};

}  // namespace storage

#endif  // STORAGE_LOG_STORE_H_
