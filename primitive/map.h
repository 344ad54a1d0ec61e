// Map is bytes by key, each value with the index of the command that wrote it
// and, maybe, a time to live. Sessions can lock keys; the locks are advisory:
// they keep out other locks and nothing else.
//
// Clear empties it at once; listeners may be told with the entries that follow
// (clearable_table.h).

#ifndef PRIMITIVE_MAP_H_
#define PRIMITIVE_MAP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "primitive/clearable_table.h"
#include "primitive/key_locks.h"
#include "primitive/map_transactions.h"
#include "session/primitive.h"
#include "session/registry.h"
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

class Map final : public session::Primitive {
 public:
  // Changes in one transaction.
  static constexpr int kTransactionMax = 1000;
  // Bytes of the values that its changes replace.
  static constexpr size_t kTransactionAnswerMax = 2 << 20;

  Map(session::TableSet& tables, session::PrimitiveId id);

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

  session::Result Put(Context& context,
                      const atomix::multiraft::map::v1::PutInput& input);
  session::Result Insert(Context& context,
                         const atomix::multiraft::map::v1::InsertInput& input);
  session::Result Update(Context& context,
                         const atomix::multiraft::map::v1::UpdateInput& input);
  session::Result Remove(Context& context,
                         const atomix::multiraft::map::v1::RemoveInput& input);
  session::Result Clear(Context& context);
  session::Result Prepare(
      session::CommandContext& context,
      const atomix::multiraft::map::v1::PrepareInput& input);
  session::Result Commit(session::CommandContext& context,
                         const atomix::multiraft::map::v1::CommitInput& input);
  session::Result Abort(session::CommandContext& context,
                        const atomix::multiraft::map::v1::AbortInput& input);
  session::Result Apply(Context& context,
                        const atomix::multiraft::map::v1::ApplyInput& input);
  session::Result Get(const atomix::multiraft::map::v1::GetInput& input) const;

  // Why a change is refused that finds `row` (null: nothing); or kOk.
  static session::Result Precondition(MapChange::Kind kind, const MapRow* row,
                                      uint64_t prev_index);
  // Why one of a single key is, while a transaction holds it; or kOk.
  session::Result CheckNotPrepared(const std::string& key) const;
  static session::Result IsPrepared();
  // Why changes cannot be made together, or prepared; or kOk.
  session::Result CheckTransaction(const Context& context,
                                   const std::vector<MapChange>& changes) const;
  // Makes a change that was checked.
  void Make(Context& context, const MapChange& change,
            atomix::multiraft::map::v1::MapOutput& output);

  // The row that a command finds which may write `key`, or null. One that is
  // dead, or whose time is over, goes first: what is due may be more than one
  // entry's share, and no command may see what is left.
  const MapRow* FindForWrite(Context& context, const std::string& key);
  // Stores a row and tells of it. `previous`, if any, is what it replaces.
  void Store(Context& context, const std::string& key, MapRow row,
             const atomix::multiraft::map::v1::IndexedValue* previous);
  // Removes the live row at `key`, cancels its timer and tells of it.
  void Erase(Context& context, const std::string& key, bool expired);
  // Tells listeners and watchers that a live row goes.
  void TellRemoved(Context& context, const std::string& key, const MapRow& row,
                   bool expired) const;

  ClearableTable<std::string, MapRow> rows_;
  KeyLocks locks_;
  MapTransactions transactions_;
};

session::PrimitiveType MapType();

}  // namespace primitive

#endif  // PRIMITIVE_MAP_H_
