// TableSet is the tables of one partition, and the image they make.
//
// It keeps one list of the rows changed since the last Freeze, whatever their
// table. Freeze sets that list aside as the cut and starts another; EncodeSlice
// works the cut off; a row still in it is encoded before it changes. A version
// of a row is made obsolete by the next one, and both by a tombstone.
//
// Clear gives a table a new epoch, which is part of its rows' image keys and is
// kept in a row of TableId::kEpochs: so the old rows need no tombstones. Epochs
// are this replica's bookkeeping, no part of the replicated state: not in
// digest(), rows() or size_bytes().
//
// Not thread-safe: used on its partition's worker only (the loader's, while it
// loads).

#ifndef SESSION_TABLE_SET_H_
#define SESSION_TABLE_SET_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "session/row_store.h"

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
  kOutputs = 11,

  kCounter = 16,
  kMap = 17,
  kMapClear = 18,
  kMapHold = 19,
  kMapWaiter = 20,
  kLockHold = 21,
  kLockWaiter = 22,
  kValue = 23,
  kCounterMap = 24,
  kCounterMapClear = 25,
  kCounterMapHold = 26,
  kCounterMapWaiter = 27,
  kElection = 28,
  kCandidate = 29,
  kSet = 32,
  kSetClear = 33,
  kMultiMap = 34,
  kMultiMapClear = 35,
  // 40-47: indexedmap and list.
  // 32-39: set and multimap.
  kIndexedMap = 40,
  kIndexedMapState = 41,
  kIndexedMapClear = 42,
  kList = 43,
  kListState = 44,
  kListClear = 45,
  kMapTransaction = 46,
};

// For people: "sessions". Empty: no such table.
absl::string_view NameOf(TableId table);

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

// A row whose content is not what was written or loaded last, though nothing
// changed it since: a bit of this machine's memory has flipped.
struct DamagedRow {
  TableId table{};
  uint64_t owner = 0;
  std::string key;
  // What its content adds to the sum of its table, above what it should.
  uint64_t difference = 0;
};

// What a slice of a scrub did.
struct Scrubbed {
  uint64_t rows = 0;   // Hashed.
  bool ended = false;  // That was the last row; the next slice begins anew.
  std::vector<DamagedRow> damaged;  // Each is told once.
};

class TableBase;

class TableSet {
 public:
  TableSet();
  TableSet(const TableSet&) = delete;
  TableSet& operator=(const TableSet&) = delete;
  // REQUIRES: its tables are destroyed.
  ~TableSet();

  // --- Checkpoint -----------------------------------------------------------

  // Makes everything changed since the last Freeze the cut of `checkpoint`, in
  // O(1). REQUIRES: !writing(), and `checkpoint` above every earlier one.
  void Freeze(uint64_t checkpoint);

  // A cut is frozen and its image is not durable yet.
  bool writing() const { return writing_; }

  // Encodes rows of the cut until `rows_max` rows or `bytes_max` bytes are
  // reached, and moves them, with those that changed meanwhile, to `rows`.
  // True when the cut is complete; then digest() is known.
  // REQUIRES: writing(), rows_max > 0.
  bool EncodeSlice(size_t rows_max, size_t bytes_max,
                   std::vector<EncodedRow>& rows);

  // Of the last complete cut: the order-free sum of the hashes of all its rows,
  // table by table.
  uint64_t digest() const { return digest_; }
  std::vector<std::pair<TableId, uint64_t>> table_digests() const {
    return table_digests_;
  }

  // The pointer of the cut is durable: returns what no reader needs any more.
  // It goes to the store before any row of the next cut, and in this order, a
  // tombstone behind the version it hides. REQUIRES: the cut is complete.
  struct Obsolete {
    // To be taken from the front piece by piece: to free as many as there are
    // rows at once takes long.
    std::deque<ObsoleteVersion> versions;
    std::vector<ObsoleteRange> ranges;
  };
  Obsolete ImageDurable();

  // Makes the next cut the whole image, for a generation of its own: for when
  // the one on disk is damaged. All rows are in it, changed or not, nothing of
  // it replaces anything, and it is worked off in slices like any other.
  void Rewrite() { whole_next_ = true; }

  // The cut is such a one. REQUIRES: writing().
  bool cut_is_whole() const { return whole_; }

  // --- Scrub ----------------------------------------------------------------
  // A row is hashed when it is encoded, and one that nobody changes is never
  // encoded again: what happens to it in memory shows in no digest. So the rows
  // that are in no list of changed ones are read through, slice by slice, and
  // compared with their hashes (U7, P37).

  // Looks at up to `rows_max` rows, and at no further one behind `bytes_max`
  // bytes, from where the last slice ended. A table costs as much as a row.
  // Changes no row and no digest; a row that has changed since the last Freeze,
  // or is in a cut that is being encoded, is left to that. REQUIRES: both > 0.
  Scrubbed Scrub(size_t rows_max, size_t bytes_max);

  // What damaged rows add to table_digests(), table by table: with it these are
  // of the rows as memory has them. Until a row is written again, or goes: then
  // the sums themselves have what became of it. Empty: no damage is known.
  std::map<TableId, uint64_t> damage() const;

  // --- Load -----------------------------------------------------------------

  // Takes a row of an image, in (table, key) order. The owner's table must
  // exist, except for rows of a cleared epoch, which are skipped and returned
  // as obsolete by the next ImageDurable. DataLoss: a row that does not decode
  // or that no table wants.
  absl::Status LoadRow(const EncodedRow& row);

  // Ends the load. DataLoss if the rows do not sum up to `digest`.
  absl::Status FinishLoad(uint64_t digest);

  // The sum over all rows as they are now, encoded and hashed again: for tests
  // and the comparison of replicas.
  uint64_t FullDigest() const;

  // --- Size -----------------------------------------------------------------

  uint64_t rows() const { return rows_; }
  // Keys and Row::size_bytes(), and kRowOverhead a row: a function of the rows
  // alone, so the same on every replica.
  uint64_t size_bytes() const { return size_bytes_; }
  // What the next Freeze would write, roughly.
  uint64_t dirty_rows() const { return list(active_).size(); }
  uint64_t dirty_bytes() const { return dirty_bytes_; }

  // Frees up to `rows_max` rows of cleared tables; true while more are left.
  // Changes of tables free a few each, so nobody needs to call this.
  bool Reclaim(size_t rows_max);

 private:
  friend class TableBase;
  struct EpochRow;
  struct Epochs;
  // How far Walk got.
  struct Walked {
    bool tables_done = false;
    bool done = false;
    // It goes on in this table or, tables_done, in this one of cleared_, behind
    // this row; none: from its first.
    std::pair<TableId, uint64_t> table{};
    size_t cleared = 0;
    std::optional<std::string> after;
    // Of cleared_, when tables_done: what was cleared later was walked.
    size_t cleared_end = 0;
  };
  struct Damage {
    const RowStore* store = nullptr;
    uint64_t difference = 0;
  };

  using TableKey = std::pair<TableId, uint64_t>;  // Id and owner.

  struct Changed {
    RowStore* store = nullptr;
    RowNode* node = nullptr;  // Null: it was encoded early.
  };
  using ChangedList = std::deque<Changed>;  // Grows without moving.

  // A store whose table was cleared or, `gone`, destroyed.
  struct Cleared {
    std::shared_ptr<RowStore> store;
    bool gone = false;
  };

  // For TableBase.
  uint64_t Register(TableBase& table, TableKey key);
  void Unregister(TableKey key) { tables_.erase(key); }
  void Changes(RowStore& store, RowNode& node, size_t size);
  void Forget(RowNode& node, size_t size);
  uint64_t Retire(std::shared_ptr<RowStore> store, bool gone);
  // The differences wrap around.
  void CountRows(RowStore& store, uint64_t rows, uint64_t bytes) {
    store.size_bytes += bytes;
    if (!store.counted) return;
    rows_ += rows;
    size_bytes_ += bytes;
  }

  ChangedList& list(RowList id) { return lists_[static_cast<int>(id) - 1]; }
  const ChangedList& list(RowList id) const {
    return lists_[static_cast<int>(id) - 1];
  }
  RowList frozen() const {
    return active_ == RowList::kFirst ? RowList::kSecond : RowList::kFirst;
  }
  // Whether `store` was cleared before the cut, which then skips its rows.
  bool CutSkips(const RowStore& store) const {
    return store.cleared_cut != 0 && store.cleared_cut <= cut_;
  }

  // The version of `node` in the cut is still to be encoded.
  bool IsInCut(const RowNode& node) const {
    return node.list == frozen() || (whole_ && !complete_ && IsUnwritten(node));
  }
  // Of a whole cut: a row of it that had not changed, and still has not.
  bool IsUnwritten(const RowNode& node) const {
    return node.list == RowList::kNone && node.written != 0 &&
           node.written < checkpoint_;
  }

  // None: a whole image needs no tombstone.
  std::optional<EncodedRow> Encode(RowStore& store, RowNode& node);
  void EncodeEarly(RowStore& store, RowNode& node);
  std::optional<EncodedRow> EncodeLast();

  // Goes through the rows that a whole cut does not have as changed ones, on
  // from where it ended: calls `step` with each row that is to be written, and
  // without one where it passed over something, until it returns false.
  using WalkStep = absl::FunctionRef<bool(std::optional<EncodedRow>)>;
  void Walk(WalkStep step);
  bool WalkStore(RowStore& store, WalkStep step);
  void Account(const Cleared& cleared);
  void Complete();
  void SumUp();
  void Release(RowStore& store, RowNode& node);
  // `node` is not what it was when it was found damaged.
  void ForgetDamage(RowNode& node);
  uint64_t StartEpoch(TableKey key);
  bool IsOfClearedEpoch(TableKey key, uint64_t epoch) const;
  absl::Status LoadInto(RowStore& store, const EncodedRow& row,
                        absl::string_view row_key);
  void EpochLoaded(absl::string_view row_key);

  absl::btree_map<TableKey, TableBase*> tables_;
  uint64_t rows_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t dirty_bytes_ = 0;

  ChangedList lists_[2];
  RowList active_ = RowList::kFirst;
  std::deque<Cleared> cleared_;  // Since the last cut, and in it; in order.
  std::deque<std::shared_ptr<RowStore>> reclaim_;

  uint64_t cut_ = 0;         // Freezes so far.
  uint64_t checkpoint_ = 0;  // Of the last cut, or of the newest row loaded.
  bool writing_ = false;
  bool complete_ = true;            // All of the cut is encoded.
  bool whole_ = false;              // The cut is a whole image.
  bool whole_next_ = false;         // The next one will be.
  Walked walked_;                   // If whole_.
  std::deque<EncodedRow> encoded_;  // Encoded early, not handed out yet.
  Obsolete obsolete_;               // Once the cut is durable.
  std::vector<std::pair<TableKey, uint64_t>> gone_;  // Epoch rows to drop then.

  std::map<TableId, uint64_t> sums_;  // While a cut is encoded, half updated.
  uint64_t digest_ = 0;
  std::vector<std::pair<TableId, uint64_t>> table_digests_;

  // Where the next slice of the scrub begins: behind this row of this table.
  TableKey scrub_table_{};
  std::optional<std::string> scrub_after_;   // None: with its first.
  std::map<const RowNode*, Damage> damage_;  // Of rows with `damaged`.

  std::unique_ptr<Epochs> epochs_;  // Last: a table of this set.
};

// What all tables have in common, and what TableSet lets them do.
class TableBase {
 public:
  TableBase(const TableBase&) = delete;
  TableBase& operator=(const TableBase&) = delete;

  TableId id() const { return id_; }
  uint64_t owner() const { return owner_; }

 protected:
  TableBase(TableSet& tables, TableId id, uint64_t owner);
  ~TableBase() = default;

  // Enters the table; returns its epoch.
  uint64_t Register() { return tables_.Register(*this, {id_, owner_}); }
  void Unregister() { tables_.Unregister({id_, owner_}); }

  // `node`, of `size` bytes, is about to change: encodes it if it is in the cut
  // and notes that it is in the next.
  void Changes(RowStore& store, RowNode& node, size_t size) {
    if (node.list != tables_.active_) tables_.Changes(store, node, size);
    Reclaim();
  }

  // A changed row of `size` bytes that was never written goes away.
  void Forget(RowNode& node, size_t size) { tables_.Forget(node, size); }

  // A row in the list of changed ones has another size.
  void DirtyResized(size_t from, size_t to) {
    tables_.dirty_bytes_ += to - from;
  }

  // A row got another size, came or went.
  void Resized(RowStore& store, size_t from, size_t to) {
    tables_.CountRows(store, 0, to - from);
  }
  void Added(RowStore& store, size_t size) {
    tables_.CountRows(store, 1, size);
  }
  void Removed(RowStore& store, size_t size) {
    tables_.CountRows(store, uint64_t{0} - 1, uint64_t{0} - size);
  }

  // Takes over a store that the table gives up, `gone`: because it is
  // destroyed. Returns the epoch of its successor.
  uint64_t Retire(std::shared_ptr<RowStore> store, bool gone) {
    return tables_.Retire(std::move(store), gone);
  }

 private:
  friend class TableSet;

  virtual RowStore& store() = 0;

  void Reclaim() {
    if (!tables_.reclaim_.empty() && tables_.complete_) {
      tables_.Reclaim(kReclaimPerChange);
    }
  }

  static constexpr size_t kReclaimPerChange = 4;

  TableSet& tables_;
  const TableId id_;
  const uint64_t owner_;
};

}  // namespace session

#endif  // SESSION_TABLE_SET_H_
