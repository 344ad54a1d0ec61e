// KeyLocks is the locks of one primitive: each named by a key, held by a
// session, and waited for in the order of the commands that want it. A map has
// one for each key that somebody locked; a lock has one, with the key "".
//
// A command takes all its keys at once or waits for all of them; it waits
// behind every earlier waiter that wants one of its keys, so nobody starves and
// the holds of a key come in the order of their indexes: an index is a fencing
// token. A lock is not re-entrant: its holder's session waits like others.
//
// One release may make room for thousands of waiters with hundreds of keys
// each. Those that one entry does not grant have their turn and are granted
// with the entries that follow; nobody gets in between.
//
// Owned by a primitive, which forwards what concerns locks.

#ifndef PRIMITIVE_KEY_LOCKS_H_
#define PRIMITIVE_KEY_LOCKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/duration.pb.h"
#include "session/primitive.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

// Who holds a key.
struct LockHold {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, LockHold& row);
  size_t size_bytes() const { return 17; }

  session::SessionId session;
  uint64_t index = 0;  // Of the command that asked for it.
};

// A command that waits; its row's key is its index.
struct LockWaiter {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, LockWaiter& row);
  size_t size_bytes() const;

  session::CommandKey command;
  uint64_t deadline_ns = session::kNever;  // Log time.
  std::vector<std::string> keys;           // Sorted, each once.
};

class KeyLocks {
 public:
  // Keys that one session may hold or wait for.
  static constexpr size_t kSessionKeysMax = 4096;
  // Of so many keys, and of those of one waiter more, a release makes grants at
  // once. Do not change: on disk, by its effects.
  static constexpr size_t kGrantSlice = 1000;

  struct Config {
    session::TableId hold_table{};
    session::TableId waiter_table{};
    // The answer to the command with this index, once it holds its keys.
    session::Result (*granted)(uint64_t index) = nullptr;
    // Timers of this primitive whose keys start with it belong to the locks:
    // alone it is for those that are ready, with an index for a waiter's time.
    char timer_prefix = 'w';
  };
  KeyLocks(session::TableSet& tables, session::PrimitiveId owner,
           const Config& config);

  // Takes `keys` for the session of the command: answers it now, or keeps it
  // open until it has them. No timeout: it waits without limit. One that is not
  // positive: it does not wait. kConflict when the time is over.
  void Acquire(session::CommandContext& context, std::vector<std::string> keys,
               std::optional<google::protobuf::Duration> timeout);

  // Gives back `keys`. False, and nothing changes, unless `session` holds all.
  bool Release(session::PrimitiveContext& context, session::SessionId session,
               std::vector<std::string> keys);

  // Gives back at most `items_max` of what `session` holds, in key order; false
  // if more is left.
  bool ReleaseAll(session::PrimitiveContext& context,
                  session::SessionId session, size_t items_max);

  // Null if nobody holds `key`. Valid until the next change.
  const LockHold* Find(const std::string& key) const {
    return holds_.Find(key);
  }

  void TimerFired(session::PrimitiveContext& context, absl::string_view key);
  void WaiterCancelled(session::PrimitiveContext& context,
                       session::CommandKey command);
  void Loaded(session::PrimitiveContext& context);

 private:
  // Both rows and what is derived from them.
  void AddHold(const std::string& key, const LockHold& hold);
  void RemoveHold(const std::string& key, session::SessionId session);
  // How many keys of a command that comes now are not free for it.
  size_t CountBlocked(const std::vector<std::string>& keys) const;
  void Enqueue(uint64_t index, const LockWaiter& waiter);

  // REQUIRES: it has its turn at all its keys.
  void Grant(session::PrimitiveContext& context, uint64_t index);
  // Gives a free key to the first that waits for it, who then may be ready.
  void Offer(const std::string& key);
  // Grants those that are ready, in the order of their indexes, up to
  // kGrantSlice; the timer does the rest.
  void GrantReady(session::PrimitiveContext& context);
  // Removes a waiter that gives up; those behind it may have its turn.
  void Leave(session::PrimitiveContext& context, uint64_t index);

  std::string ReadyTimer() const;
  std::string TimerKey(uint64_t index) const;

  const Config config_;
  session::Table<std::string, LockHold> holds_;
  session::Table<uint64_t, LockWaiter> waiters_;

  // Derived.
  struct SessionKeys {
    absl::btree_set<std::string> held;
    size_t wanted = 0;
  };
  // Sessions that hold or want something.
  absl::btree_map<session::SessionId, SessionKeys> sessions_;
  // Indexes of those who wait for a key, never empty. The first has its turn
  // when nobody holds the key.
  absl::btree_map<std::string, absl::btree_set<uint64_t>> queues_;
  // For each waiter, how many of its keys it does not have its turn at.
  absl::btree_map<uint64_t, size_t> blocked_;
  // Waiters with 0 of them. While there are any, the timer is set.
  absl::btree_set<uint64_t> ready_;
  absl::btree_map<session::CommandKey, uint64_t> indexes_;
};

}  // namespace primitive

#endif  // PRIMITIVE_KEY_LOCKS_H_
