// RocksDB's write-ahead log as it lies on disk, for those who look at one that
// RocksDB would not read: blocks of 32 KiB, and in them fragments of records,
//
//   masked crc32c of type and bytes u32, length u16, type u8, bytes
//
// little-endian. A fragment lies in one block; what is left of a block that is
// too short for a header, or was allocated and never written, is zero.

#ifndef STORAGE_WAL_FRAGMENT_H_
#define STORAGE_WAL_FRAGMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace storage {

inline constexpr size_t kWalBlockBytes = 32 << 10;
inline constexpr size_t kWalHeaderBytes = 7;

struct WalFragment {
  enum Type : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

  uint8_t type = 0;         // Of Type, if `is_whole`.
  absl::string_view bytes;  // A view of the block.
  bool is_whole = false;    // The checksum is right.

  size_t size() const { return kWalHeaderBytes + bytes.size(); }
};

// The fragment at the beginning of `rest`, the rest of a block; none where
// nothing was written, or where a fragment would not fit.
std::optional<WalFragment> FirstFragment(absl::string_view rest);

}  // namespace storage

#endif  // STORAGE_WAL_FRAGMENT_H_
