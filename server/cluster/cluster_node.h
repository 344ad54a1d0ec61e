// ClusterNode is a node's part in its cluster: how it comes in, whom it knows
// and where they are, what carries messages to them, and who leads what.
//
//   AskToJoin (a node that joins, before anything is on disk)
//   -> Listen: the others can ask -> Enter: it is known how the cluster began,
//      and what partitions follow from that is made -> Begin: they are open
//   -> MeetOthers -> HandOver -> Stop
//
// Of a managed cluster nothing begins by itself: a node listens, and enters
// when a controller first gives it a group, or if it had one before.
//
// Thread-safe where a method says so; the others are the server's, in the order
// above.

#ifndef SERVER_CLUSTER_CLUSTER_NODE_H_
#define SERVER_CLUSTER_CLUSTER_NODE_H_

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <functional>
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
#include "server/cluster/groups.h"
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
  // All outlive this.
  struct Threads {
    partition::Executor& timer;   // The transport's waits.
    partition::Executor& worker;  // What takes longer.
    partition::Executor& loader;  // What waits for the disk.
  };
  ClusterNode(const Options& options, const Threads& threads);
  ~ClusterNode();

  // Of a node that joins: learns how the cluster began.
  absl::Status AskToJoin(const StartHooks& hooks);
  // What came of that; nothing: nobody was asked.
  const std::optional<storage::InitialCluster>& invitation() const {
    return invitation_;
  }

  // Listens for the other nodes, with `services` beside its own, which outlive
  // this.
  absl::Status Listen(const std::vector<grpc::Service*>& services);
  // "127.0.0.1:5679", with the port that was taken. REQUIRES: it listens.
  const std::string& peer_address() const { return peer_server_->address(); }

  // Waits until it is known how the cluster began. Then all that follows from
  // that is in `store`, which outlives this. REQUIRES: it listens.
  absl::Status Enter(storage::Store& store, const StartHooks& hooks);

  // How a node of a managed cluster enters it.
  struct ManagedEntry {
    // Where other nodes reach this one; empty: where they did before.
    std::string peer_address;
    // Where clients do, if that is an address, and not all of them.
    std::string client_address;
    // The cluster's id, if it is known from others (AskForCluster).
    std::string cluster;
  };
  absl::Status EnterManaged(storage::Store& store, const ManagedEntry& entry);

  // The id of the managed cluster of the nodes at `addresses`, which `node` is
  // to join; asks each once. Unavailable: none answers, or has begun.
  // FailedPrecondition: see cluster::AskToJoin; or no controller manages it.
  absl::StatusOr<std::string> AskForCluster(
      const std::vector<std::string>& addresses, base::NodeId node) const;

  // REQUIRES: it listens.
  partition::Transport& transport();

  // The partitions, in a `host` that outlives this, take messages from now on.
  // `on_connection` as in transport::GrpcTransport::Sink.
  using OnConnection = std::function<void(
      const std::string& address, bool carries_images, bool established)>;
  void Begin(partition::Host& host, OnConnection on_connection);

  // Learns of the other nodes, tells them of this one, and spreads leaders,
  // from now on. REQUIRES: the host has started.
  void MeetOthers();

  // Tells the other nodes, and routes(), who leads a partition that is here.
  void WatchLeader(partition::Partition& partition);

  // Who leads what, as far as is known. Lives as long as this.
  transport::Routes& routes() { return routes_; }

  // What controllers may do. REQUIRES, on the loader: begun, unless it says
  // that it is thread-safe.
  Groups& groups() { return groups_; }

  // Every partition of the cluster is here, or somebody is known to lead it.
  bool AllAreReached() const;

  // Who is at `peer_address`? `done` is called once, on any thread, also on
  // this one. FailedPrecondition: one of another cluster, or of none yet;
  // Unavailable, in a few words: there is no answer. Thread-safe.
  void Ask(const std::string& peer_address,
           absl::AnyInvocable<void(absl::StatusOr<KnownNode>) &&> done);

  // An operator wants it to be led here. Thread-safe.
  void KeepLeading(base::PartitionId partition);

  // Which groups have not begun here or are not joined yet, and why.
  // Thread-safe.
  void DescribeWaiting(multiraft::admin::v1::StatusResponse& response) const;
  // What is known of nodes and connections. Thread-safe, once entered.
  void Describe(multiraft::admin::v1::StatusResponse& response) const;

  // Leads nothing new, and gives away what is led here, for so long at most.
  void HandOver(uint64_t timeout_ns);

  // Meets and hears nobody any more: when this returns nothing of the host or
  // the services is called. May be called again.
  void Stop();

 private:
  class IntroduceDoor;

  // See newcomer.h.
  void MeetUnknown(const transport::UnknownReplica& replica);
  // Knows of itself and of the others from now on, and answers them.
  void GetAcquainted(const ClusterSpec& spec, KnownNode self);
  // This node, as others are to know it.
  KnownNode Self() const;
  absl::Status OpenGroups(bool may_begin);
  // Of the members of what is led here: where they say that they are.
  void CorrectAddresses();
  // Tells the transport who is there.
  void NoteNodes();
  bool IsConnected(const KnownNode& node) const;
  void DescribeTransport(multiraft::admin::v1::TransportStatus& status) const;
  std::vector<std::string> NamedAddresses() const;

  const Options options_;
  const Threads threads_;

  std::optional<storage::InitialCluster> invitation_;  // See AskToJoin.
  storage::Store* store_ = nullptr;                    // Once entered.
  partition::Host* host_ = nullptr;                    // Once begun.

  // In the order in which they use each other.
  transport::Routes routes_;
  Groups groups_;
  std::unique_ptr<transport::GrpcTransport> transport_;
  std::unique_ptr<NodeBook> book_;
  std::unique_ptr<Bootstrap> bootstrap_;
  const std::unique_ptr<IntroduceDoor> introduce_door_;
  std::unique_ptr<transport::PeerServer> peer_server_;
  std::unique_ptr<Introductions> introductions_;
  std::unique_ptr<LeaderBalancer> balancer_;
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_CLUSTER_NODE_H_
