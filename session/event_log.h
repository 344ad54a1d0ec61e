// EventLog is the events of all primitives and the commands that listen to
// them. An event is kept once, until every listener it is for has let go of it;
// a listener's outputs are its events, numbered from 1 and encoded when they
// are read, so a client that comes back finds every one it has not
// acknowledged.
//
// A listener whose client does not acknowledge is ended at a bound, judged when
// the event is applied: it keeps the outputs it has and gets one more, the
// error. So no number is ever missing.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_EVENT_LOG_H_
#define SESSION_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"
#include "session/limits.h"
#include "session/log_time.h"
#include "session/rows.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/types.h"

namespace session {

class EventLog {
 public:
  // All must outlive it.
  EventLog(TableSet& tables, const Limits& limits, LogTime& log_time);

  // --- Events ---------------------------------------------------------------

  // Whether a command listens to `primitive`; the same on every replica.
  bool HasListeners(PrimitiveId primitive) const;

  // Appends an event for the listeners of `primitive` whose filter is empty or
  // equals `key` and whose command is not newer than `change_index`; adds them
  // to `touched`.
  void Publish(PrimitiveId primitive, uint64_t change_index,
               absl::string_view key, std::string output,
               std::vector<CommandKey>& touched);

  // --- Listeners ------------------------------------------------------------

  // `command` listens from now on. Its output number 1 is `first_output`,
  // unless that is empty. REQUIRES: it does not listen yet.
  void Listen(CommandKey command, PrimitiveId primitive,
              absl::string_view filter, std::string first_output);

  // The client has all outputs up to `number`. True if there are outputs to
  // Release.
  bool Acknowledge(CommandKey command, uint64_t number);

  // The command is over. True if there are outputs to Release; else it is gone.
  bool Forget(CommandKey command);

  // Lets go of acknowledged and forgotten outputs, at most `budget` of them,
  // which it takes off; true when nothing is left to let go of.
  bool Release(CommandKey command, uint64_t& budget);

  // The first output above `after` that is not acknowledged.
  struct Read {
    enum class Kind : uint8_t { kOutput, kNothingYet, kEnded };
    Kind kind = Kind::kEnded;
    uint64_t number = 0;
    Result result;
  };
  Read ReadOutput(CommandKey command, uint64_t after) const;

  // Bytes of outputs that listeners of `session` have not let go of.
  uint64_t cached_bytes(SessionId session) const;

  // All rows are loaded: rebuilds what is derived.
  void Loaded();

 private:
  // Derived from a listener's row and the events.
  struct Listener {
    std::deque<uint64_t> positions;  // Of the outputs it has not let go of.
    uint64_t bytes = 0;              // Of those.
  };
  // Who listens to one primitive and may still get events, with ListenerRow's
  // index.
  using Members = absl::btree_map<CommandKey, uint64_t>;
  struct Audience {
    Members to_all;
    absl::flat_hash_map<std::string, Members> by_key;
    size_t size = 0;
  };

  static uint64_t CachedBytes(const EventRow& event);

  void Join(CommandKey command, const ListenerRow& row);
  void Leave(CommandKey command, const ListenerRow& row);
  void AddOutput(CommandKey command, uint64_t position, uint64_t bytes);
  // Why `listener` cannot be given more, or empty.
  std::string BoundReached(SessionId session, const Listener& listener) const;
  void End(CommandKey command, uint64_t position, std::string error);
  void DropFirstOutput(SessionId session, PrimitiveId primitive,
                       Listener& listener);
  const ListenerRow* FindRow(CommandKey command) const {
    return listeners_.Find(RowKeyOf(command));
  }

  const Limits& limits_;
  LogTime& log_time_;
  Table<SequenceKey, ListenerRow> listeners_;
  Table<EventKey, EventRow> events_;

  // Derived.
  absl::node_hash_map<SequenceKey, Listener> outputs_;
  absl::flat_hash_map<PrimitiveId, Audience> audiences_;
  absl::flat_hash_map<uint64_t, uint32_t>
      holders_;  // Of an event, by position.
  absl::flat_hash_map<SessionId, uint64_t> cached_bytes_;
};

}  // namespace session

#endif  // SESSION_EVENT_LOG_H_
