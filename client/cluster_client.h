// Client speaks to a cluster: it is given some of the servers, finds the rest,
// the partitions and who leads them, and goes on when the node that it speaks
// to dies, or another one leads.
//
//   ASSIGN_OR_RETURN(auto client, client::Client::Connect(
//                                     {"10.0.0.1:5678", "10.0.0.2:5678"}, {}));
//   ASSIGN_OR_RETURN(auto users, client::Map::Open(*client, "users"));
//   ASSIGN_OR_RETURN(auto put, users.Put("ann", "admin"));
//
// Where things are. A cluster has a fixed number of partitions, and each of
// them is a world of its own. What belongs to a primitive is spread over them
// by the hash (FNV-1a, 32 bits, modulo their number) of
//
//   the key       for Map, CounterMap and MultiMap
//   the element   for Set
//   the name      for all others: these are in one partition as a whole
//
// which is what the Atomix drivers do. So the entries of one map are in all
// partitions: what concerns one key is as with one partition, and what concerns
// several is said at the functions.
//
// Sessions. The client opens a session (session.h) in each partition that it
// comes to need, keeps it alive, and opens a new one when it was lost. Losing
// one is rare: every node of a majority was out of reach for the timeout. But
// what the session held is gone then, so:
//   - on_session_lost is called;
//   - a call that was under way in it runs in the new one if it was surely not
//     done in the old one, else it fails with IsOutcomeUnknown;
//   - Events end with IsSessionLost, since what happened meanwhile is not
//     known; a Watch goes on, with all there is, after kRestarted;
//   - a LockGuard or Leadership is over: its Check says IsSessionLost.
//
// Time. A request takes call_timeout at most, all attempts together. Most calls
// are one request; the first in a partition or a new session is up to three
// (open the session, open the primitive, the request itself), and what concerns
// all partitions, such as Map::Size, does so in one after the other. What waits
// on purpose (Lock::Acquire) takes its own limit besides. Streams have no end
// in time: Cancel them.
//
// Thread-safe. What was opened with it may outlive it, and then says
// kCancelled. No global state: any number of clients live side by side.

#ifndef CLIENT_CLUSTER_CLIENT_H_
#define CLIENT_CLUSTER_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session.h"
#include "client/session_pool.h"
#include "client/timer.h"
#include "client/topology.h"

namespace client {

struct ClientOptions {
  // How long the cluster keeps what a session holds without hearing of it.
  absl::Duration session_timeout = absl::Seconds(60);

  // How long a call may take, all attempts together.
  absl::Duration call_timeout = absl::Seconds(15);

  // A session was lost; the next call in its partition opens another. On any
  // thread, no lock held. Must not block, nor destroy the client.
  std::function<void(uint32_t partition, const absl::Status& why)>
      on_session_lost;

  // An attempt failed and is repeated after `wait`. On the thread that waits,
  // no lock held. Must not block.
  std::function<void(const absl::Status& failure, absl::Duration wait)>
      on_retry;

  // Null: the machine's clock. Outlives the client and all of it.
  Timer* timer = nullptr;

  // Of what is random (back-off, which server first). 0: drawn.
  uint64_t seed = 0;
};

class Client {
 public:
  // `servers` are host:port of one or more nodes of the cluster; the more of
  // them, the fewer need to be up now. kUnavailable: none told what partitions
  // there are within the call timeout. kInvalidArgument: no servers.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(
      const std::vector<std::string>& servers, ClientOptions options);

  // Closes the sessions, as far as that works in the call timeout: locks and
  // candidacies go to the next in line at once.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The same, and says the first failure. What is not closed expires.
  absl::Status Close();

  // Ids of the partitions, ascending.
  const std::vector<uint32_t>& partitions() const { return partitions_; }

  // The id of the partition that a key, element or name belongs to.
  uint32_t PartitionOf(absl::string_view key) const;

  // The client's session in a partition, opened if there is none. To open a
  // primitive in one partition by hand: Map::Open(*session, "users").
  // kNotFound: there is no such partition.
  absl::StatusOr<std::shared_ptr<Session>> SessionIn(uint32_t partition);

  // host:port of the server that leads a partition, as far as the client knows;
  // "": nobody.
  std::string LeaderOf(uint32_t partition) const;

  // For the primitives.
  const std::shared_ptr<SessionPool>& pool() const { return pool_; }

 private:
  Client(std::shared_ptr<Topology> topology, std::vector<uint32_t> partitions,
         const ClientOptions& options);

  const std::shared_ptr<Topology> topology_;  // Constant after construction.
  const std::vector<uint32_t> partitions_;
  const std::shared_ptr<SessionPool> pool_;
};

}  // namespace client

#endif  // CLIENT_CLUSTER_CLIENT_H_
