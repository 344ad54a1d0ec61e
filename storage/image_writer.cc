#include "storage/image_writer.h"

#include <memory>
#include <utility>

#include "storage/partition_rows.h"

namespace storage {

ImageWriter::ImageWriter(Database& database, Fence& fence)
    : database_(database),
      fence_(fence),
      thread_("image-writer", WorkerThread::Priority::kLow) {}

void ImageWriter::Write(ImageBatch batch) {
  // Shared, so that a refused batch still can be completed.
  auto shared = std::make_shared<ImageBatch>(std::move(batch));
  const bool posted = thread_.Post([this, shared] {
    const absl::Status result = WriteSlices(*shared);
    if (shared->done) shared->done(result);
  });
  if (!posted && shared->done) {
    shared->done(absl::UnavailableError("the store is closed"));
  }
}

absl::Status ImageWriter::WriteSlices(const ImageBatch& batch) {
  DatabaseBatch slice = database_.NewBatch();
  ImageProgress progress;
  while (!IsComplete(batch, progress)) {
    if (fence_.raised()) return fence_.status();
    slice.Clear();
    EncodeImageSlice(batch, kBatchBytesMax, progress, slice);
    // The log is written in order, so a later synced write covers this one.
    const absl::Status written =
        database_.Write(slice, Database::Durability::kUnsynced);
    if (!written.ok()) fence_.Raise(written);
  }
  return fence_.status();
}

}  // namespace storage
