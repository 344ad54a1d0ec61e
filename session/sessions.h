// Sessions is the sessions of a partition: their rows, when each is gone, and
// what else is known about one in memory.
//
// A session is gone for every command from its deadline on (FindLive), even
// before its turn to be removed has come.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_SESSIONS_H_
#define SESSION_SESSIONS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/functional/function_ref.h"
#include "session/command_records.h"
#include "session/deadlines.h"
#include "session/log_time.h"
#include "session/rows.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/types.h"

namespace session {

// A KeepAlive that is not worked off yet.
struct PendingSweep {
  uint64_t number = 0;  // The command index of the KeepAlive.
  Sweep sweep;
};

// One session in memory. All but `row` is derived from other tables, whose
// owners keep it up to date.
struct Session {
  SessionRow row;  // As in the table.
  RecordCounts records;
  uint64_t open_commands = 0;
  absl::flat_hash_set<PrimitiveId> primitives;  // Open, and not closing.
  std::deque<PendingSweep> sweeps;              // In order.
};

class Sessions {
 public:
  // Both must outlive it.
  Sessions(TableSet& tables, const LogTime& log_time);

  // REQUIRES: `id` was never used.
  Session& Open(SessionId id, uint64_t timeout_ns);
  // Gives the session its full timeout from now.
  void Refresh(SessionId id);
  void RaiseMark(SessionId id, uint64_t mark_end);
  void Remove(SessionId id);

  // Null if there is none, FindLive also if it is gone by now. Valid until it
  // is removed.
  Session* Find(SessionId id);
  const Session* Find(SessionId id) const;
  Session* FindLive(SessionId id);
  const Session* FindLive(SessionId id) const;

  // A new term began: deadlines moved.
  void NewTerm() { deadlines_.NewTerm(); }
  std::optional<Deadlines::Due> NextDeadline() const {
    return deadlines_.Next();
  }

  size_t size() const { return sessions_.size(); }
  // In the order of ids, from the first above `after`, until `visit` returns
  // false.
  void ScanAfter(
      SessionId after,
      absl::FunctionRef<bool(SessionId, const Session&)> visit) const;

  // All rows are loaded.
  void Loaded();

 private:
  const LogTime& log_time_;
  Table<SessionId, SessionRow> table_;
  absl::node_hash_map<SessionId, Session> sessions_;  // Derived.
  Deadlines deadlines_;                               // Derived.
};

}  // namespace session

#endif  // SESSION_SESSIONS_H_
