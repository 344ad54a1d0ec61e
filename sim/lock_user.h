// LockUser is a client that acquires a lock, holds it for a while and releases
// it, again and again. It lets go of what it holds also when it is to begin
// nothing new, so every waiter has its turn; one that has not was forgotten.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_LOCK_USER_H_
#define SIM_LOCK_USER_H_

#include <cstdint>
#include <string>

#include "base/random.h"
#include "session/registry.h"
#include "session/types.h"
#include "sim/client.h"
#include "sim/event_loop.h"
#include "sim/judge.h"
#include "sim/lock_history.h"

namespace sim {

// A lock of the partition, shared by all its users.
struct SharedLock {
  std::string name;
  LockHistory history;
};

class LockUser {
 public:
  struct Options {
    uint64_t think_ns_max = 50 * kMillis;
    uint64_t hold_ns_max = 100 * kMillis;
  };

  // All references must outlive it. The client gives nothing up.
  LockUser(EventLoop& loop, const session::PrimitiveType& type,
           const Options& options, SharedLock& lock, Client& client,
           uint64_t seed, Judge& judge);

  void Start();
  // Begins nothing new.
  void Finish() { finished_ = true; }

 private:
  void Next(session::PrimitiveId id);
  void Acquire(session::PrimitiveId id);
  void Release(session::PrimitiveId id, size_t hold);
  void Read(session::PrimitiveId id);
  void Fail(absl::string_view rpc, const session::Result& result);

  EventLoop& loop_;
  const session::PrimitiveType& type_;
  const Options options_;
  SharedLock& lock_;
  Client& client_;
  base::Random random_;
  Judge& judge_;
  bool finished_ = false;
};

}  // namespace sim

#endif  // SIM_LOCK_USER_H_
