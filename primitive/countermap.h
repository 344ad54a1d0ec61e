// CounterMap is signed 64-bit numbers by key. They wrap around at their ends. A
// key comes into being with the first number stored for it, and an increment of
// an absent key starts from 0. Sessions can lock keys; the locks are advisory:
// they keep out other locks and nothing else.
//
// Clear empties it at once; listeners may be told with the entries that follow
// (clearable_table.h).

#ifndef PRIMITIVE_COUNTERMAP_H_
#define PRIMITIVE_COUNTERMAP_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "atomix/multiraft/countermap/v1/fsm.pb.h"
#include "primitive/clearable_table.h"
#include "primitive/key_locks.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table_set.h"
#include "session/types.h"

namespace primitive {

struct CounterMapRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, CounterMapRow& row);
  size_t size_bytes() const { return 17; }

  int64_t value = 0;
  uint64_t index = 0;  // Of the command that wrote it; clients never see it.
};

class CounterMap final : public session::Primitive {
 public:
  CounterMap(session::TableSet& tables, session::PrimitiveId id);

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
  void WaiterCancelled(session::PrimitiveContext& context,
                       session::CommandKey command) override;
  bool SessionClosed(session::PrimitiveContext& context,
                     session::SessionId session, size_t items_max) override;
  void Loaded(session::PrimitiveContext& context) override;

 private:
  using Context = session::PrimitiveContext;
  using Rows = ClearableTable<std::string, CounterMapRow>;

  session::Result Set(Context& context,
                      const atomix::multiraft::countermap::v1::SetInput& input);
  session::Result Insert(
      Context& context,
      const atomix::multiraft::countermap::v1::InsertInput& input);
  session::Result Update(
      Context& context,
      const atomix::multiraft::countermap::v1::UpdateInput& input);
  session::Result Remove(
      Context& context,
      const atomix::multiraft::countermap::v1::RemoveInput& input);
  session::Result Clear(Context& context);
  // Adds to what is at `key`, or to 0, and returns what was there.
  int64_t Add(Context& context, const std::string& key, uint64_t delta);

  // Stores `value` over `old`, which may be null, and tells of it.
  void Store(Context& context, const std::string& key, int64_t value,
             const CounterMapRow* old);
  // Tells listeners and watchers that a live row goes.
  void TellRemoved(Context& context, const std::string& key,
                   const CounterMapRow& row) const;

  Rows rows_;
  KeyLocks locks_;
};

session::PrimitiveType CounterMapType();

}  // namespace primitive

#endif  // PRIMITIVE_COUNTERMAP_H_
