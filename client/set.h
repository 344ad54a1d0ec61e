// Set is a set of text elements, shared by many clients and durable.
//
//   ASSIGN_OR_RETURN(auto online, client::Set::Open(session, "online"));
//   ASSIGN_OR_RETURN(bool is_new, online.Add("ann", absl::Minutes(5)));
//
// Each call that changes the set changes it once, however often it has to be
// sent. If it fails with IsOutcomeUnknown it has changed it once or not at all.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_SET_H_
#define CLIENT_SET_H_

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

struct SetEvent {
  enum class Kind { kAdded, kRemoved };
  Kind kind = Kind::kAdded;
  std::string element;
  bool expired = false;  // kRemoved by its time to live.
};

// What a watch brings.
struct SetUpdate {
  enum class Kind {
    kElement,  // The element is in the set.
    kRemoved,  // It was, and is no more.
    // The listing starts over, because the connection broke and changes may
    // have been missed: forget what was seen so far. `element` is empty.
    kRestarted,
  };
  Kind kind = Kind::kElement;
  std::string element;
};

class Set {
 public:
  // Opens the set, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<Set> Open(Session& session, const PrimitiveName& name);

  // The same, spread over the partitions of a cluster. It is created in each
  // when that is first needed, so kPermissionDenied may come from any call.
  static absl::StatusOr<Set> Open(Client& client, const PrimitiveName& name);

  Set(Set&&);
  Set& operator=(Set&&);
  ~Set();

  absl::StatusOr<bool> Contains(absl::string_view element);
  absl::StatusOr<uint32_t> Size();

  // Every element, in bytewise order.
  absl::StatusOr<std::vector<std::string>> List();

  // False: it was there already, and not even its time to live changes. `ttl`
  // is from now on the server's clock; then the element is removed. Nothing: it
  // stays.
  absl::StatusOr<bool> Add(absl::string_view element,
                           std::optional<absl::Duration> ttl);
  absl::StatusOr<bool> Add(absl::string_view element);

  // False: it was not there.
  absl::StatusOr<bool> Remove(absl::string_view element);

  // Removes every element.
  absl::Status Clear();

  // Every change from now on, each once and in order, whatever happens to
  // connections and servers in between. A session that reads too slowly for the
  // server's bounds gets an error here.
  std::unique_ptr<Stream<SetEvent>> Events();

  // Every element that there is, then each change as it happens. Costs the
  // server nothing to keep; what is missed while the connection is broken is
  // made good by a new listing. Remembers every element.
  std::unique_ptr<Stream<SetUpdate>> Watch();

  // The session no longer uses the set, which stays with all elements.
  absl::Status Close();

 private:
  struct Rep;
  explicit Set(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_SET_H_
