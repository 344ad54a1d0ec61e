// ClusterNode is a node's part in its cluster: how it comes in, whom it knows
// and where they are, what carries messages to them, and who leads what.
//
//   AskToJoin (a node that joins, before anything is on disk)
//   -> Enter: listens for the others, learns how the cluster began, makes what
//      partitions follow from that -> Begin: they are open -> MeetOthers
//   -> HandOver -> Stop
//
// Thread-safe where a method says so; the others are the server's, in the order
// above.

#ifndef SERVER_CLUSTER_CLUSTER_NODE_H_
#define SERVER_CLUSTER_CLUSTER_NODE_H_

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "partition/executor.h"
#include "partition/host.h"
#include "partition/partition.h"
#include "partition/transport.h"
#include "server/cluster/bootstrap.h"
#include "server/cluster/cluster_spec.h"
#include "server/cluster/introductions.h"
#include "server/cluster/leader_balancer.h"
#include "server/cluster/node_book.h"
#include "server/options.h"
#include "server/start_hooks.h"
#include "server/transport/grpc_transport.h"
#include "server/transport/peer_server.h"
#include "server/transport/routes.h"
#include "storage/records.h"
#include "storage/store.h"

namespace server::cluster {

class ClusterNode {
 public:
  // `timer` runs the transport's waits, `worker` what takes longer. All outlive
  // this.
  ClusterNode(const Options& options, partition::Executor& timer,
              partition::Executor& worker);
  ~ClusterNode();

  // Of a node that joins: learns how the cluster began.
  absl::Status AskToJoin(const StartHooks& hooks);
  // What came of that; nothing: nobody was asked.
  const std::optional<storage::InitialCluster>& invitation() const {
    return invitation_;
  }

  // Listens for the other nodes with `services` beside its own, which outlive
  // this, and waits until it is known how the cluster began. Then all that
  // follows from that is in `store`, which outlives this, too.
  absl::Status Enter(storage::Store& store,
                     const std::vector<grpc::Service*>& services,
                     const StartHooks& hooks);

  // REQUIRES: entered.
  partition::Transport& transport();

  // The partitions, in a `host` that outlives this, take messages from now on.
  void Begin(partition::Host& host);

  // Learns of the other nodes, tells them of this one, and spreads leaders,
  // from now on. REQUIRES: the host has started.
  void MeetOthers();

  // Tells the other nodes, and routes(), who leads a partition that is here.
  void WatchLeader(partition::Partition& partition);

  // Who leads what, as far as is known. Lives as long as this.
  transport::Routes& routes() { return routes_; }

  // Every partition of the cluster is here, or somebody is known to lead it.
  bool AllAreReached() const;

  // Who is at `peer_address`? `done` is called once, on any thread, also on
  // this one. FailedPrecondition: one of another cluster, or of none yet;
  // Unavailable, in a few words: there is no answer. Thread-safe.
  void Ask(const std::string& peer_address,
           absl::AnyInvocable<void(absl::StatusOr<KnownNode>) &&> done);

  // An operator wants it to be led here. Thread-safe.
  void KeepLeading(base::PartitionId partition);

  // What is known of nodes and connections. Thread-safe.
  void Describe(multiraft::admin::v1::StatusResponse& response) const;

  // Leads nothing new, and gives away what is led here, for so long at most.
  void HandOver(uint64_t timeout_ns);

  // Meets and hears nobody any more: when this returns nothing of the host or
  // the services is called. May be called again.
  void Stop();

 private:
  // This node, as others are to know it.
  KnownNode Self() const;
  // Waits for the beginning of a cluster that `spec` describes.
  absl::StatusOr<storage::InitialCluster> Await(const StartHooks& hooks);
  // Of the members of what is led here: where they say that they are.
  void CorrectAddresses();
  // Tells the transport who is there.
  void NoteNodes();
  bool IsConnected(const KnownNode& node) const;
  void DescribeTransport(multiraft::admin::v1::TransportStatus& status) const;
  std::vector<std::string> NamedAddresses() const;

  const Options options_;
  partition::Executor& timer_;
  partition::Executor& worker_;

  std::optional<storage::InitialCluster> invitation_;  // See AskToJoin.
  storage::Store* store_ = nullptr;                    // Once entered.
  partition::Host* host_ = nullptr;                    // Once begun.

  // In the order in which they use each other.
  transport::Routes routes_;
  std::unique_ptr<transport::GrpcTransport> transport_;
  std::unique_ptr<NodeBook> book_;
  std::unique_ptr<Bootstrap> bootstrap_;
  std::unique_ptr<transport::PeerServer> peer_server_;
  std::unique_ptr<Introductions> introductions_;
  std::unique_ptr<LeaderBalancer> balancer_;
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_CLUSTER_NODE_H_
