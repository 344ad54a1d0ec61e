// LogTime is what every entry moves: the index that clients see, the
// partition's time, and the grace that a new term gives to sessions.
//
// Time is the leaders' monotonic clocks as their entries carry it; it never
// goes back, and nothing else is a clock here. A new term may follow an outage
// in which no KeepAlive could arrive, so its first entry sets grace_start, and
// sessions are given their full timeout from there (once: DeadlineOf).
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_LOG_TIME_H_
#define SESSION_LOG_TIME_H_

#include <cstdint>

#include "session/rows.h"
#include "session/table.h"
#include "session/table_set.h"

namespace session {

// a + b, or kNever if that is later than everything.
inline uint64_t AddTime(uint64_t a, uint64_t b) {
  return a > kNever - b ? kNever : a + b;
}

class LogTime {
 public:
  // `tables` must outlive it.
  explicit LogTime(TableSet& tables);

  // Moves time to an entry's. True if it is the first of a new term: grace
  // starts anew.
  bool Advance(uint64_t term, uint64_t time_ns);

  // The log time at which a session is gone: its timeout behind its last
  // refresh, or behind grace_start if it was refreshed since the grace before,
  // so that the dead get at most one extra timeout however often leaders
  // change.
  uint64_t DeadlineOf(const SessionRow& session) const;

  uint64_t NextIndex() { return ++row_.command_index; }
  uint64_t NextEventPosition() { return ++row_.event_position; }

  uint64_t index() const { return row_.command_index; }
  uint64_t event_position() const { return row_.event_position; }
  uint64_t time_ns() const { return row_.time_ns; }
  uint64_t term() const { return row_.term; }
  uint64_t grace_start_ns() const { return row_.grace_start_ns; }
  uint64_t previous_grace_start_ns() const {
    return row_.previous_grace_start_ns;
  }
  uint32_t machine_version() const { return row_.machine_version; }
  uint64_t version_since() const { return row_.version_since; }
  // Raises it, by the entry at `log_index`; it never goes back.
  void RaiseMachineVersion(uint32_t version, uint64_t log_index);
  // A recovered partition goes on at an index nobody has seen.
  void set_index(uint64_t index) { row_.command_index = index; }

  // Writes the row; the last thing an entry does.
  void Store();
  // Reads it, after a load; false if there is none.
  bool Load();

 private:
  PartitionRow row_;
  Table<uint64_t, PartitionRow> table_;
};

}  // namespace session

#endif  // SESSION_LOG_TIME_H_
