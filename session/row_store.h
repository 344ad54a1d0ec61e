// RowStore is the rows of one table under one epoch number, as TableSet sees
// them: without their types. Clear gives a table a new store; the old one waits
// in the TableSet until its rows are reclaimed.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_ROW_STORE_H_
#define SESSION_ROW_STORE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace session {

enum class TableId : uint16_t;

// Which list of changed rows of its TableSet a row is in.
enum class RowList : uint8_t { kNone, kFirst, kSecond };

// What is known of every row; the table's own node type adds key and row.
struct RowNode {
  uint64_t written = 0;  // Checkpoint of its newest version; 0: it has none.
  uint64_t hash = 0;     // Of that version; 0: it has none.
  uint32_t slot = 0;     // Its place in `list`.
  RowList list = RowList::kNone;
  // Erased, but a version is in an image: it waits for its tombstone.
  bool ghost = false;
  // Its content is not that of `hash`, and nothing wrote it: see Scrub.
  bool damaged = false;
};

// Beyond key and row a row costs its RowNode, its allocation and its entry in
// the table's tree. Counted in every size_bytes.
inline constexpr size_t kRowOverhead = 48;

// The hash of a row in digests. Do not change: digests are on disk.
uint64_t RowHash(TableId table, uint64_t owner, absl::string_view key,
                 absl::string_view value);

class RowStore {
 public:
  RowStore(TableId table, uint64_t owner, uint64_t epoch);
  RowStore(const RowStore&) = delete;
  RowStore& operator=(const RowStore&) = delete;
  virtual ~RowStore() = default;

  virtual void EncodeKey(const RowNode& node, std::string& out) const = 0;
  virtual void EncodeRow(const RowNode& node, std::string& out) const = 0;

  // Bytes of a row, kRowOverhead included.
  virtual size_t SizeOf(const RowNode& node) const = 0;

  // Frees a ghost. REQUIRES: it is in no list.
  virtual void FreeGhost(RowNode& node) = 0;

  // Frees up to `max` rows and ghosts; calls `release` before each. Returns
  // how many; fewer than `max`: none are left.
  virtual size_t Free(size_t max,
                      absl::FunctionRef<void(RowNode&)> release) = 0;

  // Adds a row of an image. On failure `why` says what is wrong with it and
  // nothing is added.
  virtual RowNode* Load(absl::string_view key, absl::string_view value,
                        const char*& why) = 0;

  virtual void ForEachRow(
      absl::FunctionRef<void(const RowNode&)> visit) const = 0;

  // Calls `visit` for each row in key order, from the first one (behind that
  // with the encoded key `after`) until it returns false. True: to the last.
  virtual bool VisitAfter(const std::optional<std::string>& after,
                          absl::FunctionRef<bool(RowNode&)> visit) = 0;

  virtual size_t size() const = 0;

  // RowHash of a row of this table. Without the epoch: that is this replica's
  // bookkeeping.
  uint64_t Hash(absl::string_view key, absl::string_view value) const;

  const TableId table;
  const uint64_t owner;
  uint64_t epoch;  // Constant once there are rows.
  // Rows of TableId::kEpochs are bookkeeping of this replica: in no digest, no
  // rows() and no size_bytes().
  const bool counted;

  bool in_image = false;     // A version may be in an image, or on the way.
  uint64_t digest = 0;       // Sum of RowNode::hash.
  uint64_t size_bytes = 0;   // Of its rows, without ghosts.
  uint64_t cleared_cut = 0;  // The first cut without these rows; 0: none yet.

 private:
  const uint64_t hash_seed_;
};

}  // namespace session

#endif  // SESSION_ROW_STORE_H_
