// MapTransactions is the changes of a map that are prepared and not made yet.
//
// Until it is committed or aborted, a transaction keeps its keys from all other
// changes, also of its own session. It belongs to the session that prepared it
// and goes with it; and should its client forget it while the session lives, it
// is over after kLifetimeNs.
//
// Owned by the map, which checks the changes before they come here, and makes
// them.

#ifndef PRIMITIVE_MAP_TRANSACTIONS_H_
#define PRIMITIVE_MAP_TRANSACTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/duration.pb.h"
#include "session/primitive.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

// One change of one key.
struct MapChange {
  // Fields of MapInput. Do not change: on disk.
  enum class Kind : uint8_t { kPut = 2, kInsert = 3, kUpdate = 4, kRemove = 6 };

  Kind kind = Kind::kPut;
  std::string key;
  std::string value;  // Not of kRemove.
  std::optional<google::protobuf::Duration> ttl;
  uint64_t prev_index = 0;
};

// The row's key is the session and the number that the client gave it.
struct MapTransactionRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, MapTransactionRow& row);
  // With what the rows will have that its Commit makes.
  size_t size_bytes() const;

  uint64_t expire_ns = session::kNever;  // Log time.
  std::vector<MapChange> changes;
};

class MapTransactions {
 public:
  // How long a transaction may be prepared: five minutes of log time, far
  // longer than a client takes that means to commit.
  static constexpr uint64_t kLifetimeNs = 300'000'000'000;

  // Timers of the map that start with `timer_prefix` belong to it.
  MapTransactions(session::TableSet& tables, session::PrimitiveId owner,
                  char timer_prefix);

  // Whether a transaction changes any key.
  bool HoldsAny() const { return !holders_.empty(); }
  // Whether a transaction changes `key`.
  bool Holds(const std::string& key) const { return holders_.contains(key); }
  // Valid until the next change.
  const MapTransactionRow* Find(session::CommandKey id) const {
    return rows_.Find(id);
  }

  // REQUIRES: there is no transaction `id`, none holds one of the keys, and
  // each key is there once.
  void Add(session::PrimitiveContext& context, session::CommandKey id,
           std::vector<MapChange> changes);

  // Forgets a transaction, and returns its changes. REQUIRES: there is one.
  std::vector<MapChange> Take(session::PrimitiveContext& context,
                              session::CommandKey id);

  // Forgets transactions of `session` until `keys_max` keys are free, one at
  // least. Returns how many keys are; `done` is whether none is left.
  struct Freed {
    size_t keys = 0;
    bool done = true;
  };
  Freed AbortSome(session::PrimitiveContext& context,
                  session::SessionId session, size_t keys_max);

  void TimerFired(session::PrimitiveContext& context, absl::string_view timer);
  void Loaded(session::PrimitiveContext& context);

 private:
  void Hold(session::PrimitiveContext& context, session::CommandKey id,
            const MapTransactionRow& row);
  std::string TimerKey(session::CommandKey id) const;

  const char timer_prefix_;
  session::Table<session::CommandKey, MapTransactionRow> rows_;

  // Derived: who holds a key.
  absl::btree_map<std::string, session::CommandKey> holders_;
};

}  // namespace primitive

#endif  // PRIMITIVE_MAP_TRANSACTIONS_H_
