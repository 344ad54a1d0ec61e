// TableSet is the tables of one partition, and the image they make.
//
// Not thread-safe: used on its partition's worker only (the loader's, while it
// loads).

#ifndef SESSION_TABLE_SET_H_
#define SESSION_TABLE_SET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace session {

// Which table a row belongs to. Do not change: on disk. 1-15: the session
// layer; from 16: primitives. Loaded in this order.
enum class TableId : uint16_t {
  kEpochs = 1,  // Of cleared tables; kept by TableSet itself.
  kPartition = 2,
  kSessions = 3,
  kPrimitives = 4,
  kUsers = 5,
  kOpenCommands = 6,
  kRecords = 7,
  kListeners = 8,
  kEvents = 9,
  kReclaims = 10,

  kCounter = 16,
  kMap = 17,
  kMapClear = 18,
  kMapHold = 19,
  kMapWaiter = 20,
  kLockHold = 21,
  kLockWaiter = 22,
  kValue = 23,
  // 24 and up: the other primitives, in the order they are written.
};

// One version of one row of the image, as storage/ keeps it.
struct EncodedRow {
  TableId table{};
  std::string key;  // owner u64, epoch u64, row key.
  uint64_t checkpoint = 0;
  bool erased = false;
  std::string value;
};

struct ObsoleteVersion {
  TableId table{};
  std::string key;
  uint64_t checkpoint = 0;
};

struct ObsoleteRange {
  TableId table{};
  std::string prefix;
};

class TableBase;

class TableSet {
 public:
  TableSet();
  ~TableSet();

  // --- Checkpoint -----------------------------------------------------------

  // Makes everything changed since the last Freeze the cut of `checkpoint`, in
  // O(1). REQUIRES: !writing(), and `checkpoint` above every earlier one.
  void Freeze(uint64_t checkpoint);

  // A cut is frozen and its image is not durable yet.
  bool writing() const;

  // Encodes rows of the cut until `rows_max` rows or `bytes_max` bytes are
  // reached, and moves them, with those that changed meanwhile, to `rows`.
  // True when the cut is complete; then digest() is known.
  bool EncodeSlice(size_t rows_max, size_t bytes_max,
                   std::vector<EncodedRow>& rows);

  // Of the last complete cut: the order-free sum of the hashes of all its rows,
  // table by table.
  uint64_t digest() const;
  std::vector<std::pair<TableId, uint64_t>> table_digests() const;

  // The pointer of the cut is durable: returns what no reader needs any more.
  struct Obsolete {
    std::vector<ObsoleteVersion> versions;
    std::vector<ObsoleteRange> ranges;
  };
  Obsolete ImageDurable();

  // --- Load -----------------------------------------------------------------

  // Takes a row of an image, in (table, key) order. The owner's table must
  // exist, except for rows of a cleared epoch, which are skipped and returned
  // as obsolete by the next ImageDurable. DataLoss: a row that does not decode
  // or that no table wants.
  absl::Status LoadRow(const EncodedRow& row);

  // Ends the load. DataLoss if the rows do not sum up to `digest`.
  absl::Status FinishLoad(uint64_t digest);

  // --- Size -----------------------------------------------------------------

  uint64_t rows() const;
  uint64_t size_bytes() const;
  // What the next Freeze would write, roughly.
  uint64_t dirty_rows() const;
  uint64_t dirty_bytes() const;
};

}  // namespace session

#endif  // SESSION_TABLE_SET_H_
