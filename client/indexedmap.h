// IndexedMap is a table from text keys to values of any bytes, in the order in
// which the keys were appended, shared by many clients and durable. Each entry
// has an index, its place in that order, which is never used again; each value
// a version, a number that is higher for every later change in the partition.
//
//   ASSIGN_OR_RETURN(auto jobs, client::IndexedMap::Open(session, "jobs"));
//   ASSIGN_OR_RETURN(auto job, jobs.Append("backup", "pending"));
//   // Change it only if nobody else has:
//   auto taken = jobs.Update("backup", "running", {.prev_version =
//   job.version});
//   if (absl::IsAborted(taken.status())) ...
//
// Each call that changes the map changes it once, however often it has to be
// sent. If it fails with IsOutcomeUnknown it has changed it once or not at all.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_INDEXEDMAP_H_
#define CLIENT_INDEXEDMAP_H_

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

namespace client {

class Client;

struct IndexedMapEntry {
  std::string key;
  uint64_t index = 0;  // Its place in the map; the first is 1.
  std::string value;
  uint64_t version = 0;  // The index of the command that wrote the value.
};

// How a value is replaced.
struct IndexedMapWrite {
  // From now on the server's clock; then the entry is removed. Nothing: it
  // stays.
  std::optional<absl::Duration> ttl;

  // Write only if the present value has this version, else kAborted. 0: always.
  uint64_t prev_version = 0;
};

struct IndexedMapEvent {
  enum class Kind { kInserted, kUpdated, kRemoved };
  Kind kind = Kind::kInserted;
  IndexedMapEntry entry;   // As it is now; of kRemoved, as it was.
  std::string prev_value;  // kUpdated: what was replaced.
  uint64_t prev_version = 0;
  bool expired = false;  // kRemoved by its time to live.
};

// What a watch brings.
struct IndexedMapUpdate {
  enum class Kind {
    kEntry,    // The entry has this value, now or again.
    kRemoved,  // It had this value, and is gone.
    // The listing starts over, because the connection broke and changes may
    // have been missed: forget what was seen so far. `entry` is empty.
    kRestarted,
  };
  Kind kind = Kind::kEntry;
  IndexedMapEntry entry;
};

class IndexedMap {
 public:
  // Opens the map, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<IndexedMap> Open(Session& session,
                                         const PrimitiveName& name);

  // The same in the partition of a cluster that the name belongs to.
  static absl::StatusOr<IndexedMap> Open(Client& client,
                                         const PrimitiveName& name);

  IndexedMap(IndexedMap&&);
  IndexedMap& operator=(IndexedMap&&);
  ~IndexedMap();

  // kNotFound if there is no such entry.
  absl::StatusOr<IndexedMapEntry> Get(absl::string_view key);
  absl::StatusOr<IndexedMapEntry> GetAt(uint64_t index);

  // The first and the last entry, and those behind and before a place, whether
  // or not an entry is there. kNotFound if there is none.
  absl::StatusOr<IndexedMapEntry> First();
  absl::StatusOr<IndexedMapEntry> Last();
  absl::StatusOr<IndexedMapEntry> Next(uint64_t index);
  absl::StatusOr<IndexedMapEntry> Prev(uint64_t index);

  absl::StatusOr<uint32_t> Size();

  // Every entry, in the order of indexes.
  absl::StatusOr<std::vector<IndexedMapEntry>> List();

  // Adds a key that is not there yet, else kAlreadyExists, behind all others.
  absl::StatusOr<IndexedMapEntry> Append(absl::string_view key,
                                         absl::string_view value,
                                         std::optional<absl::Duration> ttl);
  absl::StatusOr<IndexedMapEntry> Append(absl::string_view key,
                                         absl::string_view value);

  // Replaces the value of an entry that is there, else kNotFound, and keeps its
  // index. The value that is there already changes nothing, not even the time
  // to live. Returns the entry as it is now.
  absl::StatusOr<IndexedMapEntry> Update(absl::string_view key,
                                         absl::string_view value,
                                         const IndexedMapWrite& how);
  absl::StatusOr<IndexedMapEntry> UpdateAt(uint64_t index,
                                           absl::string_view value,
                                           const IndexedMapWrite& how);

  // Removes the entry and returns it. kNotFound; kAborted if `prev_version` is
  // not 0 and the value has another.
  absl::StatusOr<IndexedMapEntry> Remove(absl::string_view key,
                                         uint64_t prev_version);
  absl::StatusOr<IndexedMapEntry> RemoveAt(uint64_t index,
                                           uint64_t prev_version);

  // Removes every entry. Indexes go on from where they were.
  absl::Status Clear();

  // Every change from now on, each once and in order, whatever happens to
  // connections and servers in between. `key`: only of this key; "": of all. A
  // session that reads too slowly for the server's bounds gets an error here.
  std::unique_ptr<Stream<IndexedMapEvent>> Events(absl::string_view key);

  // Every entry that there is, then each change as it happens. Costs the server
  // nothing to keep; what is missed while the connection is broken is made good
  // by a new listing. Remembers the version of every entry.
  std::unique_ptr<Stream<IndexedMapUpdate>> Watch();

  // The session no longer uses the map, which stays with all entries.
  absl::Status Close();

 private:
  struct Rep;
  explicit IndexedMap(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_INDEXEDMAP_H_
