// MultiMap is an ordered table from text keys to sets of text values, shared by
// many clients and durable. A key is there as long as it has values.
//
//   ASSIGN_OR_RETURN(auto tags, client::MultiMap::Open(session, "tags"));
//   ASSIGN_OR_RETURN(bool is_new, tags.Put("host7", "ssd"));
//   ASSIGN_OR_RETURN(std::vector<std::string> values, tags.Get("host7"));
//
// All values of a key travel in one message: the server allows a key 16,384 of
// them, with a mebibyte together, and refuses more with kAborted.
//
// Each call that changes the multimap changes it once, however often it has to
// be sent, and as a whole. If it fails with IsOutcomeUnknown it has changed it
// once or not at all.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_MULTIMAP_H_
#define CLIENT_MULTIMAP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/stream.h"

namespace client {

class Client;

struct MultiMapEntry {
  std::string key;
  std::vector<std::string> values;  // From the server: in bytewise order.
};

// One value of one key.
struct MultiMapEvent {
  enum class Kind { kAdded, kRemoved };
  Kind kind = Kind::kAdded;
  std::string key;
  std::string value;
};

// What a watch brings.
struct MultiMapUpdate {
  enum class Kind {
    kEntry,    // The key has these values.
    kRemoved,  // The key is gone. `entry.values` is empty.
    // The listing starts over, because the connection broke and changes may
    // have been missed: forget what was seen so far. `entry` is empty.
    kRestarted,
  };
  Kind kind = Kind::kEntry;
  MultiMapEntry entry;
};

class MultiMap {
 public:
  using Values = std::vector<std::string>;

  // Opens the multimap, creating it if there is none. kPermissionDenied:
  // another type of primitive has this name.
  static absl::StatusOr<MultiMap> Open(Session& session,
                                       const PrimitiveName& name);

  // The same, spread over the partitions of a cluster. It is created in each
  // when that is first needed, so kPermissionDenied may come from any call.
  static absl::StatusOr<MultiMap> Open(Client& client,
                                       const PrimitiveName& name);

  MultiMap(MultiMap&&);
  MultiMap& operator=(MultiMap&&);
  ~MultiMap();

  // The key's values in bytewise order: none if there is no such key.
  absl::StatusOr<Values> Get(absl::string_view key);
  absl::StatusOr<bool> Contains(absl::string_view key, absl::string_view value);

  // The number of keys.
  absl::StatusOr<uint32_t> Size();

  // Every key with its values, in the order of keys.
  absl::StatusOr<std::vector<MultiMapEntry>> List();

  // Adds a value, or those of several that are missing, also of several keys at
  // once (of a cluster, those of each partition at once). False: all were
  // there, nothing changed.
  absl::StatusOr<bool> Put(absl::string_view key, absl::string_view value);
  absl::StatusOr<bool> PutAll(absl::string_view key, const Values& values);
  absl::StatusOr<bool> PutEntries(const std::vector<MultiMapEntry>& entries);

  // The key has these values from now on, and no others. Returns those that it
  // had. No values: the key goes.
  absl::StatusOr<Values> Replace(absl::string_view key, const Values& values);

  // Removes a value, or those of several that are there; of a cluster, those of
  // each partition at once. False: none were,
  // nothing changed.
  absl::StatusOr<bool> Remove(absl::string_view key, absl::string_view value);
  absl::StatusOr<bool> RemoveAll(absl::string_view key, const Values& values);
  absl::StatusOr<bool> RemoveEntries(const std::vector<MultiMapEntry>& entries);

  // Removes every key.
  absl::Status Clear();

  // Every change from now on, each once and in order, whatever happens to
  // connections and servers in between. `key`: only of this key; "": of all. A
  // session that reads too slowly for the server's bounds gets an error here.
  std::unique_ptr<Stream<MultiMapEvent>> Events(absl::string_view key);

  // Every key that there is with all its values, then those of each key that
  // changes. Costs the server nothing to keep; what is missed while the
  // connection is broken is made good by a new listing.
  std::unique_ptr<Stream<MultiMapUpdate>> Watch();

  // The session no longer uses the multimap, which stays with all entries.
  absl::Status Close();

 private:
  struct Rep;
  explicit MultiMap(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_MULTIMAP_H_
