#include "session/testing/fake_image_store.h"

#include "base/check.h"

namespace session {
namespace testing {

void FakeImageStore::Apply(const Step& step, Rows& rows) {
  const EncodedRow& row = step.row;
  const RowName name(row.table, row.key);
  switch (step.kind) {
    case Step::Kind::kWrite:
      rows[name][row.checkpoint] = row;
      return;
    case Step::Kind::kRemove:
      rows[name].erase(row.checkpoint);
      if (rows[name].empty()) rows.erase(name);
      return;
    case Step::Kind::kRemoveRange: {
      auto it = rows.lower_bound(name);
      while (it != rows.end() && it->first.first == row.table &&
             it->first.second.starts_with(row.key)) {
        it = rows.erase(it);
      }
      return;
    }
  }
}

void FakeImageStore::Do(Step step) {
  Apply(step, rows_);
  unsynced_.push_back(std::move(step));
}

void FakeImageStore::Write(const std::vector<EncodedRow>& rows) {
  for (const EncodedRow& row : rows) Do({Step::Kind::kWrite, row});
}

void FakeImageStore::Remove(const TableSet::Obsolete& obsolete) {
  for (const ObsoleteVersion& version : obsolete.versions) {
    Do({Step::Kind::kRemove, {version.table, version.key, version.checkpoint}});
  }
  for (const ObsoleteRange& range : obsolete.ranges) {
    CHECK(!range.prefix.empty());
    Do({Step::Kind::kRemoveRange, {range.table, range.prefix}});
  }
}

void FakeImageStore::SetPointer(Pointer pointer) {
  CHECK_GT(pointer.checkpoint, pointer_.checkpoint);
  pointer_ = pointer;
  synced_ = rows_;
  unsynced_.clear();
}

void FakeImageStore::Crash(size_t kept) {
  CHECK_LE(kept, unsynced_.size());
  unsynced_.resize(kept);
  rows_ = synced_;
  for (const Step& step : unsynced_) Apply(step, rows_);
}

std::vector<EncodedRow> FakeImageStore::Load() {
  std::vector<EncodedRow> image;
  TableSet::Obsolete obsolete;
  for (const auto& [name, versions] : rows_) {
    const EncodedRow* newest = nullptr;
    for (const auto& [checkpoint, row] : versions) {
      if (checkpoint <= pointer_.checkpoint) newest = &row;
    }
    // In the order of checkpoints, so a tombstone goes after what it hides.
    for (const auto& [checkpoint, row] : versions) {
      if (&row == newest && !row.erased) {
        image.push_back(row);
      } else {
        obsolete.versions.push_back({row.table, row.key, checkpoint});
      }
    }
  }
  Remove(obsolete);
  return image;
}

size_t FakeImageStore::versions() const {
  size_t count = 0;
  for (const auto& [name, versions] : rows_) count += versions.size();
  return count;
}

EncodedRow* FakeImageStore::Newest(TableId table, const std::string& key) {
  auto it = rows_.find({table, key});
  return it == rows_.end() ? nullptr : &it->second.rbegin()->second;
}

}  // namespace testing
}  // namespace session
