// IndexedMap is bytes by key, in the order in which the keys were appended.
// Each entry has an index, its place in that order: 1 for the first that was
// ever appended, never used again and never changed. Each value has a version,
// the index of the command that wrote it, and, maybe, a time to live.
//
// Every operation finds its entry by key or by index, in O(log n).
//
// Clear empties it at once; listeners may be told with the entries that follow
// (clearable_table.h). The indexes go on from where they were.

#ifndef PRIMITIVE_INDEXEDMAP_H_
#define PRIMITIVE_INDEXEDMAP_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/indexedmap/v1/fsm.pb.h"
#include "primitive/basic_primitive.h"
#include "primitive/clearable_table.h"
#include "primitive/retired.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

// The row's key is the entry's index.
struct IndexedMapRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, IndexedMapRow& row);
  size_t size_bytes() const { return 21 + key.size() + value.size(); }

  std::string key;
  std::string value;
  uint64_t index = 0;                    // Of the command that wrote it.
  uint64_t expire_ns = session::kNever;  // Log time.
};

// The only row of its table; none before the first Append.
struct IndexedMapStateRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, IndexedMapStateRow& row);
  size_t size_bytes() const { return 9; }

  uint64_t last_index = 0;  // Of the last entry ever appended.
};

class IndexedMap final : public BasicPrimitive {
 public:
  IndexedMap(session::TableSet& tables, session::PrimitiveId id);

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;
  session::Listing List(const session::StreamQuery& query,
                        absl::string_view cursor,
                        const session::SliceBounds& bounds) const override;
  bool Watches(const session::StreamQuery& query) const override;
  void TimerFired(session::PrimitiveContext& context,
                  absl::string_view key) override;
  void Loaded(session::PrimitiveContext& context) override;

 private:
  using Context = session::PrimitiveContext;

  // An entry, or none: then `row` is null.
  struct Found {
    uint64_t index = 0;
    const IndexedMapRow* row = nullptr;
  };

  session::Result Append(
      Context& context,
      const atomix::multiraft::indexedmap::v1::AppendInput& input);
  session::Result Update(
      Context& context,
      const atomix::multiraft::indexedmap::v1::UpdateInput& input);
  session::Result Remove(
      Context& context,
      const atomix::multiraft::indexedmap::v1::RemoveInput& input);
  session::Result Clear(Context& context);

  uint64_t last_index() const;

  // Entries that are there.
  Found FindByIndex(uint64_t index) const {
    return {.index = index, .row = rows_.Find(index)};
  }
  Found FindByKey(const std::string& key) const;
  // What a command finds which may write the entry. One whose time is over goes
  // first: what is due may be more than one entry's share, and no command may
  // see what is left.
  Found IfNotOver(Context& context, Found found);
  Found First() const { return FirstFrom(0); }
  Found Last() const { return LastBelow(nullptr); }
  // The one with the lowest index from `index` on.
  Found FirstFrom(uint64_t index) const;
  // The one with the highest index, or the highest below `*index`.
  Found LastBelow(const uint64_t* index) const;

  // Stores a row and tells of it. `previous`, if any, is what it replaces.
  const IndexedMapRow& Store(
      Context& context, uint64_t index, IndexedMapRow row,
      const atomix::multiraft::indexedmap::v1::Value* previous);
  // Removes an entry that is there, cancels its timer and tells of it.
  void Erase(Context& context, uint64_t index, bool expired);
  // Tells listeners and watchers that an entry goes.
  void TellRemoved(Context& context, uint64_t index, const IndexedMapRow& row,
                   bool expired) const;

  ClearableTable<uint64_t, IndexedMapRow> rows_;
  session::Table<uint64_t, IndexedMapStateRow> state_;

  // Derived.
  using Keys = absl::btree_map<std::string, uint64_t>;
  Keys by_key_;             // Index of every row, dead ones too.
  Retired<Keys> retired_;   // Of Clears.
  uint64_t live_from_ = 0;  // Every dead row has a lower index, no live one.
};

session::PrimitiveType IndexedMapType();

}  // namespace primitive

#endif  // PRIMITIVE_INDEXEDMAP_H_
