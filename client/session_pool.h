// SessionPool is the sessions of a Client, one for each partition: opened when
// first asked for, kept alive, and opened again when asked for after it was
// lost.
//
// Thread-safe. Sessions that were handed out, and what was opened in them, may
// outlive the pool; then they are closed.

#ifndef CLIENT_SESSION_POOL_H_
#define CLIENT_SESSION_POOL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "client/connection.h"
#include "client/session.h"

namespace client {

struct SessionPoolOptions {
  absl::Duration timeout = absl::Seconds(60);
  // False: no background threads.
  bool keep_alive = true;
  // As SessionOptions::on_lost.
  std::function<void(uint32_t partition, const absl::Status& why)> on_lost;
};

class SessionPool {
 public:
  // Partitions count by their position here.
  struct Partition {
    uint32_t id = 0;
    std::shared_ptr<Connection> connection;
  };
  SessionPool(std::vector<Partition> partitions, SessionPoolOptions options);
  ~SessionPool();

  size_t size() const { return slots_.size(); }

  // The session of the partition at `position`, which is open as far as is
  // known. Opens it if there is none: then it may take a call's time.
  // kCancelled: the pool is closed. REQUIRES: position < size().
  absl::StatusOr<std::shared_ptr<Session>> Get(size_t position);

  // Closes every session, side by side, and opens none from now on. Takes a
  // call's time at most, and that of one who is opening a session. Returns the
  // first failure; what could not be closed expires.
  absl::Status Close();

 private:
  struct Slot {
    Partition partition;
    std::shared_ptr<Session> session;  // Null: none yet.
    bool is_opening = false;           // By some thread.
    uint64_t tries = 0;                // That have ended.
    absl::Status failure;              // Of the last one.
  };

  absl::StatusOr<std::shared_ptr<Session>> Open(const Partition& partition);

  const SessionPoolOptions options_;  // Constant after construction.

  base::Mutex mu_;         // Not held across calls.
  base::CondVar changed_;  // Some slot, or closed_.
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Slot> slots_;  // Its size is constant; slots under mu_.
};

}  // namespace client

#endif  // CLIENT_SESSION_POOL_H_
