// Counter is a 64-bit number that many clients count on together. It is 0 at
// first, and overflow wraps around.
//
//   ASSIGN_OR_RETURN(auto visits, client::Counter::Open(session, "visits"));
//   ASSIGN_OR_RETURN(int64_t value, visits.Increment(1));
//
// Each call that changes the counter changes it once, however often it has to
// be sent. If it fails with IsOutcomeUnknown it has changed it once or not at
// all.
//
// Thread-safe. The session outlives it; a Client need not.

#ifndef CLIENT_COUNTER_H_
#define CLIENT_COUNTER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/primitive_name.h"
#include "client/session.h"

namespace client {

class Client;

class Counter {
 public:
  // Opens the counter, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<Counter> Open(Session& session,
                                      const PrimitiveName& name);

  // The same in the partition of a cluster that the name belongs to.
  static absl::StatusOr<Counter> Open(Client& client,
                                      const PrimitiveName& name);

  Counter(Counter&&);
  Counter& operator=(Counter&&);
  ~Counter();

  // All return the value they leave behind.
  absl::StatusOr<int64_t> Get();
  absl::StatusOr<int64_t> Set(int64_t value);
  absl::StatusOr<int64_t> Increment(int64_t delta);
  absl::StatusOr<int64_t> Decrement(int64_t delta);

  // Sets the counter to `value` if it is `expected`, else kAborted.
  absl::StatusOr<int64_t> CompareAndSet(int64_t expected, int64_t value);

  // The session no longer uses the counter, which stays.
  absl::Status Close();

 private:
  struct Rep;
  explicit Counter(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_COUNTER_H_
