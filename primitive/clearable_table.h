// ClearableTable is the rows of a primitive that has a Clear, listeners and
// watchers: map, set, multimap. It is a Table that is empty at once when it is
// cleared, however many rows it had.
//
// Without listeners all rows go at once. With listeners, a small table's are
// told of by the primitive, each in the same entry; a large one's rows and
// their events go in slices with the entries that follow. A row is *dead* from
// the Clear to its slice, or until a command writes its key, which sends its
// event first. Nobody but listeners ever sees a dead row.
//
// Row is as Table wants it and has `uint64_t index`, of the command that wrote
// it. The timer "c" of the primitive belongs to the table.
//
// Owned by a primitive, which forwards TimerFired and Loaded.

#ifndef PRIMITIVE_CLEARABLE_TABLE_H_
#define PRIMITIVE_CLEARABLE_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/coding.h"
#include "session/primitive.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

// A Clear that still has events to send; its row's key is its index. Every row
// of the table with a lower index is dead.
//
//   version u8 = 1
struct ClearRow {
  void Encode(std::string& out) const { base::AppendU8(out, kVersion); }
  static bool Decode(absl::string_view bytes, ClearRow&) {
    base::Reader reader(bytes);
    const uint8_t version = reader.U8();
    return reader.done() && version == kVersion;
  }
  size_t size_bytes() const { return 1; }

  static constexpr uint8_t kVersion = 1;
};

template <class Key, class Row>
class ClearableTable {
 public:
  using Context = session::PrimitiveContext;

  // Events of one Clear that one entry sends at most.
  static constexpr size_t kSlice = 1000;

  // What listeners are told of a row that a Clear removes.
  struct Event {
    std::string key;     // For their filters.
    std::string output;  // The public EventsOutput message.
  };
  struct Config {
    session::TableId row_table{};
    session::TableId clear_table{};
    Event (*removed)(const Key& key, const Row& row) = nullptr;
    // If given: a dead row is about to go. Not called for rows that go with
    // Clear itself: then rows() is empty behind it.
    std::function<void(const Key& key, const Row& row)> reaped = nullptr;
  };
  ClearableTable(session::TableSet& tables, session::PrimitiveId owner,
                 const Config& config)
      : config_(config),
        rows_(tables, config.row_table, owner.value()),
        clears_(tables, config.clear_table, owner.value()) {}

  // --- Reads ----------------------------------------------------------------

  // Of live rows.
  size_t size() const { return rows_.size() - dead_; }
  bool empty() const { return size() == 0; }

  // The live row at `key`, or null. Valid until that row changes or goes.
  const Row* Find(const Key& key) const {
    const Row* row = rows_.Find(key);
    return row != nullptr && IsDead(*row) ? nullptr : row;
  }

  // Every row in key order, the dead ones too: they cost as much as others and
  // must not hide from whoever bounds his work.
  const session::Table<Key, Row>& rows() const { return rows_; }
  bool IsDead(const Row& row) const { return row.index < last_clear_; }

  // Primitive::List over live rows: `encode(key, row)` makes an output. For
  // keys that are strings, and so is Cursor.
  template <class Encode>
  session::Listing List(absl::string_view cursor,
                        const session::SliceBounds& bounds,
                        Encode encode) const;
  // What a listing's cursor is at `key`; Notify wants it too. Never empty, as
  // a key may be.
  static std::string Cursor(const std::string& key) {
    return absl::StrCat("k", key);
  }

  // --- Writes ---------------------------------------------------------------

  // As Find, for a command that may write `key`: a dead row there goes first.
  const Row* FindForWrite(Context& context, const Key& key) {
    const Row* row = rows_.Find(key);
    if (row == nullptr || !IsDead(*row)) return row;
    Reap(context, key);
    return nullptr;
  }

  // REQUIRES: no dead row is at `key` (FindForWrite).
  const Row& Put(const Key& key, Row row) {
    return rows_.Put(key, std::move(row));
  }
  // REQUIRES: a live row is at `key`.
  void Erase(const Key& key) { CHECK(rows_.Erase(key)); }

  // Whether one entry can tell of every row: then a primitive does so, in key
  // order, before it calls Clear. Else it interrupts the watchers.
  bool IsSmall() const { return rows_.size() <= kSlice && dead_ == 0; }

  // Removes every row. `told`: of each, to listeners.
  void Clear(Context& context, bool told);

  // --- Forwarded ------------------------------------------------------------

  // False if the timer is none of the table's.
  bool TimerFired(Context& context, absl::string_view timer) {
    if (timer != kTimer) return false;
    ReapSlice(context);
    return true;
  }

  // `visit(key, row)` is called for each live row: it may set timers.
  template <class Visit>
  void Loaded(Context& context, Visit visit);

 private:
  static constexpr char kTimer[] = "c";

  // Removes a dead row and sends its event.
  void Reap(Context& context, const Key& key);
  void ReapSlice(Context& context);
  void Finish(Context& context);

  const Config config_;
  session::Table<Key, Row> rows_;
  session::Table<uint64_t, ClearRow> clears_;  // Empty but for large Clears.

  // Derived.
  uint64_t last_clear_ = 0;    // The last key of clears_, or 0.
  size_t dead_ = 0;            // Dead rows in rows_.
  std::optional<Key> reaped_;  // No dead row is before it; only saves a scan.
};

// --- Implementation ---------------------------------------------------------

template <class Key, class Row>
template <class Encode>
session::Listing ClearableTable<Key, Row>::List(
    absl::string_view cursor, const session::SliceBounds& bounds,
    Encode encode) const {
  session::Listing listing{.cursor = std::string(cursor), .done = true};
  size_t seen = 0;
  uint64_t bytes = 0;
  auto visit = [&](const std::string& key, const Row& row) {
    if (seen == bounds.rows_max || bytes >= bounds.bytes_max) {
      listing.done = false;
      return false;
    }
    ++seen;
    if (!IsDead(row)) {
      listing.outputs.push_back(encode(key, row));
      bytes += listing.outputs.back().size();
    }
    listing.cursor = Cursor(key);
    return true;
  };
  if (cursor.empty()) {
    rows_.Scan(visit);
  } else {
    rows_.ScanAfter(std::string(cursor.substr(1)), visit);
  }
  return listing;
}

template <class Key, class Row>
void ClearableTable<Key, Row>::Clear(Context& context, bool told) {
  if (empty()) return;
  if (told || !context.has_listeners()) {
    rows_.Clear();
    Finish(context);
    return;
  }
  last_clear_ = context.index();
  clears_.Insert(last_clear_, {});
  // Rows behind what was reaped already may be dead now.
  reaped_.reset();
  dead_ = rows_.size();
  context.SetTimer(kTimer, session::kAtOnce);
}

template <class Key, class Row>
template <class Visit>
void ClearableTable<Key, Row>::Loaded(Context& context, Visit visit) {
  clears_.Scan([&](uint64_t index, const ClearRow&) {
    last_clear_ = index;
    return true;
  });
  rows_.Scan([&](const Key& key, const Row& row) {
    if (IsDead(row)) {
      ++dead_;
    } else {
      visit(key, row);
    }
    return true;
  });
  if (dead_ > 0) context.SetTimer(kTimer, session::kAtOnce);
}

template <class Key, class Row>
void ClearableTable<Key, Row>::Reap(Context& context, const Key& key) {
  const Row& row = *rows_.Find(key);
  if (context.has_listeners()) {
    // Of the first Clear that found the row: who listens since a later one
    // never saw it.
    uint64_t clear = 0;
    clears_.ScanAfter(row.index, [&](uint64_t index, const ClearRow&) {
      clear = index;
      return false;
    });
    Event event = config_.removed(key, row);
    context.Publish(clear, event.key, std::move(event.output));
  }
  if (config_.reaped) config_.reaped(key, row);
  rows_.Erase(key);
  if (--dead_ == 0) Finish(context);
}

template <class Key, class Row>
void ClearableTable<Key, Row>::ReapSlice(Context& context) {
  // With the last dead row the scan ends: behind it may be a million live ones.
  const size_t count = std::min(kSlice, dead_);
  std::vector<Key> keys;
  auto visit = [&](const Key& key, const Row& row) {
    if (IsDead(row)) keys.push_back(key);
    return keys.size() < count;
  };
  if (reaped_.has_value()) {
    rows_.ScanFrom(*reaped_, visit);
  } else {
    rows_.Scan(visit);
  }
  context.Charge(keys.size());
  for (const Key& key : keys) Reap(context, key);
  if (dead_ == 0) return;
  reaped_.reset();
  if (!keys.empty()) reaped_ = std::move(keys.back());
  context.SetTimer(kTimer, session::kAtOnce);
}

// Nothing of it may stay, or replicas that load the rows would differ.
template <class Key, class Row>
void ClearableTable<Key, Row>::Finish(Context& context) {
  context.CancelTimer(kTimer);
  if (!clears_.empty()) clears_.Clear();
  last_clear_ = 0;
  dead_ = 0;
  reaped_.reset();
}

}  // namespace primitive

#endif  // PRIMITIVE_CLEARABLE_TABLE_H_
