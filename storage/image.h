// An image is the state of one partition at an index: the rows of its tables,
// kept in the `image` column family and made visible by one pointer.
//
// A row's key ends in the number of the checkpoint that wrote it. A reader
// takes, of each row, the newest version not above the pointer's checkpoint, so
// half a checkpoint is invisible, and whatever it left behind is either
// overwritten by the next one or removed when the image is loaded.

#ifndef STORAGE_IMAGE_H_
#define STORAGE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace storage {

// What `meta` holds for a partition's image. Writing it, synced, is what makes
// a checkpoint exist (D2).
struct ImagePointer {
  raft::Position position;     // The last entry the image contains.
  uint64_t command_index = 0;  // The index that clients see, at `position`.
  raft::Configuration configuration;

  // An image that is installed, or written anew because this one is damaged, is
  // a new generation beside the old one.
  uint64_t generation = 0;
  // The newest checkpoint whose rows are part of the image: the log index of
  // its Checkpoint entry. 0: the empty image of a new partition.
  uint64_t checkpoint = 0;

  uint32_t machine_version = 0;
  // Order-free sum of the hashes of all rows; checked at every load (P37).
  uint64_t digest = 0;

  // A majority of the voters has another state: nothing may be served from this
  // one, and another replica's image is to take its place. Never in one that is
  // sent.
  bool suspect = false;

  bool operator==(const ImagePointer&) const = default;
};

// One version of one row. `key` is ordered bytewise within its table.
struct ImageRow {
  uint16_t table = 0;
  std::string key;
  uint64_t checkpoint = 0;
  bool erased = false;  // The row was there before and is gone now.
  std::string value;    // Empty if erased.
};

// Names a row, in whatever version.
struct ImageRowId {
  uint16_t table = 0;
  std::string key;

  bool operator==(const ImageRowId&) const = default;
  // The order in which they are read.
  auto operator<=>(const ImageRowId&) const = default;
};

// Names one version of a row that no reader needs any more.
struct ObsoleteRow {
  uint16_t table = 0;
  std::string key;
  uint64_t checkpoint = 0;
};

// Every version of every row of `table` whose key starts with `prefix`.
struct ObsoletePrefix {
  uint16_t table = 0;
  std::string prefix;  // Not empty.
};

// A piece of a checkpoint, of the cleaning after one, or of an image that is
// being installed. Written without sync, at low priority, in RocksDB batches of
// at most 128 KiB (measured: one large batch stalls every partition's log). The
// batches of a store take effect in the order they were queued.
struct ImageBatch {
  base::PartitionId partition;
  uint64_t generation = 0;

  // Before all else, removes what there is of `generation` and of all later
  // ones, at a cost that does not depend on how much that is: what an install
  // left that was broken off. REQUIRES: no pointer names one of them.
  bool clears_generation = false;

  std::vector<ImageRow> rows;
  std::vector<ObsoleteRow> obsolete;
  std::vector<ObsoletePrefix> obsolete_prefixes;

  // Called once, on a thread of the store, when a later synced write is certain
  // to cover this one. After an error the store is fenced.
  absl::AnyInvocable<void(absl::Status)> done;
};

// Reads the image a pointer names, from a pinned snapshot of the database: what
// is written meanwhile does not show. Used by one thread at a time.
class ImageReader {
 public:
  virtual ~ImageReader() = default;

  virtual const ImagePointer& pointer() const = 0;

  // The next live rows in (table, key) order, about `bytes_max` bytes of them
  // but at least one; empty at the end. DataLoss: a row does not decode.
  virtual absl::StatusOr<std::vector<ImageRow>> Next(size_t bytes_max) = 0;

  // Next goes on with the first row behind this one, which need not exist.
  virtual void Seek(const ImageRowId& after) = 0;

  // Next returns nothing more. (If not, it still may.)
  virtual bool at_end() const = 0;

  // There are rows of a later generation than the pointer's: an install was
  // broken off, by a crash say. The caller clears that generation.
  virtual bool has_unfinished_install() const = 0;

  // Versions that Next passed over because they are not part of the image:
  // replaced ones and what an unfinished checkpoint left. Complete once Next
  // returned empty; the caller hands them back in an ImageBatch.
  virtual std::vector<ObsoleteRow> TakeObsolete() = 0;
};

// Names an image that is pinned by a store: it stays readable as it is,
// whatever is written meanwhile.
enum class ImagePin : uint64_t {};

struct PinnedImage {
  ImagePin pin{};
  ImagePointer pointer;
};

// A piece of an image, in (table, key) order.
struct ImageSlice {
  std::vector<ImageRow> rows;
  bool last = false;  // There is nothing behind it.
};

}  // namespace storage

#endif  // STORAGE_IMAGE_H_
