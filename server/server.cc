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

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/wait_until.h"
#include "partition/host.h"
#include "partition/log_retention.h"
#include "partition/transport.h"
#include "primitive/registry.h"
#include "raft/configuration.h"
#include "server/cluster/cluster_node.h"
#include "server/cluster/groups.h"
#include "server/cluster/initial_partitions.h"
#include "server/cluster/node_book.h"
#include "server/descriptors.h"
#include "server/disk_space.h"
#include "server/listen.h"
#include "server/quarantine.h"
#include "server/service/admin_service.h"
#include "server/service/authorizer.h"
#include "server/service/forwarder.h"
#include "server/service/gateway.h"
#include "server/service/health_service.h"
#include "server/service/node_events.h"
#include "server/service/node_service.h"
#include "server/service/partition_service.h"
#include "server/service/primitive_service.h"
#include "server/service/session_service.h"
#include "server/watchdog.h"
#include "server/worker.h"
#include "storage/group.h"
#include "storage/records.h"
#include "storage/store.h"

namespace server {
namespace {

// Clients that ping more often than this are told to calm down.
constexpr int kPingIntervalMs = 10'000;

// How many partitions share the disk of a managed node, which may get any
// number: what each may keep of its log depends on it.
constexpr uint32_t kManagedPartitions = 64;

int Millis(uint64_t ns) {
  return static_cast<int>(std::min<uint64_t>(ns / 1'000'000, 1'000'000'000));
}

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

  absl::Status StartUnmanaged(const StartHooks& hooks);
  absl::Status StartManaged();
  // As the store of `node`; 0: of whose it is.
  absl::Status OpenStore(base::NodeId node);
  void StartWorkers();
  // Of a managed node: opens what it has, or makes it, as member `node` of its
  // groups (0: as the one that it is), whom others reach at `peer_address`
  // (empty: where they did). Nothing is done if it is open. FailedPrecondition:
  // it is another member, or the directory is another's.
  absl::Status Wake(base::NodeId node, const std::string& peer_address)
      ABSL_LOCKS_EXCLUDED(wake_mu);
  bool is_open() const { return open_host.load() != nullptr; }
  using GroupOperation = void (cluster::Groups::*)(storage::Group,
                                                   service::GroupDone);
  void RunOnGroup(GroupOperation operation, storage::Group group,
                  service::GroupDone done);
  void LeaveGroup(base::PartitionId id, service::GroupDone done);
  service::NodeService::Groups MakeGroups();
  // Of a cluster: the services that other nodes call, and what they pass on.
  std::vector<grpc::Service*> MakePeerServices();
  absl::Status CreateSolePartitions();
  absl::Status OpenHost();
  // A partition is here, and starts next.
  void Welcome(partition::Partition& partition);
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
  absl::Status Listen();
  void Describe(::multiraft::admin::v1::StatusResponse& response) const;
  void DescribeDisk(::multiraft::admin::v1::DiskStatus& disk) const;
  void Stop();
  // Waits until unary calls have ended, or for `options.drain_timeout_ns`.
  void Drain() const;

  // Waits until the workers have run what was posted so far.
  void FlushWorkers();

  const Options options;
  const std::function<void(absl::Status)> on_fatal;
  const int64_t started_ns;
  bool stopped = false;

  base::Mutex wake_mu;  // Held while it wakes, which may take a second.
  bool stopping ABSL_GUARDED_BY(wake_mu) = false;

  // In the order in which they use each other; destroyed from the end.
  service::AllowAll authorizer;
  service::NodeEvents events{base::SystemClock()};
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
  std::unique_ptr<cluster::ClusterNode> cluster;  // Null: it is alone.
  // What other nodes pass on comes in by a door and services of its own, and
  // goes no further.
  std::unique_ptr<service::Forwarder> forwarder;
  std::unique_ptr<service::Gateway> peer_gateway;
  std::vector<std::unique_ptr<service::RawService>> peer_services;
  std::unique_ptr<partition::Host> host;
  std::atomic<partition::Host*> open_host{nullptr};  // Once it is complete.
  std::unique_ptr<service::Gateway> gateway;
  std::vector<std::unique_ptr<service::RawService>> services;
  std::unique_ptr<grpc::Server> grpc_server;
  std::string client_address;
};

absl::Status Server::Impl::OpenStore(base::NodeId node) {
  uint32_t partitions = options.partitions;
  if (in_cluster() && cluster->invitation().has_value()) {
    partitions = cluster->invitation()->partitions;
  }
  ASSIGN_OR_RETURN(
      store, storage::Store::Open(
                 {.directory = options.data_dir,
                  .identity = {.cluster = options.cluster_name,
                               .node = node,
                               .mode = options.managed ? storage::kManagedMode
                                       : in_cluster()  ? storage::kStaticMode
                                                       : storage::kSingleMode,
                               .partitions = partitions},
                  .on_fatal = on_fatal,
                  .on_log_space_freed = [this] { events.LogSpaceFreed(); },
                  .reserve_file_bytes = options.reserve_file_bytes()}));
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
  return cluster::CreateMissing(wanted, *store);
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
  if (!in_cluster()) return;
  cluster = std::make_unique<cluster::ClusterNode>(
      options,
      cluster::ClusterNode::Threads{
          .timer = timer, .worker = *workers.front(), .loader = *loader});
}

absl::Status Server::Impl::OpenHost() {
  partition::Options own = options.partition;
  own.node = store->identity().node;
  own.quarantined = quarantine->held();
  own.on_resumed = [this](base::PartitionId id) { quarantine->Release(id); };
  // This node may come to have a replica of each.
  const uint32_t partitions = options.managed ? kManagedPartitions
                              : in_cluster()
                                  ? store->initial_cluster()->partitions
                                  : options.partitions;
  partition::ShareDisk(DiskBytes(options.data_dir), partitions, own);
  events.SetNode(own.node);
  std::vector<partition::Executor*> executors;
  for (const auto& worker : workers) executors.push_back(worker.get());
  partition::Transport* port = &no_transport;
  if (in_cluster()) port = &cluster->transport();
  ASSIGN_OR_RETURN(
      host,
      partition::Host::Open(
          own,
          {.clock = base::SystemClock(),
           .executors = std::move(executors),
           .loader = loader.get(),
           .timer = timer,
           .store = *store,
           .transport = *port,
           .registry = primitive::BuiltinRegistry(),
           .disk = &disk_gate,
           .on_added = [this](partition::Partition& one) { Welcome(one); },
           .on_removed = [this](base::PartitionId id) { events.Removed(id); },
           .on_event = [this](const auto& event) { events.Happened(event); }},
          base::SecureSeed(), on_fatal));
  if (in_cluster()) {
    cluster->Begin(*host, [this](const std::string& address, bool images,
                                 bool established) {
      events.Connection(address, images, established);
    });
  }
  host->Start();
  if (in_cluster()) cluster->MeetOthers();
  open_host.store(host.get());
  return absl::OkStatus();
}

void Server::Impl::Welcome(partition::Partition& partition) {
  if (in_cluster()) cluster->WatchLeader(partition);
  events.Added(partition.id());
  partition.AddLeaderListener(
      [this, id = partition.id()](const partition::LeaderInfo& info) {
        events.LeaderKnown(id, info);
      });
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

std::vector<grpc::Service*> Server::Impl::MakePeerServices() {
  forwarder = std::make_unique<service::Forwarder>(
      cluster->routes(), options.node, *workers.front(), base::SystemClock(),
      service::OutboundCalls::Bounds{
          .calls_max = options.service.forwarded_calls_max,
          .bytes_max = options.service.forwarded_bytes_max});
  peer_gateway = std::make_unique<service::Gateway>(
      options.service, MakeDirectory(), authorizer, *workers.front(),
      base::SystemClock(), service::Door{.for_nodes = true});
  peer_services = ServicesBehind(*peer_gateway);
  peer_services.push_back(AdminBehind(*peer_gateway));
  std::vector<grpc::Service*> all;
  for (const auto& service : peer_services) all.push_back(service.get());
  return all;
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
            if (in_cluster() && is_open()) cluster->KeepLeading(id);
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
  if (!is_open()) {
    return std::move(done)(absl::FailedPreconditionError(
        "this node waits for a controller to give it a group"));
  }
  cluster->Ask(peer_address,
               [done = std::move(done)](
                   absl::StatusOr<cluster::KnownNode> node) mutable {
                 if (!node.ok()) return std::move(done)(node.status());
                 std::move(done)(
                     service::NodeIdentity{.node = node->node,
                                           .incarnation = node->incarnation,
                                           .peer_address = node->peer_address,
                                           .api_address = node->api_address});
               });
}

// --- What a controller may do
// -------------------------------------------------

absl::Status Server::Impl::Wake(base::NodeId node,
                                const std::string& peer_address) {
  base::MutexLock lock(wake_mu);
  if (stopping) return absl::UnavailableError("the server is shutting down");
  if (is_open()) return absl::OkStatus();
  if (options.node != base::NodeId{}) {
    if (node != base::NodeId{} && node != options.node) {
      return absl::FailedPreconditionError(
          absl::StrCat("this node was started as --node=", options.node.value(),
                       ", and is not member ", node.value()));
    }
    node = options.node;
  }
  RETURN_IF_ERROR(OpenStore(node));
  forwarder->SetSelf(store->identity().node);
  RETURN_IF_ERROR(cluster->EnterManaged(*store, peer_address, client_address));
  return OpenHost();
}

void Server::Impl::RunOnGroup(GroupOperation operation, storage::Group group,
                              service::GroupDone done) {
  loader->Post([this, operation, group = std::move(group),
                done = std::move(done)]() mutable {
    if (!in_cluster()) {
      return std::move(done)(absl::FailedPreconditionError(
          "this node was started alone; one to which a controller gives groups "
          "is started with --managed"));
    }
    if (!is_open()) {
      const absl::Status awake = Wake(group.self, group.AddressOfSelf());
      if (!awake.ok()) {
        // Half of a node is worse than none.
        if (store != nullptr) on_fatal(awake);
        return std::move(done)(awake);
      }
    }
    (cluster->groups().*operation)(std::move(group), std::move(done));
  });
}

void Server::Impl::LeaveGroup(base::PartitionId id, service::GroupDone done) {
  loader->Post([this, id, done = std::move(done)]() mutable {
    if (!in_cluster()) {
      return std::move(done)(absl::FailedPreconditionError(
          "this node is alone: its partitions are nowhere else"));
    }
    if (is_open()) return cluster->groups().Leave(id, std::move(done));
    std::move(done)(absl::NotFoundError(
        absl::StrCat("this node has no replica of group ", id.value())));
  });
}

service::NodeService::Groups Server::Impl::MakeGroups() {
  return {.bootstrap =
              [this](storage::Group group, service::GroupDone done) {
                RunOnGroup(&cluster::Groups::Bootstrap, std::move(group),
                           std::move(done));
              },
          .join =
              [this](storage::Group group, service::GroupDone done) {
                RunOnGroup(&cluster::Groups::Join, std::move(group),
                           std::move(done));
              },
          .leave =
              [this](base::PartitionId id, service::GroupDone done) {
                LeaveGroup(id, std::move(done));
              }};
}

void Server::Impl::MakeServices() {
  gateway = std::make_unique<service::Gateway>(
      options.service, MakeDirectory(), authorizer, *workers.front(),
      base::SystemClock(), service::Door{.forwarder = forwarder.get()});
  services = ServicesBehind(*gateway);
  services.push_back(AdminBehind(*gateway));
  services.push_back(
      std::make_unique<service::NodeService>(MakeGroups(), events, *gateway));
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
  response.set_version(kVersion);
  response.set_data_dir(options.data_dir);
  response.set_data_format(storage::kDataFormat);
  response.set_uptime_ms(static_cast<uint64_t>(
      (base::SystemClock().MonotonicNanos() - started_ns) / 1'000'000));
  if (!is_open()) {
    response.set_node_id(options.node.value());
    response.set_mode(options.managed ? storage::kManagedMode
                                      : storage::kStaticMode);
    return;
  }
  response.set_node_id(store->identity().node.value());
  response.set_mode(store->identity().mode);
  DescribeDisk(*response.mutable_disk());
  response.set_incarnation(store->identity().incarnation);
  response.set_partition_count(store->identity().partitions);
  if (in_cluster()) cluster->Describe(response);
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
  {
    // One that wakes is awake before it is stopped.
    base::MutexLock lock(wake_mu);
    stopping = true;
  }
  // While it still serves: a client then meets at most a short transfer.
  if (gateway != nullptr && in_cluster() && is_open()) {
    cluster->HandOver(options.drain_timeout_ns / 2);
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
  if (cluster != nullptr) cluster->Stop();
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
  parts.StartWorkers();
  if (!options.join.empty() && !storage::Store::Exists(options.data_dir)) {
    RETURN_IF_ERROR(parts.cluster->AskToJoin(hooks));
  }
  RETURN_IF_ERROR(options.managed ? parts.StartManaged()
                                  : parts.StartUnmanaged(hooks));
  return server;
}

absl::Status Server::Impl::StartUnmanaged(const StartHooks& hooks) {
  RETURN_IF_ERROR(OpenStore(options.node));
  if (in_cluster()) {
    RETURN_IF_ERROR(cluster->Listen(MakePeerServices()));
    RETURN_IF_ERROR(cluster->Enter(*store, hooks));
  } else {
    RETURN_IF_ERROR(CreateSolePartitions());
  }
  RETURN_IF_ERROR(OpenHost());
  MakeServices();
  return Listen();
}

// It listens on both ports before there is anything: controllers look at that.
absl::Status Server::Impl::StartManaged() {
  RETURN_IF_ERROR(cluster->Listen(MakePeerServices()));
  MakeServices();
  RETURN_IF_ERROR(Listen());
  if (!storage::Store::Exists(options.data_dir)) return absl::OkStatus();
  return Wake(base::NodeId{}, "");
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
        return !impl_->is_open() ||
               (AllServeThatCan(*impl_->open_host.load()) &&
                (!impl_->in_cluster() || impl_->cluster->AllAreReached()));
      },
      {.timeout_ns = timeout_ns});
}

void Server::Stop() { impl_->Stop(); }

const std::optional<storage::InitialCluster>& Server::initial_cluster() const {
  static const std::optional<storage::InitialCluster> kNothing;
  return impl_->is_open() ? impl_->store->initial_cluster() : kNothing;
}

storage::Identity Server::identity() const {
  return impl_->is_open() ? impl_->store->identity() : storage::Identity{};
}

size_t Server::replicas() const {
  return impl_->is_open() ? impl_->host->All().size() : 0;
}

const std::string& Server::client_address() const {
  return impl_->client_address;
}

const std::string& Server::peer_address() const {
  return impl_->cluster->peer_address();
}

size_t Server::open_streams() const { return impl_->gateway->streams().size(); }

}  // namespace server
