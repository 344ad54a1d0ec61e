// Map is bytes by key, each value with the index of the command that wrote it
// and, maybe, a time to live. Sessions can lock keys; the locks are advisory:
// they keep out other locks and nothing else.
//
// Clear removes all rows at once when nobody listens. With listeners, a small
// map tells them of each key in the same entry; a large one is empty at once
// for everybody, while its rows and their Removed events go in slices with the
// entries that follow. A row is *dead* from the Clear to its slice, or until a
// command writes its key, which sends its event first.

#ifndef PRIMITIVE_MAP_H_
#define PRIMITIVE_MAP_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "primitive/key_locks.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

struct MapRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, MapRow& row);
  size_t size_bytes() const { return 17 + value.size(); }

  std::string value;
  uint64_t index = 0;                    // Of the command that wrote it.
  uint64_t expire_ns = session::kNever;  // Log time.
};

// A Clear that still has events to send; its row's key is its index. Every row
// of the map with a lower index is dead.
struct MapClearRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, MapClearRow& row);
  size_t size_bytes() const { return 1; }
};

class Map final : public session::Primitive {
 public:
  // Events of one Clear that one entry sends at most.
  static constexpr size_t kClearSlice = 1000;
  // Keys that one Lock or Unlock may name.
  static constexpr int kLockKeysMax = 256;

  Map(session::TableSet& tables, session::PrimitiveId id);

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;
  session::Listing List(uint32_t operation, absl::string_view input,
                        absl::string_view cursor,
                        const session::SliceBounds& bounds) const override;
  bool Watches(uint32_t operation, absl::string_view input) const override;
  void TimerFired(session::PrimitiveContext& context,
                  absl::string_view key) override;
  void WaiterCancelled(session::PrimitiveContext& context,
                       session::CommandKey command) override;
  bool SessionClosed(session::PrimitiveContext& context,
                     session::SessionId session, size_t items_max) override;
  void Loaded(session::PrimitiveContext& context) override;

 private:
  using Context = session::PrimitiveContext;

  session::Result Put(Context& context,
                      const atomix::multiraft::map::v1::PutInput& input);
  session::Result Insert(Context& context,
                         const atomix::multiraft::map::v1::InsertInput& input);
  session::Result Update(Context& context,
                         const atomix::multiraft::map::v1::UpdateInput& input);
  session::Result Remove(Context& context,
                         const atomix::multiraft::map::v1::RemoveInput& input);
  session::Result Clear(Context& context);
  void Lock(session::CommandContext& context,
            const atomix::multiraft::map::v1::LockInput& input);
  session::Result Unlock(session::CommandContext& context,
                         const atomix::multiraft::map::v1::UnlockInput& input);
  session::Result Get(const atomix::multiraft::map::v1::GetInput& input) const;

  // The row that readers see at `key`, or null.
  const MapRow* FindLive(const std::string& key) const;
  // The same for a command that may write `key`: a dead row is reaped first.
  const MapRow* FindForWrite(Context& context, const std::string& key);

  // Stores a row and tells of it. `previous`, if any, is what it replaces.
  void Store(Context& context, const std::string& key, MapRow row,
             const atomix::multiraft::map::v1::IndexedValue* previous);
  // Removes the live row at `key`, cancels its timer and tells of it.
  void Erase(Context& context, const std::string& key, bool expired);
  // Tells listeners and watchers that a live row goes.
  void TellRemoved(Context& context, const std::string& key, const MapRow& row,
                   bool expired) const;

  // Whether a Clear whose events are still being sent removed `row`.
  bool IsDead(const MapRow& row) const { return row.index < last_clear_; }
  // Removes a dead row and sends its event.
  void Reap(Context& context, const std::string& key);
  void ReapSlice(Context& context);
  void FinishClear(Context& context);

  session::Table<std::string, MapRow> rows_;
  session::Table<uint64_t, MapClearRow> clears_;  // Empty but for large Clears.
  KeyLocks locks_;

  // Derived.
  uint64_t last_clear_ = 0;  // The last key of clears_, or 0.
  size_t dead_ = 0;          // Dead rows in rows_.
  std::string reaped_;       // No dead row is before it; only saves a scan.
};

session::PrimitiveType MapType();

}  // namespace primitive

#endif  // PRIMITIVE_MAP_H_
