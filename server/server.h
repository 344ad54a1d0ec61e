// Server is one node: its store, its partitions on their workers, and the
// services that clients call, wired together and stopped in order.
//
// Used on one thread; tests run it in their own process on port 0.

#ifndef SERVER_SERVER_H_
#define SERVER_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/options.h"
#include "server/start_hooks.h"
#include "storage/records.h"

namespace server {

// Of the binary, for people.
inline constexpr char kVersion[] = "0.1.0";

class Server {
 public:
  // Opens the data directory, or makes it with partitions 1 to
  // `options.partitions`, and listens. One sentence says what to do about
  // FailedPrecondition: the port is taken, or the directory is in use or
  // another's; DataLoss: the data is damaged.
  //
  // `on_fatal` is called on any thread, perhaps more than once, when the node
  // cannot go on: nothing more is acknowledged, and the process should end.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Options& options, std::function<void(absl::Status)> on_fatal);

  // The first start of a cluster waits until all its nodes are there, that of a
  // node which joins one until somebody answers.
  // Cancelled: `hooks.stop` said so. FailedPrecondition also if this directory
  // cannot be that of the member (cluster/bootstrap.h).
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Options& options, std::function<void(absl::Status)> on_fatal,
      const StartHooks& hooks);

  // As Stop; then closes the port.
  ~Server();

  // Waits until all partitions here that are not out of service lead or follow
  // a leader; false if they do not in time.
  bool WaitUntilServing(uint64_t timeout_ns) const;

  // Leads nothing new, and hands over what it leads, in half of
  // `options.drain_timeout_ns` at most; refuses new work and ends all streams;
  // gives calls in flight `options.drain_timeout_ns`; stops the partitions;
  // drains and closes the store; joins the workers. May be called again.
  //
  // The port stays open and refuses, as Unavailable, until the process or this
  // object ends: gRPC cancels what reaches a server that shuts down, and
  // drivers take CANCELLED for final.
  void Stop();

  // Whose data this is, as its directory says; nobody's: a managed node that
  // has none yet.
  storage::Identity identity() const;

  // Partitions that have a replica here.
  size_t replicas() const;

  // Of a cluster: how it began.
  const std::optional<storage::InitialCluster>& initial_cluster() const;

  // "127.0.0.1:5678", with the port that was taken.
  const std::string& client_address() const;

  // The same for other nodes. REQUIRES: it is in a cluster.
  const std::string& peer_address() const;

  // Streaming calls that have not ended, of all services.
  size_t open_streams() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace server

#endif  // SERVER_SERVER_H_
