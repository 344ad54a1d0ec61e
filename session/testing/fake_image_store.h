// FakeImageStore keeps the versions of one partition's image rows as storage/
// does: what a TableSet emits goes in, what a loader reads comes out.
//
// Writes are in order and unsynced; only SetPointer syncs. Crash loses a suffix
// of what was written since.

#ifndef SESSION_TESTING_FAKE_IMAGE_STORE_H_
#define SESSION_TESTING_FAKE_IMAGE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "session/table_set.h"

namespace session {
namespace testing {

class FakeImageStore {
 public:
  struct Pointer {
    uint64_t checkpoint = 0;
    uint64_t digest = 0;
  };

  void Write(const std::vector<EncodedRow>& rows);
  void Remove(const TableSet::Obsolete& obsolete);
  void SetPointer(Pointer pointer);

  // Keeps only the first `kept` of the unsynced writes.
  void Crash(size_t kept);
  size_t unsynced() const { return unsynced_.size(); }

  // The rows of the image that the pointer names, in (table, key) order.
  // Versions that are no part of it are removed.
  std::vector<EncodedRow> Load();

  const Pointer& pointer() const { return pointer_; }
  // Versions and tombstones of all rows.
  size_t versions() const;
  // Of one row's, that of its newest version; null: there is none.
  EncodedRow* Newest(TableId table, const std::string& key);

 private:
  using RowName = std::pair<TableId, std::string>;
  using Versions = std::map<uint64_t, EncodedRow>;
  using Rows = std::map<RowName, Versions>;

  struct Step {
    enum class Kind { kWrite, kRemove, kRemoveRange };
    Kind kind{};
    EncodedRow row;  // kRemoveRange: its key is the prefix.
  };

  void Do(Step step);
  static void Apply(const Step& step, Rows& rows);

  Pointer pointer_;
  Rows synced_;
  Rows rows_;  // `synced_` and `unsynced_`.
  std::vector<Step> unsynced_;
};

}  // namespace testing
}  // namespace session

#endif  // SESSION_TESTING_FAKE_IMAGE_STORE_H_
