// Map is an ordered table from text keys to values of any bytes, shared by many
// clients and durable. Each value has an index: a number that is higher for
// every later change in the partition, so it tells versions apart.
//
//   ASSIGN_OR_RETURN(auto users, client::Map::Open(session, "users"));
//   ASSIGN_OR_RETURN(auto put, users.Put("ann", "admin"));
//   // Change it only if nobody else has:
//   auto changed = users.Put("ann", "owner", {.prev_index = put.index});
//   if (absl::IsAborted(changed.status())) ...
//
// Each call that changes the map changes it once, however often it has to be
// sent. If it fails with IsOutcomeUnknown it has changed it once or not at all.
//
// Keys can be locked, by the session. Locks are advisory: they keep out other
// locks and nothing else.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_MAP_H_
#define CLIENT_MAP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/stream.h"
#include "client/wait_options.h"

namespace client {

class Client;

struct MapValue {
  std::string value;
  uint64_t index = 0;  // Of the command that wrote it.
};

struct MapEntry {
  std::string key;
  MapValue value;
};

// How a value is written.
struct MapWrite {
  // From now on the server's clock; then the entry is removed. Nothing: it
  // stays.
  std::optional<absl::Duration> ttl;

  // Write only if the present value has this index, else kAborted. 0: always.
  uint64_t prev_index = 0;
};

struct MapWritten {
  // Of the value now. Putting the value that is there changes nothing: its old
  // index, and no prev.
  uint64_t index = 0;
  std::optional<MapValue> prev;  // What was replaced.
};

// One of several changes that are made together.
struct MapChange {
  enum class Kind { kPut, kInsert, kUpdate, kRemove };

  static MapChange Put(absl::string_view key, absl::string_view value,
                       const MapWrite& how) {
    return {Kind::kPut, std::string(key), std::string(value), how};
  }
  static MapChange Insert(absl::string_view key, absl::string_view value,
                          std::optional<absl::Duration> ttl) {
    return {Kind::kInsert, std::string(key), std::string(value), {.ttl = ttl}};
  }
  static MapChange Update(absl::string_view key, absl::string_view value,
                          const MapWrite& how) {
    return {Kind::kUpdate, std::string(key), std::string(value), how};
  }
  static MapChange Remove(absl::string_view key, uint64_t prev_index) {
    return {Kind::kRemove, std::string(key), "", {.prev_index = prev_index}};
  }

  Kind kind = Kind::kPut;
  std::string key;
  std::string value;  // Not of kRemove.
  MapWrite how;       // Of kRemove, prev_index; of kInsert, ttl.
};

struct MapEvent {
  enum class Kind { kInserted, kUpdated, kRemoved };
  Kind kind = Kind::kInserted;
  std::string key;
  MapValue value;                // The new one; of kRemoved, the removed one.
  std::optional<MapValue> prev;  // kUpdated.
  bool expired = false;          // kRemoved by its time to live.
};

// What a watch brings.
struct MapUpdate {
  enum class Kind {
    kEntry,    // The key has this value, now or again.
    kRemoved,  // It had this value, and is gone.
    // The listing starts over, because the connection broke and changes may
    // have been missed: forget what was seen so far. `entry` is empty.
    kRestarted,
  };
  Kind kind = Kind::kEntry;
  MapEntry entry;
};

class Map {
 public:
  // Opens the map, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<Map> Open(Session& session, const PrimitiveName& name);

  // The same, spread over the partitions of a cluster. It is created in each
  // when that is first needed, so kPermissionDenied may come from any call.
  static absl::StatusOr<Map> Open(Client& client, const PrimitiveName& name);

  Map(Map&&);
  Map& operator=(Map&&);
  ~Map();

  // kNotFound if there is no such key.
  absl::StatusOr<MapValue> Get(absl::string_view key);
  absl::StatusOr<uint32_t> Size();

  // Every entry, in the order of keys.
  absl::StatusOr<std::vector<MapEntry>> List();

  // Writes whether or not the key is there.
  absl::StatusOr<MapWritten> Put(absl::string_view key, absl::string_view value,
                                 const MapWrite& how);
  absl::StatusOr<MapWritten> Put(absl::string_view key,
                                 absl::string_view value);

  // Writes only a key that is not there yet, else kAlreadyExists.
  absl::StatusOr<MapWritten> Insert(absl::string_view key,
                                    absl::string_view value,
                                    std::optional<absl::Duration> ttl);

  // Writes only a key that is there, else kNotFound.
  absl::StatusOr<MapWritten> Update(absl::string_view key,
                                    absl::string_view value,
                                    const MapWrite& how);

  // Removes the key and returns its value. kNotFound; kAborted if `prev_index`
  // is not 0 and the value has another.
  absl::StatusOr<MapValue> Remove(absl::string_view key, uint64_t prev_index);

  // Removes every key.
  absl::Status Clear();

  // Makes all of the changes, or none. No key may be there twice. What refuses
  // one of them alone refuses all; kAborted also if a key is part of a
  // transaction that is prepared. Returns for each what Put, Insert or Update
  // would, and for a removal the removed value as `prev`. Of a cluster, all
  // keys have to be in one partition (Client::PartitionOf), else
  // kInvalidArgument.
  absl::StatusOr<std::vector<MapWritten>> Apply(
      const std::vector<MapChange>& changes);

  // The same in two steps, for what has to happen in several places: prepare it
  // everywhere, then commit it everywhere, or abort it. A prepared transaction
  // keeps its keys from all other changes. It ends with the session, and after
  // five minutes: then Commit is kNotFound. Of a cluster, keys as in Apply. If
  // Prepare fails with IsOutcomeUnknown it has asked to abort, which may have
  // failed, too.
  absl::StatusOr<uint64_t> Prepare(const std::vector<MapChange>& changes);
  absl::StatusOr<std::vector<MapWritten>> Commit(uint64_t transaction);
  absl::Status Abort(uint64_t transaction);

  // Locks all keys at once for the session, in the order of those who ask.
  // kAborted: somebody else had one of them until the limit. If it fails with
  // IsOutcomeUnknown the session may have got them all the same. Of a cluster:
  // at once in each partition, and in the order of partitions.
  absl::Status LockKeys(const std::vector<std::string>& keys,
                        const WaitOptions& options);

  // Gives back the keys, or without any all that the session has locked.
  // kAborted, and nothing changes, if it has not locked all of these; of a
  // cluster, nothing in the partition that this is about.
  absl::Status UnlockKeys(const std::vector<std::string>& keys);

  // Every change from now on, each once and in order, whatever happens to
  // connections and servers in between. `key`: only of this key; "": of all. A
  // session that reads too slowly for the server's bounds gets an error here.
  std::unique_ptr<Stream<MapEvent>> Events(absl::string_view key);

  // Every entry that there is, then each change as it happens. Costs the server
  // nothing to keep; what is missed while the connection is broken is made good
  // by a new listing. Remembers the index of every key.
  std::unique_ptr<Stream<MapUpdate>> Watch();

  // The session no longer uses the map, which stays with all entries.
  absl::Status Close();

 private:
  struct Rep;
  explicit Map(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_MAP_H_
