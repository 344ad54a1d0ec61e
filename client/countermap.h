// CounterMap is an ordered table from text keys to 64-bit numbers on which many
// clients count together. A key comes into being with the first number that is
// stored for it, and overflow wraps around.
//
//   ASSIGN_OR_RETURN(auto hits, client::CounterMap::Open(session, "hits"));
//   ASSIGN_OR_RETURN(int64_t value, hits.Increment("/index.html", 1));
//
// Each call that changes the map changes it once, however often it has to be
// sent. If it fails with IsOutcomeUnknown it has changed it once or not at all.
//
// Keys can be locked, by the session. Locks are advisory: they keep out other
// locks and nothing else.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_COUNTERMAP_H_
#define CLIENT_COUNTERMAP_H_

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
#include "client/wait_options.h"

namespace client {

class Client;

struct CounterMapEntry {
  std::string key;
  int64_t value = 0;
};

struct CounterMapEvent {
  enum class Kind { kInserted, kUpdated, kRemoved };
  Kind kind = Kind::kInserted;
  std::string key;
  int64_t value = 0;       // The new one; of kRemoved, the removed one.
  int64_t prev_value = 0;  // kUpdated.
};

// What a watch brings.
struct CounterMapUpdate {
  enum class Kind {
    kEntry,    // The key has this value, now or again.
    kRemoved,  // It had this value, and is gone.
    // The listing starts over, because the connection broke and changes may
    // have been missed: forget what was seen so far. `entry` is empty.
    kRestarted,
  };
  Kind kind = Kind::kEntry;
  CounterMapEntry entry;
};

class CounterMap {
 public:
  // Opens the map, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<CounterMap> Open(Session& session,
                                         const PrimitiveName& name);

  // The same, spread over the partitions of a cluster. It is created in each
  // when that is first needed, so kPermissionDenied may come from any call.
  static absl::StatusOr<CounterMap> Open(Client& client,
                                         const PrimitiveName& name);

  CounterMap(CounterMap&&);
  CounterMap& operator=(CounterMap&&);
  ~CounterMap();

  // kNotFound if there is no such key.
  absl::StatusOr<int64_t> Get(absl::string_view key);
  absl::StatusOr<uint32_t> Size();

  // Every entry, in the order of keys.
  absl::StatusOr<std::vector<CounterMapEntry>> List();

  // Stores whether or not the key is there. Returns the value before, 0 if it
  // was not.
  absl::StatusOr<int64_t> Set(absl::string_view key, int64_t value);

  // Stores only a key that is not there yet, else kAlreadyExists.
  absl::Status Insert(absl::string_view key, int64_t value);

  // Stores `value` if the key has the value `expected`. kNotFound; kAborted if
  // it has another.
  absl::Status CompareAndSet(absl::string_view key, int64_t expected,
                             int64_t value);

  // Both return the value they leave behind; an absent key counts from 0. A
  // delta of 0 changes nothing, and makes no key.
  absl::StatusOr<int64_t> Increment(absl::string_view key, int64_t delta);
  absl::StatusOr<int64_t> Decrement(absl::string_view key, int64_t delta);

  // Removes the key if it has the value `expected`. kNotFound; kAborted if it
  // has another.
  absl::Status CompareAndRemove(absl::string_view key, int64_t expected);

  // Removes the key, and returns the value that it had; tries again while
  // others change it. kNotFound.
  absl::StatusOr<int64_t> Remove(absl::string_view key);

  // Removes every key.
  absl::Status Clear();

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
  std::unique_ptr<Stream<CounterMapEvent>> Events(absl::string_view key);

  // Every entry that there is, then each change as it happens. Costs the server
  // nothing to keep; what is missed while the connection is broken is made good
  // by a new listing. Remembers the value of every key.
  std::unique_ptr<Stream<CounterMapUpdate>> Watch();

  // The session no longer uses the map, which stays with all entries.
  absl::Status Close();

 private:
  struct Rep;
  explicit CounterMap(std::shared_ptr<Rep> rep);

  std::shared_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_COUNTERMAP_H_
