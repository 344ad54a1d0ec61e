// ReclaimQueue is the work that entries left over, as rows: each entry carries
// on with the first until it has done its share. What others wait for comes
// first: waits are cancelled before locks are released, so that none is granted
// to a session that ended with its holder; memory comes last.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_RECLAIM_H_
#define SESSION_RECLAIM_H_

#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "session/rows.h"
#include "session/table.h"
#include "session/table_set.h"

namespace session {

class ReclaimQueue {
 public:
  explicit ReclaimQueue(TableSet& tables)
      : table_(tables, TableId::kReclaims) {}

  // Adds work; if there is some at `key`, that starts over.
  void Add(const ReclaimKey& key, ReclaimRow row) {
    table_.Put(key, std::move(row));
  }
  void Remove(const ReclaimKey& key) { table_.Erase(key); }

  // What is to be done first. REQUIRES: !empty().
  ReclaimKey First() const {
    ReclaimKey first;
    table_.Scan([&first](const ReclaimKey& key, const ReclaimRow&) {
      first = key;
      return false;
    });
    return first;
  }

  // Null if there is none. Valid until it changes.
  const ReclaimRow* Find(const ReclaimKey& key) const {
    return table_.Find(key);
  }
  // REQUIRES: it is there.
  void Update(const ReclaimKey& key,
              absl::FunctionRef<void(ReclaimRow&)> change) {
    table_.Update(key, change);
  }

  bool empty() const { return table_.empty(); }
  void ForEach(absl::FunctionRef<void(const ReclaimKey&, const ReclaimRow&)>
                   visit) const {
    table_.Scan([&](const ReclaimKey& key, const ReclaimRow& row) {
      visit(key, row);
      return true;
    });
  }

 private:
  Table<ReclaimKey, ReclaimRow> table_;
};

}  // namespace session

#endif  // SESSION_RECLAIM_H_
