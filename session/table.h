// Table is an ordered map of rows that knows which of them changed since the
// last checkpoint. Everything replicated lives in tables, so an image is their
// rows, written as they change, and nothing else needs to know about images.
//
// A table belongs to a TableSet, the tables of one partition. Its identity
// there is (id, owner): all maps share one id, each owner (primitive) has a
// table of its own, 0 owns the session layer's.
//
// Checkpoints: TableSet::Freeze makes the set of changed rows the consistent
// cut, in O(1). The rows of the cut are encoded later, in slices; a row of it
// that is about to change is encoded first (copy on write). See table_set.h.
//
// Not thread-safe: used on its partition's worker only.
//
// Key: one of the types EncodeRowKey takes. Row: a value type with
//   void Encode(std::string& out) const;          // the same bytes for ever
//   static bool Decode(absl::string_view bytes, Row& row);
//   size_t size_bytes() const;                    // for the state bound

#ifndef SESSION_TABLE_H_
#define SESSION_TABLE_H_

#include <cstdint>
#include <string>

#include "session/table_set.h"

namespace session {

template <class Key, class Row>
class Table : public TableBase {
 public:
  // `tables` must outlive the table.
  Table(TableSet& tables, TableId id, uint64_t owner = 0);

  // The row at `key`, or null. Valid until the next change of the table.
  const Row* Find(const Key& key) const;

  // Adds a row. REQUIRES: `key` is absent.
  const Row& Insert(const Key& key, Row row);

  // Adds or replaces a row.
  const Row& Put(const Key& key, Row row);

  // Changes a row in place: `change` is called with a Row&. REQUIRES: `key` is
  // present.
  template <class Change>
  void Update(const Key& key, Change change);

  // Removes a row; false if it was absent.
  bool Erase(const Key& key);

  // Removes all rows in O(1); they are reclaimed at leisure.
  void Clear();

  size_t size() const;
  bool empty() const { return size() == 0; }

  // Calls `visit(key, row)` in key order, from the first key not below (After:
  // above) `key`, until it returns false. The table must not change meanwhile.
  template <class Visit>
  void Scan(Visit visit) const;
  template <class Visit>
  void ScanFrom(const Key& key, Visit visit) const;
  template <class Visit>
  void ScanAfter(const Key& key, Visit visit) const;
};

}  // namespace session

#endif  // SESSION_TABLE_H_
