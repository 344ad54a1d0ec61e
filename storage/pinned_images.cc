#include "storage/pinned_images.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/status_macros.h"

namespace storage {

absl::StatusOr<PinnedImage> PinnedImages::Pin(
    absl::StatusOr<std::unique_ptr<ImageReader>> reader) {
  RETURN_IF_ERROR(reader.status());
  const ImagePin pin{++last_pin_};
  const ImagePointer pointer = (*reader)->pointer();
  pinned_[pin].reader = *std::move(reader);
  return PinnedImage{.pin = pin, .pointer = pointer};
}

absl::StatusOr<ImageSlice> PinnedImages::Read(
    ImagePin pin, const std::optional<ImageRowId>& after, uint64_t bytes_max) {
  const auto found = pinned_.find(pin);
  if (found == pinned_.end()) {
    return absl::FailedPreconditionError("the image is not pinned");
  }
  Pinned& pinned = found->second;
  ImageReader& reader = *pinned.reader;
  if (after != pinned.at) {
    // No row has an empty key in table 0, so this is the first one.
    reader.Seek(after.value_or(ImageRowId{}));
    pinned.at = after;
  }
  absl::StatusOr<std::vector<ImageRow>> read = reader.Next(bytes_max);
  if (!read.ok()) {
    pinned_.erase(found);
    return read.status();
  }
  std::vector<ImageRow> rows = *std::move(read);
  // Whoever loads the image cleans it; here they would only pile up.
  reader.TakeObsolete();
  if (!rows.empty()) {
    pinned.at = ImageRowId{rows.back().table, rows.back().key};
  }
  const bool last = rows.empty() || reader.at_end();
  return ImageSlice{.rows = std::move(rows), .last = last};
}

}  // namespace storage
