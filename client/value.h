// Value is one value of any bytes, or none, shared by many clients and durable:
// a configuration, say. It has an index: a number that is higher for every
// later change in the partition, so it tells versions apart.
//
//   ASSIGN_OR_RETURN(auto config, client::Value::Open(session, "config"));
//   ASSIGN_OR_RETURN(auto now, config.Get());
//   // Change it only if nobody else has:
//   auto changed = config.Update(next, {.prev_index = now.index});
//   if (absl::IsAborted(changed.status())) ...
//
// Each call that changes the value changes it once, however often it has to be
// sent. If it fails with IsOutcomeUnknown it has changed it once or not at all.
//
// Thread-safe. The session outlives it and its streams; a Client need not.

#ifndef CLIENT_VALUE_H_
#define CLIENT_VALUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/stream.h"

namespace client {

class Client;

struct ValueVersion {
  std::string value;
  uint64_t index = 0;  // Of the command that wrote it.
};

struct ValueWrite {
  // From now on the server's clock; then there is no value. Nothing: it stays.
  std::optional<absl::Duration> ttl;

  // Write only if the present value has this index, else kAborted. 0: always.
  uint64_t prev_index = 0;
};

struct ValueWritten {
  uint64_t index = 0;                // Of the value now.
  std::optional<ValueVersion> prev;  // What was replaced.
};

struct ValueEvent {
  enum class Kind { kCreated, kUpdated, kDeleted };
  Kind kind = Kind::kCreated;
  ValueVersion value;                // The new one; of kDeleted, the old one.
  std::optional<ValueVersion> prev;  // kUpdated.
  bool expired = false;              // kDeleted by its time to live.
};

// What a watch brings.
struct ValueUpdate {
  enum class Kind {
    kValue,    // This is the value, now or again.
    kDeleted,  // It was, and now there is none.
    // The connection broke and changes may have been missed: forget what was
    // seen. If there is a value it follows. `value` is empty.
    kRestarted,
  };
  Kind kind = Kind::kValue;
  ValueVersion value;
};

class Value {
 public:
  // Opens the value, creating the primitive if there is none.
  // kPermissionDenied: another type of primitive has this name.
  static absl::StatusOr<Value> Open(Session& session,
                                    const PrimitiveName& name);

  // The same in the partition of a cluster that the name belongs to.
  static absl::StatusOr<Value> Open(Client& client, const PrimitiveName& name);

  Value(Value&&);
  Value& operator=(Value&&);
  ~Value();

  // kNotFound if there is no value.
  absl::StatusOr<ValueVersion> Get();

  // Writes whether or not there is a value.
  absl::StatusOr<ValueWritten> Set(absl::string_view value,
                                   std::optional<absl::Duration> ttl);

  // Writes if there is none yet, else kAlreadyExists.
  absl::StatusOr<ValueWritten> Insert(absl::string_view value,
                                      std::optional<absl::Duration> ttl);

  // Writes if there is one, else kNotFound.
  absl::StatusOr<ValueWritten> Update(absl::string_view value,
                                      const ValueWrite& how);

  // Deletes the value and returns it. kNotFound; kAborted if `prev_index` is
  // not 0 and the value has another.
  absl::StatusOr<ValueVersion> Delete(uint64_t prev_index);

  // Every change from now on, each once and in order, whatever happens to
  // connections and servers in between. A session that reads too slowly for the
  // server's bounds gets an error here.
  std::unique_ptr<Stream<ValueEvent>> Events();

  // The value that there is, then each change as it happens. Costs the server
  // nothing to keep; what is missed while the connection is broken is made good
  // by what follows kRestarted.
  std::unique_ptr<Stream<ValueUpdate>> Watch();

  // The session no longer uses the value, which stays.
  absl::Status Close();

 private:
  struct Rep;
  explicit Value(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_VALUE_H_
