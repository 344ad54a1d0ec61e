// Timers are what primitives asked to be called for: at most one for each key
// of each primitive, fired in the order of (due, primitive, key). Derived:
// primitives set them again at load, so their order depends on their content
// alone.
//
// A timer set while an entry is applied waits for the next entry (Settle), even
// if it is due at once.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_TIMERS_H_
#define SESSION_TIMERS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "session/types.h"

namespace session {

class Timers {
 public:
  // Sets or moves a timer.
  void Set(PrimitiveId primitive, absl::string_view key, uint64_t due_ns);
  void Cancel(PrimitiveId primitive, absl::string_view key);
  // All of one primitive whose keys start with `prefix`, in O(1); their memory
  // follows, some at each Settle.
  void CancelAll(PrimitiveId primitive, char prefix);

  // A new entry begins: what was set before may fire.
  void Settle();

  // The first timer that may fire, of those that are due at `from_ns` or later;
  // one that stands behind an earlier one in its queue is not seen.
  struct Due {
    uint64_t at_ns = 0;
    PrimitiveId primitive;
  };
  std::optional<Due> Next(uint64_t from_ns) const;

  // Removes that timer and returns its key. REQUIRES: Next(from_ns) has one.
  std::string Take(uint64_t from_ns);

  // Of all timers, those that wait for the next entry, too; or kNever.
  uint64_t next_due_ns() const;

  size_t size() const;

 private:
  struct Timer {
    uint64_t due_ns = 0;
    bool fresh = false;  // Not in the queue yet.
  };
  struct Queue {
    absl::flat_hash_map<std::string, Timer> by_key;
    absl::btree_set<std::pair<uint64_t, std::string>> by_due;
    std::vector<std::string> fresh;  // May name timers cancelled since.

    uint64_t head() const {
      return by_due.empty() ? kNever : by_due.begin()->first;
    }
  };

  // The timers of a primitive whose keys start with one byte (0: also the empty
  // key). Queues order as their keys do.
  using Group = std::pair<PrimitiveId, uint8_t>;
  static Group GroupOf(PrimitiveId primitive, absl::string_view key) {
    return {primitive, key.empty() ? uint8_t{0} : static_cast<uint8_t>(key[0])};
  }

  // Keeps heads_ in step with a queue whose head was `before`.
  void HeadMoved(Group group, uint64_t before, const Queue& queue);

  // Queues do not move, and stay when they are empty: most are used again.
  absl::flat_hash_map<Group, std::unique_ptr<Queue>> queues_;
  absl::btree_set<std::pair<uint64_t, Group>> heads_;  // Head not kNever.
  absl::btree_set<Group> with_fresh_;
  std::deque<std::unique_ptr<Queue>> cancelled_;
};

}  // namespace session

#endif  // SESSION_TIMERS_H_
