// ImageWriter writes image rows at leisure: on a low-priority thread, unsynced,
// in RocksDB batches of at most 128 KiB, so that no partition's log waits long
// behind one (measured: the rows of a checkpoint in one batch stall every log
// for 28-700 ms).
//
// Thread-safe.

#ifndef STORAGE_IMAGE_WRITER_H_
#define STORAGE_IMAGE_WRITER_H_

#include <cstddef>

#include "storage/database.h"
#include "storage/fence.h"
#include "storage/image.h"
#include "storage/worker_thread.h"

namespace storage {

class ImageWriter {
 public:
  static constexpr size_t kBatchBytesMax = 128 * 1024;

  // Borrows both for its life.
  ImageWriter(Database& database, Fence& fence);

  // Queues `batch`; see LogStore::WriteImage.
  void Write(ImageBatch batch);

  // Writes what was queued, then joins the thread. Later batches complete at
  // once, as Unavailable.
  void Stop() { thread_.Stop(); }

 private:
  absl::Status WriteSlices(const ImageBatch& batch);

  Database& database_;
  Fence& fence_;
  WorkerThread thread_;  // Last: it uses all of the above.
};

}  // namespace storage

#endif  // STORAGE_IMAGE_WRITER_H_
