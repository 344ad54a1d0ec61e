// List is bytes by position, from 0.
//
// The row of an item has a number of its own as key, which never changes, and
// names the item behind it: so inserting or removing anywhere writes two rows,
// however long the list is. Which item is at a position is derived (Sequence):
// every operation is O(log n). To load a list is to follow it from its first
// item to its last.
//
// Clear removes all rows at once when nobody listens. With listeners, a small
// list tells them of each item in the same entry, from its end; a large one is
// empty at once for everybody, while its rows and their events go in slices
// with the entries that follow. To whoever keeps a copy by the events, the
// items of such a Clear stand *behind* all that came since, and go from the
// end: so each event's index is right when it is sent.

#ifndef PRIMITIVE_LIST_H_
#define PRIMITIVE_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/list/v1/fsm.pb.h"
#include "primitive/basic_primitive.h"
#include "primitive/sequence.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

// The row's key is the item's number.
struct ListRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ListRow& row);
  size_t size_bytes() const { return 9 + value.size(); }

  std::string value;
  uint64_t next = 0;  // The number of the item behind it; 0: it is the last.
};

// The only row of its table; none before the first item.
struct ListStateRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ListStateRow& row);
  size_t size_bytes() const { return 17; }

  uint64_t last_number = 0;  // That was ever given to an item.
  uint64_t first = 0;        // The number of the first item; 0: none.
};

// A Clear that still has events to send; its row's key is its index.
struct ListClearRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ListClearRow& row);
  size_t size_bytes() const { return 17; }

  uint64_t first = 0;  // The number of the first item of those that are left.
  uint64_t count = 0;  // How many these are.
};

// The list; not called List because Primitive has a function of that name.
class ItemList final : public BasicPrimitive {
 public:
  // Items of one Clear that one entry tells of at most.
  static constexpr size_t kClearSlice = 1000;

  ItemList(session::TableSet& tables, session::PrimitiveId id);

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
  using Event = atomix::multiraft::list::v1::Event;

  session::Result Append(Context& context,
                         const atomix::multiraft::list::v1::AppendInput& input);
  session::Result Insert(Context& context,
                         const atomix::multiraft::list::v1::InsertInput& input);
  session::Result Set(Context& context,
                      const atomix::multiraft::list::v1::SetInput& input);
  session::Result Remove(Context& context,
                         const atomix::multiraft::list::v1::RemoveInput& input);
  session::Result Clear(Context& context);

  ListStateRow state() const;
  // Makes what is before `position` go on with item `next`.
  void Link(size_t position, uint64_t next);
  // Adds an item. REQUIRES: position <= order_.size() < UINT32_MAX.
  void Store(Context& context, size_t position, const std::string& value);
  // Tells listeners and watchers that the item at `position` goes.
  void TellRemoved(Context& context, size_t position, const ListRow& row) const;

  // The next slice of the oldest Clear that is not done.
  void ReapSlice(Context& context);
  void FinishClears(Context& context);

  session::Table<uint64_t, ListRow> rows_;
  session::Table<uint64_t, ListStateRow> state_;
  session::Table<uint64_t, ListClearRow> clears_;  // Mostly empty.

  // Derived.
  Sequence order_;  // The numbers of the items.
  // Those of the items that Clears removed and did not tell of yet, as they
  // were; by Clear.
  absl::btree_map<uint64_t, Sequence> dead_;
  size_t dead_size_ = 0;  // All of them.
};

session::PrimitiveType ListType();

}  // namespace primitive

#endif  // PRIMITIVE_LIST_H_
