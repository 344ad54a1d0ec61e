#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "session/table_set.h"

namespace session {

Scrubbed TableSet::Scrub(size_t rows_max, size_t bytes_max) {
  CHECK_GT(rows_max, 0u);
  CHECK_GT(bytes_max, 0u);
  Scrubbed done;
  size_t steps = 0;
  size_t bytes = 0;
  std::string key;
  std::string value;
  const auto is_over = [&] { return steps >= rows_max || bytes >= bytes_max; };

  auto it = tables_.lower_bound(scrub_table_);
  // The table where the last slice ended may be gone.
  if (it == tables_.end() || it->first != scrub_table_) scrub_after_.reset();
  for (; it != tables_.end(); ++it, scrub_after_.reset()) {
    scrub_table_ = it->first;
    if (is_over()) return done;
    ++steps;
    RowStore& store = it->second->store();
    // Epochs are in no digest, and have a check of their own.
    if (!store.counted) continue;
    const bool to_the_last = store.VisitAfter(scrub_after_, [&](RowNode& node) {
      ++steps;
      key.clear();
      store.EncodeKey(node, key);
      if (node.list == RowList::kNone) {
        value.clear();
        store.EncodeRow(node, value);
        bytes += key.size() + value.size();
        ++done.rows;
        const uint64_t difference = store.Hash(key, value) - node.hash;
        if (difference != 0 && !node.damaged) {
          node.damaged = true;
          damage_[&node] = {.store = &store, .difference = difference};
          done.damaged.push_back({.table = store.table,
                                  .owner = store.owner,
                                  .key = key,
                                  .difference = difference});
        }
      }
      return !is_over();
    });
    if (!to_the_last) {
      scrub_after_ = std::move(key);
      return done;
    }
  }
  scrub_table_ = {};
  done.ended = true;
  return done;
}

std::map<TableId, uint64_t> TableSet::damage() const {
  std::map<TableId, uint64_t> damage;
  for (const auto& [node, one] : damage_) {
    // The cut has none of its rows.
    if (CutSkips(*one.store)) continue;
    damage[one.store->table] += one.difference;
  }
  return damage;
}

void TableSet::ForgetDamage(RowNode& node) {
  node.damaged = false;
  damage_.erase(&node);
}

}  // namespace session
