#include "server/cluster/cluster_node.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "server/cluster/hand_over.h"
#include "server/cluster/initial_partitions.h"
#include "server/cluster/join.h"
#include "server/cluster/moved_members.h"
#include "server/cluster/newcomer.h"
#include "server/transport/counters.h"

namespace server::cluster {
namespace {

// How long a node that is to become a member may take to say who it is.
constexpr uint64_t kAskTimeoutNs = 3'000'000'000;

// What is known of a cluster that has begun.
ClusterSpec SpecOf(const storage::InitialCluster& initial,
                   const std::string& name) {
  ClusterSpec spec{.name = name,
                   .partitions = initial.partitions,
                   .replication = initial.replication};
  for (const storage::InitialMember& member : initial.members) {
    spec.nodes.push_back({.node = member.node,
                          .peer_address = member.peer_address,
                          .api_address = member.api_address});
  }
  return spec;
}

// More than any cluster has partitions; of one whose number nobody knows.
constexpr uint32_t kRoutesMax = 10'000;

// Nodes of one managed cluster know each other by its name.
std::string ManagedClusterId(const std::string& name) {
  return absl::StrCat(name, "-managed");
}

// Where clients reach this node, which listens at `listens`: if that is
// everywhere, then on the host where other nodes reach it.
std::string ClientAddress(const std::string& listens,
                          const std::string& peer_address) {
  const size_t port = listens.rfind(':');
  const std::string host = listens.substr(0, port);
  if (host != "0.0.0.0" && host != "[::]" && !host.empty()) return listens;
  return peer_address.substr(0, peer_address.rfind(':')) + listens.substr(port);
}

}  // namespace

// Answers introductions from when it is known who is here.
class ClusterNode::IntroduceDoor final
    : public ::multiraft::peer::v1::Bootstrap::CallbackService {
 public:
  void Open(Bootstrap& bootstrap) { bootstrap_.store(&bootstrap); }

 private:
  grpc::ServerUnaryReactor* Introduce(
      grpc::CallbackServerContext* context,
      const ::multiraft::peer::v1::IntroduceRequest* request,
      ::multiraft::peer::v1::IntroduceResponse* response) override {
    // Through its base: that is the door it has.
    ::multiraft::peer::v1::Bootstrap::CallbackService* const open =
        bootstrap_.load();
    if (open != nullptr) return open->Introduce(context, request, response);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status(
        grpc::StatusCode::UNAVAILABLE,
        "the node starts, or waits for a controller to give it a group"));
    return reactor;
  }

  std::atomic<Bootstrap*> bootstrap_{nullptr};
};

ClusterNode::ClusterNode(const Options& options, const Threads& threads)
    : options_(options),
      threads_(threads),
      groups_(threads.loader, routes_),
      introduce_door_(std::make_unique<IntroduceDoor>()) {}

ClusterNode::~ClusterNode() = default;

// --- How it comes in --------------------------------------------------------

absl::Status ClusterNode::AskToJoin(const StartHooks& hooks) {
  ASSIGN_OR_RETURN(invitation_,
                   cluster::AskToJoin({.addresses = options_.join,
                                       .cluster_name = options_.cluster_name,
                                       .node = options_.node},
                                      hooks.stop, hooks.on_wait));
  if (invitation_->partitions == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cluster ", invitation_->id,
        " belongs to a controller: start this node with --managed in the place "
        "of --join, and have the controller tell it to join"));
  }
  if (options_.partitions == 0 ||
      options_.partitions == invitation_->partitions) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "cluster ", invitation_->id, " has ", invitation_->partitions,
      " partitions, not ", options_.partitions,
      " (--partitions, which need not be given with --join)"));
}

absl::Status ClusterNode::Listen(const std::vector<grpc::Service*>& services) {
  transport_ = std::make_unique<transport::GrpcTransport>(
      options_.transport, transport::Self{}, threads_.timer,
      base::SystemClock());
  std::vector<grpc::Service*> served = {
      &transport_->service(), introduce_door_.get(), &groups_.founder()};
  served.insert(served.end(), services.begin(), services.end());
  ASSIGN_OR_RETURN(peer_server_,
                   transport::PeerServer::Start(options_.peer_listen,
                                                options_.transport, served));
  return absl::OkStatus();
}

absl::Status ClusterNode::Enter(storage::Store& store,
                                const StartHooks& hooks) {
  store_ = &store;
  ClusterSpec spec{.name = options_.cluster_name,
                   .nodes = options_.cluster,
                   .partitions = options_.partitions,
                   .replication = options_.replication};
  if (!options_.join.empty()) {
    if (!store.initial_cluster().has_value()) {
      if (!invitation_.has_value()) RETURN_IF_ERROR(AskToJoin(hooks));
      RETURN_IF_ERROR(store.SetInitialCluster(*invitation_));
    }
    spec = SpecOf(*store.initial_cluster(), options_.cluster_name);
  }
  if (options_.join.empty() && store.initial_cluster().has_value()) {
    RETURN_IF_ERROR(CheckSaysTheSame(spec, *store.initial_cluster()));
  }
  GetAcquainted(spec, Self());
  ASSIGN_OR_RETURN(const storage::InitialCluster initial,
                   bootstrap_->Run({.force = options_.force_bootstrap},
                                   hooks.stop, hooks.on_wait));
  std::vector<transport::Remote> remotes;
  for (const storage::InitialMember& member : initial.members) {
    remotes.push_back({.node = member.node,
                       .incarnation = member.incarnation,
                       .address = member.peer_address});
  }
  transport_->SetNodes(std::move(remotes));
  routes_.SetPartitions(initial.partitions);
  RETURN_IF_ERROR(
      CreateMissing(InitialPartitions(initial, store.identity()), store));
  return OpenGroups(/*may_begin=*/false);
}

absl::StatusOr<std::string> ClusterNode::AskForCluster(
    const std::vector<std::string>& addresses, base::NodeId node) const {
  std::string waits_for;
  const absl::StatusOr<storage::InitialCluster> found = cluster::AskToJoin(
      {.addresses = addresses,
       .cluster_name = options_.cluster_name,
       .node = node},
      [&] { return !waits_for.empty(); },
      [&](const std::string& what) { waits_for = what; });
  if (absl::IsCancelled(found.status())) {
    return absl::UnavailableError(waits_for);
  }
  RETURN_IF_ERROR(found.status());
  if (found->partitions == 0) return found->id;
  return absl::FailedPreconditionError(
      absl::StrCat("no controller manages cluster ", found->id,
                   ": start this node with --join in the place of --managed"));
}

absl::Status ClusterNode::EnterManaged(storage::Store& store,
                                       const ManagedEntry& entry) {
  store_ = &store;
  KnownNode self{.node = store.identity().node,
                 .incarnation = store.identity().incarnation,
                 .peer_address = entry.peer_address};
  if (store.initial_cluster().has_value()) {
    // Its own word, and nobody else's.
    self.peer_address = store.initial_cluster()->members.front().peer_address;
  }
  if (!options_.advertise_peer.empty()) {
    self.peer_address = options_.advertise_peer;
  }
  self.api_address =
      options_.advertise_api.empty()
          ? ClientAddress(entry.client_address, self.peer_address)
          : options_.advertise_api;
  if (!store.initial_cluster().has_value()) {
    RETURN_IF_ERROR(store.SetInitialCluster(
        {.id = entry.cluster.empty() ? ManagedClusterId(options_.cluster_name)
                                     : entry.cluster,
         .members = {{.node = self.node,
                      .incarnation = self.incarnation,
                      .peer_address = self.peer_address,
                      .api_address = self.api_address}}}));
  }
  GetAcquainted(SpecOf(*store.initial_cluster(), options_.cluster_name), self);
  routes_.SetUnnumbered(kRoutesMax);
  return OpenGroups(/*may_begin=*/true);
}

void ClusterNode::GetAcquainted(const ClusterSpec& spec, KnownNode self) {
  const base::NodeId node = self.node;
  book_ = std::make_unique<NodeBook>(std::move(self), base::SystemClock(),
                                     [this] { NoteNodes(); });
  bootstrap_ = std::make_unique<Bootstrap>(spec, node, *store_);
  bootstrap_->Acquaint(*book_,
                       [this](const auto& node) { return IsConnected(node); });
  introduce_door_->Open(*bootstrap_);
}

absl::Status ClusterNode::OpenGroups(bool may_begin) {
  ASSIGN_OR_RETURN(const auto begun,
                   groups_.Open({.cluster = store_->initial_cluster()->id,
                                 .node = book_->self().node,
                                 .incarnation = book_->self().incarnation,
                                 .api_address = book_->self().api_address,
                                 .may_begin = may_begin},
                                *store_));
  return CreateMissing(begun, *store_);
}

KnownNode ClusterNode::Self() const {
  KnownNode self{.node = options_.node,
                 .incarnation = store_->identity().incarnation,
                 .peer_address = options_.peer_listen,
                 .api_address = options_.listen};
  for (const NodeAddress& node : options_.cluster) {
    if (node.node != options_.node) continue;
    self.peer_address = node.peer_address;
    self.api_address = node.api_address;
  }
  if (!options_.advertise_peer.empty()) {
    self.peer_address = options_.advertise_peer;
  }
  if (!options_.advertise_api.empty()) {
    self.api_address = options_.advertise_api;
  }
  return self;
}

partition::Transport& ClusterNode::transport() { return *transport_; }

void ClusterNode::Begin(partition::Host& host, OnConnection on_connection) {
  host_ = &host;
  transport_->Start({.receiver = host,
                     .on_unknown =
                         [this](const transport::UnknownReplica& replica) {
                           MeetUnknown(replica);
                         },
                     .address = book_->self().peer_address,
                     .self = {.cluster = store_->initial_cluster()->id,
                              .node = book_->self().node,
                              .incarnation = book_->self().incarnation},
                     .routes = &routes_,
                     .on_stranger_leads =
                         [this](base::PartitionId id, raft::ReplicaId leader) {
                           const auto here = host_->Find(id);
                           if (here != nullptr) here->HearOf(leader);
                         },
                     .on_connection = std::move(on_connection)});
  groups_.Begin(host);
}

void ClusterNode::MeetUnknown(const transport::UnknownReplica& replica) {
  const auto here = host_->Find(replica.partition);
  switch (JudgeNewcomer(replica, here != nullptr, routes_)) {
    case Newcomer::kIgnored:
      return;
    case Newcomer::kMade:
      return host_->Create(replica.partition, replica.to, nullptr);
    case Newcomer::kAsked:
      return here->HearOf(replica.from);
  }
}

// --- Whom it knows ----------------------------------------------------------

void ClusterNode::MeetOthers() {
  introductions_ = std::make_unique<Introductions>(
      Introductions::Options{.cluster = store_->initial_cluster()->id,
                             .cluster_name = options_.cluster_name},
      *book_, threads_.worker);
  introductions_->Start([this] { return NamedAddresses(); },
                        [this] {
                          NoteNodes();
                          CorrectAddresses();
                        });
  if (!options_.balance_leaders) return;
  balancer_ = std::make_unique<LeaderBalancer>([this] { return host_->All(); },
                                               threads_.worker);
  balancer_->Start();
}

std::vector<std::string> ClusterNode::NamedAddresses() const {
  std::vector<std::string> addresses = options_.join;
  for (const NodeAddress& node : options_.cluster) {
    addresses.push_back(node.peer_address);
  }
  for (const storage::InitialMember& member :
       store_->initial_cluster()->members) {
    addresses.push_back(member.peer_address);
  }
  for (const transport::PeerState& peer : transport_->peers()) {
    addresses.push_back(peer.remote.address);
  }
  return addresses;
}

void ClusterNode::CorrectAddresses() {
  for (const auto& one : host_->All()) {
    if (!one->serving()) continue;
    one->GetStatus([partition = one,
                    known = book_->All()](partition::PartitionStatus&& status) {
      auto moved = MovedMember(status.configuration, known);
      if (!moved.has_value()) return;
      LOG(INFO) << "partition " << status.id << ": node " << moved->node
                << " is at " << moved->member.peer_address << " and "
                << moved->member.api_address << " now";
      // What does not work out is tried again at the next round.
      partition->ChangeMembers(*std::move(moved), [](const auto&) {});
    });
  }
}

void ClusterNode::NoteNodes() {
  std::vector<transport::Remote> remotes;
  for (const NodeBook::Heard& heard : book_->All()) {
    remotes.push_back({.node = heard.node.node,
                       .incarnation = heard.node.incarnation,
                       .address = heard.node.peer_address});
  }
  transport_->SetNodes(std::move(remotes));
}

bool ClusterNode::IsConnected(const KnownNode& node) const {
  const std::vector<transport::PeerState> peers = transport_->peers();
  return std::any_of(peers.begin(), peers.end(), [&](const auto& peer) {
    return peer.connected && peer.remote.node == node.node &&
           peer.remote.incarnation == node.incarnation;
  });
}

void ClusterNode::Ask(
    const std::string& peer_address,
    absl::AnyInvocable<void(absl::StatusOr<KnownNode>) &&> done) {
  if (peer_address == book_->self().peer_address) {
    return std::move(done)(book_->self());
  }
  introductions_->Ask(
      peer_address, kAskTimeoutNs,
      [done = std::move(done)](
          absl::StatusOr<::multiraft::peer::v1::IntroduceResponse>
              answer) mutable {
        if (!answer.ok()) return std::move(done)(answer.status());
        if (answer->nodes().empty()) {
          return std::move(done)(absl::FailedPreconditionError(
              "that node waits for a cluster to begin; one that is to join "
              "this one is started with --join"));
        }
        const auto& node = answer->nodes(0);
        std::move(done)(KnownNode{.node = base::NodeId(node.node()),
                                  .incarnation = node.incarnation(),
                                  .peer_address = node.peer_address(),
                                  .api_address = node.api_address()});
      });
}

// --- Who leads --------------------------------------------------------------

void ClusterNode::WatchLeader(partition::Partition& partition) {
  partition.AddLeaderListener(
      [this, id = partition.id()](const partition::LeaderInfo& info) {
        if (info.leader == raft::ReplicaId(0)) {
          return routes_.Forget(id, info.term);
        }
        // A new replica hears its leader before it learns where that is; what
        // other nodes told holds.
        if (info.peer_address.empty()) return;
        transport::Route route{.partition = id,
                               .term = info.term,
                               .leader = info.leader,
                               .node = info.leader_node,
                               .peer_address = info.peer_address,
                               .api_address = info.api_address};
        if (info.is_self) {
          // The configuration may be behind.
          route.peer_address = book_->self().peer_address;
          route.api_address = book_->self().api_address;
        }
        routes_.Learn(route);
        if (info.is_self) transport_->Announce(route);
      });
}

bool ClusterNode::AllAreReached() const {
  for (uint32_t i = 1; i <= store_->initial_cluster()->partitions; ++i) {
    const base::PartitionId id(i);
    if (host_->Find(id) == nullptr && !routes_.Find(id).has_value()) {
      return false;
    }
  }
  return true;
}

void ClusterNode::KeepLeading(base::PartitionId partition) {
  if (balancer_ != nullptr) balancer_->Keep(partition);
}

void ClusterNode::HandOver(uint64_t timeout_ns) {
  if (balancer_ != nullptr) balancer_->Stop();
  // What others hand it from here on it does not take.
  for (const auto& partition : host_->All()) partition->Retire();
  HandOverAll(host_->All(), timeout_ns);
}

// --- Stop -------------------------------------------------------------------

void ClusterNode::Stop() {
  if (balancer_ != nullptr) balancer_->Stop();
  groups_.Stop();
  if (introductions_ != nullptr) introductions_->Stop();
  if (transport_ != nullptr) transport_->Stop();
  peer_server_ = nullptr;  // Before the services that it has.
}

// --- For people -------------------------------------------------------------

void ClusterNode::DescribeWaiting(
    ::multiraft::admin::v1::StatusResponse& response) const {
  for (const auto& [id, waits_for] : groups_.waiting()) {
    auto& waiting = *response.add_waiting();
    waiting.set_partition_id(id.value());
    waiting.set_waits_for(waits_for);
  }
}

void ClusterNode::Describe(
    ::multiraft::admin::v1::StatusResponse& response) const {
  if (store_ == nullptr || !store_->initial_cluster().has_value()) return;
  response.set_cluster(store_->initial_cluster()->id);
  response.set_partition_count(options_.managed
                                   ? routes_.Highest().value()
                                   : store_->initial_cluster()->partitions);
  for (const NodeBook::Heard& heard : book_->All()) {
    auto& one = *response.add_nodes();
    one.set_node_id(heard.node.node.value());
    one.set_peer_address(heard.node.peer_address);
    one.set_api_address(heard.node.api_address);
  }
  DescribeTransport(*response.mutable_transport());
}

void ClusterNode::DescribeTransport(
    ::multiraft::admin::v1::TransportStatus& status) const {
  const transport::Counters& counters = transport_->counters();
  status.set_messages_sent(counters.messages_sent.load());
  status.set_frames_sent(counters.frames_sent.load());
  status.set_bytes_sent(counters.bytes_sent.load());
  status.set_messages_received(counters.messages_received.load());
  status.set_frames_received(counters.frames_received.load());
  status.set_streams_opened(counters.streams_opened.load());
  status.set_streams_failed(counters.streams_failed.load());
  for (size_t i = 0; i < transport::kDropReasons; ++i) {
    const auto reason = static_cast<transport::Drop>(i);
    if (counters.dropped(reason) == 0) continue;
    auto& dropped = *status.add_dropped();
    dropped.set_reason(transport::DropName(reason));
    dropped.set_count(counters.dropped(reason));
  }
  for (const transport::PeerState& state : transport_->peers()) {
    auto& peer = *status.add_peers();
    peer.set_node_id(state.remote.node.value());
    peer.set_peer_address(state.remote.address);
    peer.set_connected(state.connected);
    peer.set_queued_bytes(state.queued_bytes);
    peer.set_problem(state.problem);
  }
}

}  // namespace server::cluster
