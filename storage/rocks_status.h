// The one place where a RocksDB status becomes ours, and strings become slices.
// Internal to storage/.

#ifndef STORAGE_ROCKS_STATUS_H_
#define STORAGE_ROCKS_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace storage {

// Corruption becomes DataLoss; everything else that a disk can do, Unavailable.
// The message is `what` and RocksDB's own words.
absl::Status FromRocks(const rocksdb::Status& status, absl::string_view what);

inline rocksdb::Slice ToSlice(absl::string_view bytes) {
  return rocksdb::Slice(bytes.data(), bytes.size());
}

inline absl::string_view FromSlice(const rocksdb::Slice& slice) {
  return absl::string_view(slice.data(), slice.size());
}

}  // namespace storage

#endif  // STORAGE_ROCKS_STATUS_H_
