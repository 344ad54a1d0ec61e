// What the layout of a partition needs from an ordered key-value store with
// three column families. RocksDB and the simulation's disk both offer it, so
// the meaning of every row is written, and tested, once (partition_rows.h).

#ifndef STORAGE_KEY_VALUE_H_
#define STORAGE_KEY_VALUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace storage {

// Column families by kind, not by partition: one sync covers them all, and ten
// thousand partitions cost key ranges, not memtables.
enum class Family : uint8_t { kLog, kImage, kMeta };
inline constexpr int kFamilyCount = 3;

// Takes the changes of one atomic batch, in order.
class KeyValueSink {
 public:
  virtual ~KeyValueSink() = default;

  // The value is `head` followed by `tail`.
  virtual void Put(Family family, absl::string_view key, absl::string_view head,
                   absl::string_view tail) = 0;
  virtual void Delete(Family family, absl::string_view key) = 0;
  // Deletes [begin, end).
  virtual void DeleteRange(Family family, absl::string_view begin,
                           absl::string_view end) = 0;
};

// Walks a key range as it was when the cursor was made. Keys and values are
// valid until the cursor moves.
class Cursor {
 public:
  virtual ~Cursor() = default;

  // To the first key at or above `key`, or the last at or below it.
  virtual void Seek(absl::string_view key) = 0;
  virtual void SeekForPrev(absl::string_view key) = 0;
  virtual void Next() = 0;

  // False at the end of the range and after an error: see status().
  virtual bool valid() const = 0;
  virtual absl::string_view key() const = 0;
  virtual absl::string_view value() const = 0;

  // DataLoss or Unavailable, with what the disk said.
  virtual absl::Status status() const = 0;
};

class KeyValueView {
 public:
  virtual ~KeyValueView() = default;

  // Nothing if there is no such key.
  virtual absl::StatusOr<std::optional<std::string>> Get(
      Family family, absl::string_view key) = 0;

  // Over [begin, end); not positioned yet. May outlive the view.
  virtual std::unique_ptr<Cursor> NewCursor(Family family,
                                            absl::string_view begin,
                                            absl::string_view end) = 0;
};

}  // namespace storage

#endif  // STORAGE_KEY_VALUE_H_
