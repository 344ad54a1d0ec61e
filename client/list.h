// List is values of any bytes by position, from 0, shared by many clients and
// durable. Every call is cheap, wherever in the list it is.
//
//   ASSIGN_OR_RETURN(auto tracks, client::List::Open(session, "tracks"));
//   RETURN_IF_ERROR(tracks.Append("intro"));
//   RETURN_IF_ERROR(tracks.Insert(0, "silence"));
//   ASSIGN_OR_RETURN(std::string first, tracks.Remove(0));
//
// A position that is not in the list is kInvalidArgument. Others may move items
// between two calls: who takes from a list together with others should take the
// first or the last.
//
// Each call that changes the list changes it once, however often it has to be
// sent. If it fails with IsOutcomeUnknown it has changed it once or not at all.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_LIST_H_
#define CLIENT_LIST_H_

#include <cstdint>
#include <memory>
#include <optional>
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

struct ListEvent {
  enum class Kind {
    kAppended,  // At the end.
    kInserted,  // What was there, and all behind it, moved up.
    kUpdated,
    kRemoved,  // What was behind it moved down.
  };
  Kind kind = Kind::kAppended;
  uint32_t index = 0;
  std::string value;       // The new one; of kRemoved, the removed one.
  std::string prev_value;  // kUpdated: what was replaced.
};

// What a watch brings.
struct ListUpdate {
  enum class Kind {
    // First the items in their order; then of each change where it was, and the
    // value that came or went there. Which of the two, Events tells.
    kItem,
    // The listing starts over, because the connection broke and changes may
    // have been missed: forget what was seen so far.
    kRestarted,
  };
  Kind kind = Kind::kItem;
  uint32_t index = 0;
  std::string value;
};

class List {
 public:
  // Opens the list, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<List> Open(Session& session, const PrimitiveName& name);

  // The same in the partition of a cluster that the name belongs to.
  static absl::StatusOr<List> Open(Client& client, const PrimitiveName& name);

  List(List&&);
  List& operator=(List&&);
  ~List();

  absl::StatusOr<std::string> Get(uint32_t index);
  absl::StatusOr<uint32_t> Size();

  // Every item, in order. One that is there while the list is read is there
  // once, whatever else comes and goes meanwhile.
  absl::StatusOr<std::vector<std::string>> Items();

  // Adds a value at the end.
  absl::Status Append(absl::string_view value);

  // Adds a value before the item at `index`, or at the end if that is the size.
  absl::Status Insert(uint32_t index, absl::string_view value);

  // Replaces the value at `index`.
  absl::Status Set(uint32_t index, absl::string_view value);

  // Removes the item at `index` and returns it.
  absl::StatusOr<std::string> Remove(uint32_t index);

  // Removes every item.
  absl::Status Clear();

  // Every change from now on, each once and in order, whatever happens to
  // connections and servers in between. A session that reads too slowly for the
  // server's bounds gets an error here.
  std::unique_ptr<Stream<ListEvent>> Events();

  // Every item that there is, then each change as it happens. Costs the server
  // nothing to keep; what is missed while the connection is broken is made good
  // by a new listing.
  std::unique_ptr<Stream<ListUpdate>> Watch();

  // The session no longer uses the list, which stays with all items.
  absl::Status Close();

 private:
  struct Rep;
  explicit List(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_LIST_H_
