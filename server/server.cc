#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/wait_until.h"
#include "partition/host.h"
#include "partition/log_retention.h"
#include "partition/transport.h"
#include "primitive/registry.h"
#include "raft/configuration.h"
#include "server/cluster/bootstrap.h"
#include "server/cluster/cluster_spec.h"
#include "server/cluster/hand_over.h"
#include "server/cluster/introductions.h"
#include "server/cluster/join.h"
#include "server/cluster/leader_balancer.h"
#include "server/cluster/moved_members.h"
#include "server/cluster/node_book.h"
#include "server/cluster/placement.h"
#include "server/descriptors.h"
#include "server/disk_space.h"
#include "server/listen.h"
#include "server/quarantine.h"
#include "server/service/admin_service.h"
#include "server/service/authorizer.h"
#include "server/service/forwarder.h"
#include "server/service/gateway.h"
#include "server/service/health_service.h"
#include "server/service/partition_service.h"
#include "server/service/primitive_service.h"
#include "server/service/session_service.h"
#include "server/transport/grpc_transport.h"
#include "server/transport/peer_server.h"
#include "server/transport/routes.h"
#include "server/watchdog.h"
#include "server/worker.h"
#include "storage/store.h"

namespace server {
namespace {

// Clients that ping more often than this are told to calm down.
constexpr int kPingIntervalMs = 10'000;

int Millis(uint64_t ns) {
  return static_cast<int>(std::min<uint64_t>(ns / 1'000'000, 1'000'000'000));
}

// How long a node that is to become a member may take to say who it is.
constexpr uint64_t kAskTimeoutNs = 3'000'000'000;

// A new partition of a node that is alone: one voter, this node.
raft::Configuration SoleVoter(const Options& options, uint64_t incarnation) {
  const raft::ReplicaId self(1);
  return {.voters = {self},
          .members = {{.replica = self,
                       .node = options.node,
                       .incarnation = incarnation,
                       .peer_address = options.peer_listen,
                       .api_address = options.listen}}};
}

// A new partition of a cluster: its replicas are voters 1, 2 ..., the first of
// which should lead.
raft::Configuration InitialConfiguration(
    const storage::InitialCluster& cluster,
    const std::vector<base::NodeId>& nodes) {
  raft::Configuration configuration;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto member =
        std::find_if(cluster.members.begin(), cluster.members.end(),
                     [&](const storage::InitialMember& one) {
                       return one.node == nodes[i];
                     });
    CHECK(member != cluster.members.end());
    const raft::ReplicaId replica(i + 1);
    configuration.voters.push_back(replica);
    configuration.members.push_back({.replica = replica,
                                     .node = member->node,
                                     .incarnation = member->incarnation,
                                     .peer_address = member->peer_address,
                                     .api_address = member->api_address});
  }
  return configuration;
}

// The partitions that a cluster began with on this node. Another data directory
// of one of its first nodes has none: it must not vote for that (U8).
std::map<base::PartitionId, raft::Configuration> InitialPartitions(
    const storage::InitialCluster& cluster, const storage::Identity& self) {
  std::vector<base::NodeId> nodes;
  bool is_initial = false;
  for (const storage::InitialMember& member : cluster.members) {
    nodes.push_back(member.node);
    is_initial |=
        member.node == self.node && member.incarnation == self.incarnation;
  }
  std::map<base::PartitionId, raft::Configuration> partitions;
  if (!is_initial) return partitions;
  for (const cluster::Placement& placement :
       cluster::Place(nodes, cluster.partitions, cluster.replication)) {
    if (std::find(placement.nodes.begin(), placement.nodes.end(), self.node) !=
        placement.nodes.end()) {
      partitions[placement.partition] =
          InitialConfiguration(cluster, placement.nodes);
    }
  }
  return partitions;
}

// What is known of a cluster that has begun.
cluster::ClusterSpec SpecOf(const storage::InitialCluster& initial,
                            const std::string& name) {
  cluster::ClusterSpec spec{.name = name,
                            .partitions = initial.partitions,
                            .replication = initial.replication};
  for (const storage::InitialMember& member : initial.members) {
    spec.nodes.push_back({.node = member.node,
                          .peer_address = member.peer_address,
                          .api_address = member.api_address});
  }
  return spec;
}

// Makes the partitions that are missing: all of them at the first start, and
// those a crash left over.
absl::Status CreatePartitions(
    const std::map<base::PartitionId, raft::Configuration>& wanted,
    storage::Store& store) {
  ASSIGN_OR_RETURN(const std::vector<base::PartitionId> present,
                   store.ListPartitions());
  const std::set<base::PartitionId> known(present.begin(), present.end());
  for (const auto& [id, configuration] : wanted) {
    // Nor is one that was taken away made again.
    if (known.contains(id) || store.DroppedReplica(id) != raft::ReplicaId{0}) {
      continue;
    }
    RETURN_IF_ERROR(store.CreatePartition(id, configuration));
  }
  return absl::OkStatus();
}

bool AllServeThatCan(const partition::Host& host) {
  const auto all = host.All();
  return std::all_of(all.begin(), all.end(), [](const auto& one) {
    return one->available() || one->out_of_service() || one->paused();
  });
}

}  // namespace

struct Server::Impl {
  Impl(const Options& options, std::function<void(absl::Status)> on_fatal)
      : options(options),
        on_fatal(std::move(on_fatal)),
        started_ns(base::SystemClock().MonotonicNanos()) {}

  bool in_cluster() const { return options.in_cluster(); }

  // Of a node that joins: learns how the cluster began, before anything is made
  // on disk.
  absl::Status AskToJoin(const StartHooks& hooks);
  absl::Status OpenStore();
  void StartWorkers();
  // Of a cluster: listens for the other nodes, and waits until it is known how
  // the cluster began.
  absl::Status EnterCluster(const StartHooks& hooks);
  // Learns of the other nodes, and tells them of this one, from now on.
  void MeetOthers();
  // Of the members of what is led here: where they say that they are.
  void CorrectAddresses();
  // Tells the transport who is there.
  void NoteNodes();
  bool IsConnected(const cluster::KnownNode& node) const;
  absl::Status CreateSolePartitions();
  absl::Status OpenHost();
  // This node, as others are to know it.
  cluster::KnownNode Self() const;
  // Every partition of the cluster is here or somebody is known to lead it.
  bool AllAreReached() const;
  void MakeServices();
  // The services that clients call, behind `door`.
  static std::vector<std::unique_ptr<service::RawService>> ServicesBehind(
      service::Gateway& door);
  std::unique_ptr<service::RawService> AdminBehind(service::Gateway& door);
  // Who is there, for an operator who makes it a member.
  void Ask(
      const std::string& peer_address,
      absl::AnyInvocable<void(absl::StatusOr<service::NodeIdentity>) &&> done);
  service::Directory MakeDirectory();
  // Tells the other nodes, and the forwarder, who leads a partition here.
  void WatchLeader(partition::Partition& partition);
  absl::Status Listen();
  void Describe(::multiraft::admin::v1::StatusResponse& response) const;
  void DescribeDisk(::multiraft::admin::v1::DiskStatus& disk) const;
  void DescribeTransport(::multiraft::admin::v1::TransportStatus& status) const;
  void Stop();
  // Waits until unary calls have ended, or for `options.drain_timeout_ns`.
  void Drain() const;

  // Waits until the workers have run what was posted so far.
  void FlushWorkers();

  const Options options;
  const std::function<void(absl::Status)> on_fatal;
  const int64_t started_ns;
  bool stopped = false;

  std::optional<storage::InitialCluster> invitation;  // See AskToJoin.

  // In the order in which they use each other; destroyed from the end.
  service::AllowAll authorizer;
  std::unique_ptr<storage::Store> store;
  std::unique_ptr<Quarantine> quarantine;
  // They look at the store and at nothing else.
  std::unique_ptr<Watchdog> watchdog;
  partition::DiskGate disk_gate;
  std::unique_ptr<DiskSpace> disk_space;
  // Ticks of all partitions and the transport's waits: nothing that takes long,
  // so that no partition holds up the heartbeats of another (P54).
  Worker timer{"timer", base::SystemClock()};
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Worker> loader;       // Of partitions that come and go.
  partition::NoTransport no_transport;  // Of a node that is alone.
  std::unique_ptr<transport::GrpcTransport> transport;
  std::unique_ptr<cluster::NodeBook> book;
  std::unique_ptr<cluster::Bootstrap> bootstrap;
  // What other nodes pass on comes in by a door and services of its own, and
  // goes no further.
  transport::Routes routes;
  std::unique_ptr<service::Forwarder> forwarder;
  std::unique_ptr<service::Gateway> peer_gateway;
  std::vector<std::unique_ptr<service::RawService>> peer_services;
  std::unique_ptr<transport::PeerServer> peer_server;
  std::unique_ptr<partition::Host> host;
  std::atomic<partition::Host*> open_host{nullptr};  // Once it is complete.
  std::unique_ptr<cluster::Introductions> introductions;
  std::unique_ptr<cluster::LeaderBalancer> balancer;
  std::unique_ptr<service::Gateway> gateway;
  std::vector<std::unique_ptr<service::RawService>> services;
  std::unique_ptr<grpc::Server> grpc_server;
  std::string client_address;
};

absl::Status Server::Impl::AskToJoin(const StartHooks& hooks) {
  ASSIGN_OR_RETURN(invitation,
                   cluster::AskToJoin({.addresses = options.join,
                                       .cluster_name = options.cluster_name,
                                       .node = options.node},
                                      hooks.stop, hooks.on_wait));
  if (options.partitions == 0 || options.partitions == invitation->partitions) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("cluster ", invitation->id, " has ", invitation->partitions,
                   " partitions, not ", options.partitions,
                   " (--partitions, which need not be given with --join)"));
}

absl::Status Server::Impl::OpenStore() {
  ASSIGN_OR_RETURN(store,
                   storage::Store::Open(
                       {.directory = options.data_dir,
                        .identity = {.cluster = options.cluster_name,
                                     .node = options.node,
                                     .mode = in_cluster() ? "static" : "single",
                                     .partitions = invitation.has_value()
                                                       ? invitation->partitions
                                                       : options.partitions},
                        .on_fatal = on_fatal,
                        .reserve_file_bytes = options.disk_reserve_bytes / 3}));
  quarantine = Quarantine::Open(options.data_dir, BinaryFingerprint());
  if (options.disk_hang_timeout_ns != 0) {
    watchdog = std::make_unique<Watchdog>(
        options.disk_hang_timeout_ns, base::SystemClock(),
        [this] { return store->oldest_io_started_ns(); }, EndHungProcess);
  }
  // So much that setting it aside is no reason to refuse commands.
  const uint64_t plenty = options.disk_reserve_bytes / 8 * 9;
  store->KeepReserve(plenty);
  disk_space = std::make_unique<DiskSpace>(
      options.disk_reserve_bytes,
      [this] { return FreeBytes(options.data_dir); },
      [this, plenty](const DiskSpace::State& state) {
        if (!state.low) store->KeepReserve(plenty);
        disk_gate.Set(state.low, state.free_bytes, state.reserve_bytes);
        LOG(WARNING) << (state.low ? "the disk is almost full: "
                                   : "the disk has space again: ")
                     << state.free_bytes << " bytes free, reserve "
                     << state.reserve_bytes << " (--disk_reserve)";
      });
  return absl::OkStatus();
}

absl::Status Server::Impl::CreateSolePartitions() {
  const raft::Configuration configuration =
      SoleVoter(options, store->identity().incarnation);
  std::map<base::PartitionId, raft::Configuration> wanted;
  for (uint32_t i = 1; i <= options.partitions; ++i) {
    wanted[base::PartitionId(i)] = configuration;
  }
  return CreatePartitions(wanted, *store);
}

absl::Status Server::Impl::EnterCluster(const StartHooks& hooks) {
  cluster::ClusterSpec spec{.name = options.cluster_name,
                            .nodes = options.cluster,
                            .partitions = options.partitions,
                            .replication = options.replication};
  if (!options.join.empty()) {
    if (!store->initial_cluster().has_value()) {
      if (!invitation.has_value()) RETURN_IF_ERROR(AskToJoin(hooks));
      RETURN_IF_ERROR(store->SetInitialCluster(*invitation));
    }
    spec = SpecOf(*store->initial_cluster(), options.cluster_name);
  }
  book = std::make_unique<cluster::NodeBook>(Self(), base::SystemClock(),
                                             [this] { NoteNodes(); });
  bootstrap = std::make_unique<cluster::Bootstrap>(spec, options.node, *store);
  bootstrap->Acquaint(*book,
                      [this](const auto& node) { return IsConnected(node); });
  transport = std::make_unique<transport::GrpcTransport>(
      options.transport,
      transport::Self{.node = options.node,
                      .incarnation = store->identity().incarnation},
      timer, base::SystemClock());
  forwarder = std::make_unique<service::Forwarder>(
      routes, options.node, *workers.front(), base::SystemClock());
  peer_gateway = std::make_unique<service::Gateway>(
      options.service, MakeDirectory(), authorizer, *workers.front(),
      base::SystemClock(), service::Door{.for_nodes = true});
  peer_services = ServicesBehind(*peer_gateway);
  peer_services.push_back(AdminBehind(*peer_gateway));
  std::vector<grpc::Service*> served = {&transport->service(), bootstrap.get()};
  for (const auto& service : peer_services) served.push_back(service.get());
  ASSIGN_OR_RETURN(peer_server,
                   transport::PeerServer::Start(options.peer_listen,
                                                options.transport, served));
  ASSIGN_OR_RETURN(const storage::InitialCluster initial,
                   bootstrap->Run({.force = options.force_bootstrap},
                                  hooks.stop, hooks.on_wait));
  std::vector<transport::Remote> remotes;
  for (const storage::InitialMember& member : initial.members) {
    remotes.push_back({.node = member.node,
                       .incarnation = member.incarnation,
                       .address = member.peer_address});
  }
  transport->SetNodes(std::move(remotes));
  routes.SetPartitions(initial.partitions);
  return CreatePartitions(InitialPartitions(initial, store->identity()),
                          *store);
}

cluster::KnownNode Server::Impl::Self() const {
  cluster::KnownNode self{.node = options.node,
                          .incarnation = store->identity().incarnation,
                          .peer_address = options.peer_listen,
                          .api_address = options.listen};
  for (const cluster::NodeAddress& node : options.cluster) {
    if (node.node != options.node) continue;
    self.peer_address = node.peer_address;
    self.api_address = node.api_address;
  }
  if (!options.advertise_peer.empty()) {
    self.peer_address = options.advertise_peer;
  }
  if (!options.advertise_api.empty()) self.api_address = options.advertise_api;
  return self;
}

void Server::Impl::MeetOthers() {
  introductions = std::make_unique<cluster::Introductions>(
      cluster::Introductions::Options{.cluster = store->initial_cluster()->id,
                                      .cluster_name = options.cluster_name},
      *book, *workers.front());
  introductions->Start(
      [this] {
        std::vector<std::string> addresses = options.join;
        for (const cluster::NodeAddress& node : options.cluster) {
          addresses.push_back(node.peer_address);
        }
        for (const storage::InitialMember& member :
             store->initial_cluster()->members) {
          addresses.push_back(member.peer_address);
        }
        for (const transport::PeerState& peer : transport->peers()) {
          addresses.push_back(peer.remote.address);
        }
        return addresses;
      },
      [this] {
        NoteNodes();
        CorrectAddresses();
      });
}

void Server::Impl::CorrectAddresses() {
  for (const auto& one : host->All()) {
    if (!one->serving()) continue;
    one->GetStatus([partition = one,
                    known = book->All()](partition::PartitionStatus&& status) {
      auto moved = cluster::MovedMember(status.configuration, known);
      if (!moved.has_value()) return;
      LOG(INFO) << "partition " << status.id << ": node " << moved->node
                << " is at " << moved->member.peer_address << " and "
                << moved->member.api_address << " now";
      // What does not work out is tried again at the next round.
      partition->ChangeMembers(*std::move(moved), [](const auto&) {});
    });
  }
}

void Server::Impl::NoteNodes() {
  std::vector<transport::Remote> remotes;
  for (const cluster::NodeBook::Heard& heard : book->All()) {
    remotes.push_back({.node = heard.node.node,
                       .incarnation = heard.node.incarnation,
                       .address = heard.node.peer_address});
  }
  transport->SetNodes(std::move(remotes));
}

bool Server::Impl::IsConnected(const cluster::KnownNode& node) const {
  const std::vector<transport::PeerState> peers = transport->peers();
  return std::any_of(peers.begin(), peers.end(), [&](const auto& peer) {
    return peer.connected && peer.remote.node == node.node &&
           peer.remote.incarnation == node.incarnation;
  });
}

bool Server::Impl::AllAreReached() const {
  if (!in_cluster()) return true;
  for (uint32_t i = 1; i <= store->initial_cluster()->partitions; ++i) {
    const base::PartitionId id(i);
    if (host->Find(id) == nullptr && !routes.Find(id).has_value()) return false;
  }
  return true;
}

void Server::Impl::StartWorkers() {
  const uint32_t count =
      options.workers != 0
          ? options.workers
          : std::max<uint32_t>(1, std::thread::hardware_concurrency());
  timer.Start();
  for (uint32_t i = 0; i < count; ++i) {
    workers.push_back(std::make_unique<Worker>(absl::StrCat("worker-", i),
                                               base::SystemClock()));
    workers.back()->Start();
  }
  loader = std::make_unique<Worker>("loader", base::SystemClock(),
                                    Worker::Kind::kAlone);
  loader->Start();
}

absl::Status Server::Impl::OpenHost() {
  partition::Options own = options.partition;
  own.node = options.node;
  own.quarantined = quarantine->held();
  own.on_resumed = [this](base::PartitionId id) { quarantine->Release(id); };
  // This node may come to have a replica of each.
  partition::ShareDisk(
      DiskBytes(options.data_dir),
      in_cluster() ? store->initial_cluster()->partitions : options.partitions,
      own);
  std::vector<partition::Executor*> executors;
  for (const auto& worker : workers) executors.push_back(worker.get());
  partition::Transport* port = &no_transport;
  if (transport != nullptr) port = transport.get();
  ASSIGN_OR_RETURN(
      host, partition::Host::Open(own,
                                  {.clock = base::SystemClock(),
                                   .executors = std::move(executors),
                                   .loader = loader.get(),
                                   .timer = timer,
                                   .store = *store,
                                   .transport = *port,
                                   .registry = primitive::BuiltinRegistry(),
                                   .disk = &disk_gate,
                                   .on_added =
                                       [this](partition::Partition& one) {
                                         if (transport != nullptr) {
                                           WatchLeader(one);
                                         }
                                       }},
                                  base::SecureSeed(), on_fatal));
  if (transport != nullptr) {
    transport->Start({.receiver = *host,
                      .on_unknown =
                          [this](const transport::UnknownReplica& replica) {
                            if (!replica.from_leader) return;
                            host->Create(replica.partition, replica.to,
                                         nullptr);
                          },
                      .address = book->self().peer_address,
                      .cluster = store->initial_cluster()->id,
                      .routes = &routes});
  }
  open_host.store(host.get());
  host->Start();
  if (in_cluster()) MeetOthers();
  if (in_cluster() && options.balance_leaders) {
    balancer = std::make_unique<cluster::LeaderBalancer>(
        [this] { return host->All(); }, *workers.front());
    balancer->Start();
  }
  return absl::OkStatus();
}

service::Directory Server::Impl::MakeDirectory() {
  using Found = std::shared_ptr<partition::Partition>;
  return {.find = [this](base::PartitionId id) -> Found {
            partition::Host* const open = open_host.load();
            return open == nullptr ? nullptr : open->Find(id);
          },
          .all =
              [this] {
                partition::Host* const open = open_host.load();
                return open == nullptr ? std::vector<Found>() : open->All();
              }};
}

std::vector<std::unique_ptr<service::RawService>> Server::Impl::ServicesBehind(
    service::Gateway& door) {
  std::vector<std::unique_ptr<service::RawService>> all;
  all.push_back(std::make_unique<service::PartitionService>(door));
  all.push_back(std::make_unique<service::SessionService>(door));
  for (const session::PrimitiveType& type :
       primitive::BuiltinRegistry().types()) {
    all.push_back(std::make_unique<service::PrimitiveService>(type, door));
  }
  return all;
}

std::unique_ptr<service::RawService> Server::Impl::AdminBehind(
    service::Gateway& door) {
  service::AdminService::Node node{
      .describe = [this](auto& response) { Describe(response); },
      .keep_leading =
          [this](base::PartitionId id) {
            if (balancer != nullptr) balancer->Keep(id);
          }};
  if (in_cluster()) {
    node.ask = [this](const std::string& address, auto done) {
      Ask(address, std::move(done));
    };
  }
  return std::make_unique<service::AdminService>(std::move(node), door);
}

void Server::Impl::Ask(
    const std::string& peer_address,
    absl::AnyInvocable<void(absl::StatusOr<service::NodeIdentity>) &&> done) {
  if (peer_address == book->self().peer_address) {
    const cluster::KnownNode& self = book->self();
    return std::move(done)(
        service::NodeIdentity{.node = self.node,
                              .incarnation = self.incarnation,
                              .peer_address = self.peer_address,
                              .api_address = self.api_address});
  }
  introductions->Ask(
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
        std::move(done)(
            service::NodeIdentity{.node = base::NodeId(node.node()),
                                  .incarnation = node.incarnation(),
                                  .peer_address = node.peer_address(),
                                  .api_address = node.api_address()});
      });
}

void Server::Impl::WatchLeader(partition::Partition& partition) {
  partition.AddLeaderListener(
      [this, id = partition.id()](const partition::LeaderInfo& info) {
        if (info.leader == raft::ReplicaId(0)) {
          return routes.Forget(id, info.term);
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
          route.peer_address = book->self().peer_address;
          route.api_address = book->self().api_address;
        }
        routes.Learn(route);
        if (info.is_self) transport->Announce(route);
      });
}

void Server::Impl::MakeServices() {
  gateway = std::make_unique<service::Gateway>(
      options.service, MakeDirectory(), authorizer, *workers.front(),
      base::SystemClock(), service::Door{.forwarder = forwarder.get()});
  services = ServicesBehind(*gateway);
  services.push_back(AdminBehind(*gateway));
  std::set<std::string> names = {"grpc.health.v1.Health"};
  for (const auto& service : services) names.insert(service->name());
  for (const std::string& name : names) {
    if (!CanDescribe(name)) {
      LOG(WARNING) << "reflection cannot describe " << name;
    }
  }
  services.push_back(
      std::make_unique<service::HealthService>(std::move(names), *gateway));
}

absl::Status Server::Impl::Listen() {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // Otherwise a second server takes half of the connections (measured).
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Millis(options.client_keep_alive_ns));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Millis(options.client_keep_alive_timeout_ns));
  // An open stream may be silent for hours.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(
      GRPC_ARG_MAX_CONCURRENT_STREAMS,
      static_cast<int>(options.streams_per_connection_max));
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.request_bytes_max));
  builder.SetMaxSendMessageSize(-1);
  int port = 0;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(),
                           &port);
  for (const auto& service : services) builder.RegisterService(service.get());
  grpc_server = builder.BuildAndStart();
  if (grpc_server == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", options.listen, " (--listen)"));
  }
  const size_t colon = options.listen.rfind(':');
  client_address = absl::StrCat(options.listen.substr(0, colon), ":", port);
  return absl::OkStatus();
}

void Server::Impl::Describe(
    ::multiraft::admin::v1::StatusResponse& response) const {
  response.set_node_id(options.node.value());
  response.set_version(kVersion);
  response.set_mode(store->identity().mode);
  response.set_data_dir(options.data_dir);
  response.set_data_format(storage::kDataFormat);
  response.set_uptime_ms(static_cast<uint64_t>(
      (base::SystemClock().MonotonicNanos() - started_ns) / 1'000'000));
  DescribeDisk(*response.mutable_disk());
  response.set_incarnation(store->identity().incarnation);
  response.set_partition_count(store->identity().partitions);
  if (!store->initial_cluster().has_value()) return;
  response.set_cluster(store->initial_cluster()->id);
  response.set_partition_count(store->initial_cluster()->partitions);
  for (const cluster::NodeBook::Heard& heard : book->All()) {
    auto& one = *response.add_nodes();
    one.set_node_id(heard.node.node.value());
    one.set_peer_address(heard.node.peer_address);
    one.set_api_address(heard.node.api_address);
  }
  DescribeTransport(*response.mutable_transport());
}

void Server::Impl::DescribeTransport(
    ::multiraft::admin::v1::TransportStatus& status) const {
  const transport::Counters& counters = transport->counters();
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
  for (const transport::PeerState& state : transport->peers()) {
    auto& peer = *status.add_peers();
    peer.set_node_id(state.remote.node.value());
    peer.set_peer_address(state.remote.address);
    peer.set_connected(state.connected);
    peer.set_queued_bytes(state.queued_bytes);
    peer.set_problem(state.problem);
  }
}

void Server::Impl::DescribeDisk(
    ::multiraft::admin::v1::DiskStatus& disk) const {
  disk.set_free_bytes(disk_space->free_bytes());
  disk.set_reserve_bytes(disk_space->reserve_bytes());
  disk.set_fsyncs(store->synced_batches());
  const storage::IoCounters counters = store->io_counters();
  uint64_t written = 0;
  for (uint64_t bytes : counters.bytes_appended) written += bytes;
  disk.set_bytes_written(written);
}

void Server::Impl::FlushWorkers() {
  for (const auto& worker : workers) {
    // Shared: the worker may still be inside set_value when wait returns.
    auto done = std::make_shared<std::promise<void>>();
    worker->Post([done] { done->set_value(); });
    done->get_future().wait();
  }
}

void Server::Impl::Drain() const {
  const auto idle = [](const auto& one) { return one->unary_calls() == 0; };
  base::WaitUntil(
      [&] {
        return std::all_of(services.begin(), services.end(), idle) &&
               std::all_of(peer_services.begin(), peer_services.end(), idle);
      },
      {.timeout_ns = options.drain_timeout_ns});
}

void Server::Impl::Stop() {
  if (std::exchange(stopped, true)) return;
  if (balancer != nullptr) balancer->Stop();
  // While it still serves: a client then meets at most a short transfer. What
  // others hand it from here on it does not take.
  if (gateway != nullptr && in_cluster()) {
    for (const auto& partition : host->All()) partition->Retire();
    cluster::HandOverAll(host->All(), options.drain_timeout_ns / 2);
  }
  if (gateway != nullptr) gateway->Close();
  if (peer_gateway != nullptr) peer_gateway->Close();
  Drain();
  if (forwarder != nullptr) forwarder->Stop();
  if (host != nullptr) {
    host->Stop();
    // The partitions write nothing more behind this.
    FlushWorkers();
  }
  if (loader != nullptr) loader->Stop();
  if (introductions != nullptr) introductions->Stop();
  if (transport != nullptr) transport->Stop();
  if (peer_server != nullptr) peer_server->Stop(0);
  // A close that hangs is still the watchdog's (U14).
  if (store != nullptr) store->Close();
  watchdog = nullptr;
  timer.Stop();
  for (const auto& worker : workers) worker->Stop();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Options& options, std::function<void(absl::Status)> on_fatal) {
  return Start(options, std::move(on_fatal),
               {.stop = [] { return false; },
                .on_wait = [](const std::string& what) { LOG(INFO) << what; }});
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Options& options, std::function<void(absl::Status)> on_fatal,
    const StartHooks& hooks) {
  // Before anything is made on disk.
  RETURN_IF_ERROR(CheckCanListen("listen", options.listen));
  if (options.in_cluster()) {
    RETURN_IF_ERROR(CheckCanListen("peer_listen", options.peer_listen));
  }
  auto impl = std::make_unique<Impl>(options, std::move(on_fatal));
  Impl& parts = *impl;
  // From here on its destructor cleans up whatever was started.
  std::unique_ptr<Server> server(new Server(std::move(impl)));
  if (!options.join.empty() && !storage::Store::Exists(options.data_dir)) {
    RETURN_IF_ERROR(parts.AskToJoin(hooks));
  }
  RETURN_IF_ERROR(parts.OpenStore());
  parts.StartWorkers();
  RETURN_IF_ERROR(parts.in_cluster() ? parts.EnterCluster(hooks)
                                     : parts.CreateSolePartitions());
  RETURN_IF_ERROR(parts.OpenHost());
  parts.MakeServices();
  RETURN_IF_ERROR(parts.Listen());
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  Stop();
  if (impl_->grpc_server == nullptr) return;
  impl_->grpc_server->Shutdown(std::chrono::system_clock::now());
  impl_->grpc_server->Wait();
}

bool Server::WaitUntilServing(uint64_t timeout_ns) const {
  return base::WaitUntil(
      [this] {
        return AllServeThatCan(*impl_->host) && impl_->AllAreReached();
      },
      {.timeout_ns = timeout_ns});
}

void Server::Stop() { impl_->Stop(); }

const std::optional<storage::InitialCluster>& Server::initial_cluster() const {
  return impl_->store->initial_cluster();
}

const std::string& Server::client_address() const {
  return impl_->client_address;
}

size_t Server::open_streams() const { return impl_->gateway->streams().size(); }

}  // namespace server
