// The cut that is a whole image. What has changed is encoded first, as in any
// cut; then all tables are walked for the rows that have not. A row is written
// by the cut if its version has the cut's number; one that changes, or is
// freed, before the walk comes by is encoded early.
//
// What the walk may meet beside: rows of after the cut, which have no version
// or are in the list of changed ones. A table that is cleared meanwhile leaves
// its rows in `cleared_`; nothing is taken from there before the cut is
// complete.

#include <iterator>
#include <optional>
#include <utility>

#include "session/table_set.h"

namespace session {

void TableSet::Walk(WalkStep step) {
  if (!walked_.tables_done) {
    auto it = tables_.lower_bound(walked_.table);
    // The table where the last slice ended may be gone.
    if (it == tables_.end() || it->first != walked_.table) {
      walked_.after.reset();
    }
    while (it != tables_.end()) {
      walked_.table = it->first;
      if (!WalkStore(it->second->store(), step)) return;
      walked_.after.reset();
      ++it;
      // An empty table costs as much as a row.
      if (it == tables_.end()) break;
      walked_.table = it->first;
      if (!step(std::nullopt)) return;
    }
    walked_.tables_done = true;
    walked_.cleared_end = cleared_.size();
  }
  while (walked_.cleared < walked_.cleared_end) {
    if (!WalkStore(*cleared_[walked_.cleared].store, step)) return;
    walked_.after.reset();
    ++walked_.cleared;
    if (!step(std::nullopt)) return;
  }
  walked_.done = true;
}

// False: the slice is over, and the next one goes on behind `after`.
bool TableSet::WalkStore(RowStore& store, WalkStep step) {
  std::string last;
  const bool to_the_last = store.VisitAfter(walked_.after, [&](RowNode& node) {
    std::optional<EncodedRow> row;
    if (IsUnwritten(node)) row = Encode(store, node);
    if (step(std::move(row))) return true;
    store.EncodeKey(node, last);
    return false;
  });
  if (!to_the_last) walked_.after = std::move(last);
  return to_the_last;
}

}  // namespace session
