// PinnedImages is the images that a store keeps readable for other nodes: a
// reader each, at the place where the last slice ended.
//
// Not thread-safe: used on the one thread of a store that reads images.

#ifndef STORAGE_PINNED_IMAGES_H_
#define STORAGE_PINNED_IMAGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "storage/image.h"

namespace storage {

class PinnedImages {
 public:
  // See LogStore::PinImage, ReadImage, UnpinImage.
  absl::StatusOr<PinnedImage> Pin(
      absl::StatusOr<std::unique_ptr<ImageReader>> reader);
  absl::StatusOr<ImageSlice> Read(ImagePin pin,
                                  const std::optional<ImageRowId>& after,
                                  uint64_t bytes_max);
  void Unpin(ImagePin pin) { pinned_.erase(pin); }

  // Unpins all.
  void Clear() { pinned_.clear(); }

 private:
  struct Pinned {
    std::unique_ptr<ImageReader> reader;
    // The last row that was read; none: nothing was.
    std::optional<ImageRowId> at;
  };

  uint64_t last_pin_ = 0;
  std::map<ImagePin, Pinned> pinned_;
};

}  // namespace storage

#endif  // STORAGE_PINNED_IMAGES_H_
