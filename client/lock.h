// Lock is one lock that many clients share. A session holds it, from the first
// Acquire in line until it is released, or the session ends: so a client that
// dies lets go by itself, when its session's timeout has passed.
//
//   ASSIGN_OR_RETURN(auto lock, client::Lock::Open(session, "printer"));
//   ASSIGN_OR_RETURN(auto held, lock.Acquire({.limit = absl::Seconds(5)}));
//   printer.Print(page, held.fencing_token());
//   // `held` lets go at the end of its scope.
//
// A session may be lost while its client still believes that it holds the lock,
// so whatever the lock protects should refuse a fencing token that is lower
// than one it has seen: tokens grow from holder to holder.
//
// It is not re-entrant: who holds it and asks again waits, in the same session
// too.
//
// Thread-safe. The session outlives it and its guards; a Client need not.

#ifndef CLIENT_LOCK_H_
#define CLIENT_LOCK_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/wait_options.h"

namespace client {

class Client;

// LockGuard is a lock that is held. Destroying it releases the lock, as far as
// that works within the connection's call timeout; if not, the lock goes with
// its session.
//
// Not thread-safe. May outlive the Lock it came from, not its session; a Client
// need not outlive it.
class LockGuard {
 public:
  LockGuard(LockGuard&&);
  LockGuard& operator=(LockGuard&&);
  ~LockGuard();

  // Higher than that of every earlier holder.
  uint64_t fencing_token() const;

  // OK while the session holds the lock, as far as the server knows: asks it.
  // kAborted: it does not any more.
  absl::Status Check();

  // Lets go. kAborted: it was not held any more. OK if it was released before.
  absl::Status Release();

  // The guard goes, and the session keeps the lock.
  void Leave() &&;

 private:
  friend class Lock;
  struct Rep;
  explicit LockGuard(std::unique_ptr<Rep> rep);

  std::unique_ptr<Rep> rep_;  // Null only after a move, Release or Leave.
};

class Lock {
 public:
  // Opens the lock, creating it if there is none. kPermissionDenied: another
  // type of primitive has this name.
  static absl::StatusOr<Lock> Open(Session& session, const PrimitiveName& name);

  // The same in the partition of a cluster that the name belongs to.
  static absl::StatusOr<Lock> Open(Client& client, const PrimitiveName& name);

  Lock(Lock&&);
  Lock& operator=(Lock&&);
  ~Lock();

  // Takes the lock, in the order of those who ask. kAborted: somebody else had
  // it until the limit. If it fails with IsOutcomeUnknown the session may have
  // got it all the same: Release, or close the session.
  absl::StatusOr<LockGuard> Acquire(const WaitOptions& options);

  // Who holds it now, by fencing token. kNotFound: nobody.
  absl::StatusOr<uint64_t> Holder();

  // Lets go of what the session holds, whoever acquired it. kAborted: it holds
  // nothing.
  absl::Status Release();

  // The session no longer uses the lock: what it holds is released, the lock
  // stays.
  absl::Status Close();

 private:
  friend class LockGuard;
  struct Rep;
  explicit Lock(std::shared_ptr<Rep> rep);

  std::shared_ptr<Rep> rep_;  // Null only after a move.
};

}  // namespace client

#endif  // CLIENT_LOCK_H_
