// What the rows of one partition mean: how a write becomes changes of rows, and
// how rows become a partition, a range of its log, or its image again.
//
// Pure functions over the key-value interface; Store and MemoryStore add only
// threads, queues and syncs.

#ifndef STORAGE_PARTITION_ROWS_H_
#define STORAGE_PARTITION_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "raft/types.h"
#include "storage/image.h"
#include "storage/key_value.h"
#include "storage/log_store.h"

namespace storage {

// Where a partition's rows stand behind every write queued so far.
struct Extent {
  raft::Index first;  // Below the first row of the log: nothing is.
  raft::Index last;   // Of the log; first - 1 if it has no rows.
  raft::Index image;
  uint64_t generation = 0;
};

using Extents = std::map<base::PartitionId, Extent>;

// The tombstones of partitions, also of those that exist again.
using Tombstones = std::map<base::PartitionId, raft::ReplicaId>;

// Why `replica` of a partition (0: one it begins with) cannot be created; OK if
// it can.
absl::Status CheckCanCreate(base::PartitionId partition,
                            raft::ReplicaId replica, const Extents& extents,
                            const Tombstones& tombstones);

// --- Writing -----------------------------------------------------------------

// Appends `write` to `sink` and moves `extent` behind it. CHECKs what LogWrite
// requires: contiguous entries that leave no hole, no trim beyond the image
// (D3, P35), and nothing kept of a log that an installed image replaces (P38).
void EncodeLogWrite(const LogWrite& write, Extent& extent, KeyValueSink& sink);

// The empty partition: an image at position zero.
Extent EncodeNewPartition(base::PartitionId partition,
                          const raft::Configuration& configuration,
                          KeyValueSink& sink);

// The empty replica that knows nobody, with nothing of one that was here
// before. `dropped` is the tombstone, which stays.
Extent EncodeNewReplica(base::PartitionId partition, raft::ReplicaId replica,
                        raft::ReplicaId dropped, KeyValueSink& sink);

// Nothing but the tombstone is left.
void EncodeDrop(base::PartitionId partition, raft::ReplicaId dropped,
                KeyValueSink& sink);

// How much of an ImageBatch has been encoded.
struct ImageProgress {
  bool cleared = false;
  size_t rows = 0;
  size_t obsolete = 0;
  size_t prefixes = 0;
};
bool IsComplete(const ImageBatch& batch, const ImageProgress& progress);

// Appends the next rows and deletions of `batch`, up to `bytes_max` bytes of
// them but at least one, in the order of the batch: the clearing, rows,
// obsolete rows, obsolete prefixes.
void EncodeImageSlice(const ImageBatch& batch, size_t bytes_max,
                      ImageProgress& progress, KeyValueSink& sink);

// --- Reading -----------------------------------------------------------------

// Every partition on the disk and where its rows stand; nothing in particular
// where that cannot be read: then ReadPartition fails as well, and says why, so
// nobody writes there.
absl::StatusOr<Extents> ReadExtents(KeyValueView& view);
// A tombstone that cannot be read is above all replicas.
absl::StatusOr<Tombstones> ReadTombstones(KeyValueView& view);

// See LogStore.
absl::StatusOr<StoredPartition> ReadPartition(KeyValueView& view,
                                              base::PartitionId partition);
absl::StatusOr<std::vector<raft::Entry>> ReadLog(KeyValueView& view,
                                                 base::PartitionId partition,
                                                 raft::Index from,
                                                 uint64_t bytes_max);
absl::StatusOr<std::unique_ptr<ImageReader>> ReadImage(
    KeyValueView& view, base::PartitionId partition);

}  // namespace storage

#endif  // STORAGE_PARTITION_ROWS_H_
