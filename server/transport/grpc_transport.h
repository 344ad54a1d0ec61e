// GrpcTransport carries the messages of this node's partitions to other nodes
// and back (design: one control stream, S append streams and one image stream
// for each pair and direction, each on a connection of its own).
//
//   Send -> Members: where is it? -> Lane: one frame of all that waits
//     ~~ gRPC ~~> PeerService -> Members: from whom, for whom? -> Receiver
//
// Both ends' identity {cluster, node, incarnation} is checked when a stream
// opens, replicas with each message; the receiver drops what does not match,
// votes included, and counts it by reason (P45).
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_GRPC_TRANSPORT_H_
#define SERVER_TRANSPORT_GRPC_TRANSPORT_H_

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "partition/executor.h"
#include "partition/transport.h"
#include "raft/types.h"
#include "server/transport/counters.h"
#include "server/transport/members.h"
#include "server/transport/options.h"
#include "server/transport/routes.h"

namespace server::transport {

// A message came for a replica that is not here.
struct UnknownReplica {
  base::PartitionId partition;
  raft::ReplicaId to;
  raft::ReplicaId from;
  Remote sender;
  // Only a leader sends such a message: somebody has made `to` a member.
  bool from_leader = false;
  // Another replica of the partition is here, and has `from` as a member that
  // lives there (Members::IsFromMember).
  bool from_member = false;
};

// For people: how a peer is reached.
struct PeerState {
  Remote remote;
  bool connected = false;  // The control stream is open.
  uint64_t queued_bytes = 0;
  std::string problem;  // Empty: none.
};

class GrpcTransport final : public partition::Transport {
 public:
  // `timer` and `clock` must outlive it. Before Start everything is dropped.
  GrpcTransport(const Options& options, const Self& self,
                partition::Executor& timer, base::Clock& clock);
  // REQUIRES: stopped, if it was started.
  ~GrpcTransport() override;

  // The receiving side, for the server on --peer_listen. Lives as long as this.
  grpc::Service& service();

  struct Sink {
    partition::Receiver& receiver;  // Must live until Stop has returned.
    // For each message to a replica that is not here, which is dropped. Called
    // from gRPC's threads; must not block. May be null.
    std::function<void(const UnknownReplica&)> on_unknown;
    // Where others reach this node's peer API.
    std::string address;
    // Who this node is, where that was not known before; a node 0 and an empty
    // cluster are not.
    Self self;
    // Learns what others tell, and what it knows of this node's own leaders is
    // told to each. May be null; else lives as long as the transport.
    Routes* routes = nullptr;
    // A node says that it leads a partition that is here, with a replica that
    // is no member of it, as far as that one knows: now it can be sent to.
    // Called from gRPC's threads; must not block. May be null.
    std::function<void(base::PartitionId, raft::ReplicaId)> on_stranger_leads;
    // A stream to `address` opened, the control stream or that for images; or
    // it broke, or cannot be opened for a new reason. From gRPC's threads; must
    // not block. May be null.
    std::function<void(const std::string& address, bool carries_images,
                       bool established)>
        on_connection;
  };
  // Opens streams and takes what arrives. Once.
  void Start(Sink sink);

  // Ends all streams in both directions; when it returns the receiver is not
  // called any more. Before the gRPC server is shut down, which would wait for
  // the streams. May be called again.
  void Stop();

  // The nodes of the cluster, and where they are now: those without a partition
  // in common with this one are told its routes, too, and tell theirs. What is
  // said here of a node's address counts more than what a partition says, which
  // changes only with a majority.
  void SetNodes(std::vector<Remote> nodes);

  // This node leads a partition: told to all others. A route that gets lost is
  // told again when its stream opens anew.
  void Announce(const Route& route);

  // partition::Transport:
  void SetMembers(base::PartitionId partition, raft::ReplicaId self,
                  std::vector<raft::Member> members) override;
  void Send(base::PartitionId partition,
            std::vector<raft::Message> messages) override;
  void SendImage(base::PartitionId partition,
                 partition::ImageMessage message) override;
  void SendNote(base::PartitionId partition, partition::Note note) override;

  const Counters& counters() const;
  std::vector<PeerState> peers() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;  // The timer may hold it a little longer.
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_GRPC_TRANSPORT_H_
