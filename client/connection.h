// Connection is the way to one server, or to a partition of a cluster wherever
// that is led: where calls go, and the rules by which they are timed and tried
// again. It connects when first used and again whenever that breaks; nothing
// here blocks or fails.
//
// Most programs want a Client (client.h), which makes its own.
//
// Thread-safe; outlives its sessions.

#ifndef CLIENT_CONNECTION_H_
#define CLIENT_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/random.h"
#include "client/backoff.h"
#include "client/route.h"
#include "client/timer.h"

namespace client {

struct ConnectionOptions {
  // host:port of the server's client API.
  std::string server = "127.0.0.1:5678";

  // How long a call may take, all attempts together. Then it is kUnavailable or
  // kDeadlineExceeded. Streams have no such limit once they are asked for.
  absl::Duration call_timeout = absl::Seconds(15);

  // Called for each attempt that failed and will be repeated after `wait`, on
  // the thread that waits, no lock held. Must not block.
  std::function<void(const absl::Status& failure, absl::Duration wait)>
      on_retry;

  // Null: the machine's clock. Outlives the connection.
  Timer* timer = nullptr;

  // Of the random part of back-off. 0: drawn.
  uint64_t seed = 0;
};

class Connection {
 public:
  // To options.server.
  explicit Connection(ConnectionOptions options);
  // Where `route` says; options.server means nothing.
  Connection(ConnectionOptions options, std::shared_ptr<Route> route);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const ConnectionOptions& options() const { return options_; }
  Timer& timer() { return *timer_; }
  Route& route() { return *route_; }
  // To where an attempt that starts now goes.
  std::shared_ptr<grpc::ChannelInterface> channel() {
    return route_->Pick()->channel();
  }

  // The time on timer() at which a call that starts now has taken too long.
  int64_t CallDeadlineNanos();

  // For one call.
  Backoff NewBackoff();

 private:
  const ConnectionOptions options_;  // Constant after construction.
  Timer* const timer_;
  const std::shared_ptr<Route> route_;

  base::Mutex mu_;
  base::Random random_ ABSL_GUARDED_BY(mu_);
};

}  // namespace client

#endif  // CLIENT_CONNECTION_H_
