// Session is a client's place in one partition: the server remembers it,
// applies each of its commands once however often they are sent, and holds what
// it acquires (locks, candidacies, event streams) until it is closed or has not
// been heard of for its timeout.
//
//   client::Connection connection({.server = "127.0.0.1:5678"});
//   auto session = client::Session::Open(connection, {});
//   if (!session.ok()) ...
//   auto counter = client::Counter::Open(**session, "visits");
//   ...
//   (*session)->Close();
//
// A background thread keeps the session alive, every quarter of its timeout.
// While the server is away, calls and streams are tried again with the same
// numbers, so nothing is done twice and no event is missed; a session that was
// alive before the outage is alive after it. If the server says all the same
// that the session is gone, every call and stream of it ends at once with an
// error that IsSessionLost, and on_lost is called. Open a new session then.
//
// Thread-safe. Outlives the primitives and streams that were opened with it; a
// session that a shared_ptr owns is kept by them.

#ifndef CLIENT_SESSION_H_
#define CLIENT_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "client/connection.h"
#include "client/request_tracker.h"

namespace client {

class Call;

struct SessionOptions {
  uint32_t partition = 1;

  // The server may end the session when it has heard nothing for this long.
  absl::Duration timeout = absl::Seconds(60);

  // False: no background thread; the owner calls KeepAlive.
  bool keep_alive = true;

  // Called once when the session turns out to be gone, on any thread, no lock
  // held. Must not destroy the session.
  std::function<void(const absl::Status& why)> on_lost;
};

struct AttachOptions {
  uint32_t partition = 1;

  // The timeout that the session was opened with: sets the pace of KeepAlives.
  absl::Duration timeout = absl::Seconds(60);

  bool keep_alive = true;

  // The number of the first request. A number that was used before gets the
  // answer of its first use.
  uint64_t first_sequence = 1;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Opens a new session. If the answer is lost on the way the call is repeated,
  // and the session that nobody knows of expires.
  static absl::StatusOr<std::unique_ptr<Session>> Open(
      Connection& connection, const SessionOptions& options);

  // A handle on a session that someone opened elsewhere. Its KeepAlives only
  // refresh the timeout: what the server may forget is the owner's to say. Asks
  // nothing: if there is no such session, the first call says so.
  static std::unique_ptr<Session> Attach(Connection& connection, uint64_t id,
                                         const AttachOptions& options);

  // Cancels what runs. A session that was not closed stays on the server until
  // its timeout.
  ~Session();

  // Ends the session: cancels what runs, stops the background thread, tells the
  // server. OK also if it was closed or lost before.
  absl::Status Close();

  // Refreshes the timeout now. The background thread does this by itself.
  absl::Status KeepAlive();

  uint64_t id() const { return id_; }
  uint32_t partition() const { return partition_; }
  absl::Duration timeout() const;
  Connection& connection() { return connection_; }

  // OK while calls can be made; then why not.
  absl::Status status() const;

  // The time on the connection's timer until which the session lives for sure,
  // whatever becomes of servers and connections: its timeout from when the last
  // KeepAlive that was answered was sent. It may live longer, but what must not
  // go on without the session (who holds a lock, say) stops then. Of an
  // attached session: as if it had been refreshed when it was attached.
  int64_t SureUntilNanos() const;

 private:
  friend class Request;
  enum class Kind { kOwned, kAttached };
  enum class State { kOpen, kClosed, kLost };

  Session(Connection& connection, Kind kind, uint64_t id, uint32_t partition,
          absl::Duration timeout, uint64_t last_sequence, int64_t opened_ns,
          std::function<void(const absl::Status&)> on_lost);

  void StartKeepAlives();
  void StopKeepAlives();
  void KeepAliveLoop();
  absl::Status KeepAliveUntil(int64_t deadline_ns);
  int64_t period_ns() const { return timeout_ns_ / 4; }

  // For Request: its number (the call is cancelled with the session from here
  // on), what it has received, and the index that its queries wait for.
  absl::StatusOr<uint64_t> Start(Call& call);
  void Received(uint64_t sequence, uint64_t output);
  void Finish(uint64_t sequence, Call& call);
  void Observe(uint64_t index);
  uint64_t observed_index() const;

  // The server says that there is no such session. Returns what its calls
  // return from now on.
  absl::Status Lose(const absl::Status& answer);
  void EndLocked(State state, absl::Status why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Connection& connection_;  // Constant after construction.
  const Kind kind_;
  const uint64_t id_;
  const uint32_t partition_;
  const int64_t timeout_ns_;
  const std::function<void(const absl::Status&)> on_lost_;

  std::thread keep_alives_;  // Not joinable if there is none.

  mutable base::Mutex mu_;  // Held briefly; before any Call's.
  base::CondVar changed_;   // State, stopping_ or due_ns_.
  State state_ ABSL_GUARDED_BY(mu_) = State::kOpen;
  absl::Status ended_ ABSL_GUARDED_BY(mu_);  // OK while kOpen.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t due_ns_ ABSL_GUARDED_BY(mu_);        // Of the next KeepAlive.
  int64_t refreshed_ns_ ABSL_GUARDED_BY(mu_);  // The last answered one's start.
  uint64_t observed_index_ ABSL_GUARDED_BY(mu_);
  RequestTracker requests_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<Call*> calls_ ABSL_GUARDED_BY(mu_);  // Under way.
};

}  // namespace client

#endif  // CLIENT_SESSION_H_
