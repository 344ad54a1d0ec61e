// Deadlines orders sessions by the log time at which they are gone. Derived:
// rebuilt at load, never in an image.
//
// A new term moves the deadlines of nearly all sessions at once (grace). So
// they are kept in three groups, by the grace their last refresh followed, and
// a new term renames groups instead of moving sessions:
//   fresh   refreshed since grace_start:            refresh + timeout
//   graced  refreshed since the grace before it:    grace_start + timeout
//   stale   refreshed before that:                  refresh + timeout
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_DEADLINES_H_
#define SESSION_DEADLINES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "session/log_time.h"
#include "session/rows.h"

namespace session {

class Deadlines {
 public:
  // `log_time` must outlive it.
  explicit Deadlines(const LogTime& log_time) : log_time_(log_time) {}

  // Adds a session, or moves it after a refresh.
  void Set(SessionId session, const SessionRow& row);
  void Remove(SessionId session);

  // LogTime::Advance returned true. Costs a step for each session that was not
  // refreshed since the last call, nothing for the others.
  void NewTerm();

  // The earliest deadline, the lowest id first; none if there are no sessions.
  struct Due {
    uint64_t at_ns = 0;
    SessionId session;
  };
  std::optional<Due> Next() const;

  size_t size() const { return members_.size(); }

 private:
  // By a time or a timeout, then id.
  using Queue = absl::btree_set<std::pair<uint64_t, SessionId>>;
  struct Member {
    uint64_t timeout_ns = 0;
    uint64_t refreshed_ns = 0;
    uint64_t terms = 0;  // terms_ when it was set.
  };

  static uint64_t PlainDeadline(const Member& member) {
    return AddTime(member.refreshed_ns, member.timeout_ns);
  }

  const LogTime& log_time_;
  uint64_t terms_ = 2;  // NewTerm calls; old enough for two groups behind it.
  absl::flat_hash_map<SessionId, Member> members_;
  // Those refreshed at the latest time of all: a new term at that very time
  // finds them fresh. May hold some twice, or some that are gone.
  uint64_t newest_ns_ = 0;
  std::vector<SessionId> newest_;
  Queue fresh_by_deadline_;
  Queue fresh_by_timeout_;  // The same sessions: they are graced next.
  Queue graced_by_timeout_;
  Queue stale_by_deadline_;
};

}  // namespace session

#endif  // SESSION_DEADLINES_H_
