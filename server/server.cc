#include "server/server.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/wait_until.h"
#include "partition/log_retention.h"
#include "primitive/registry.h"
#include "raft/configuration.h"
#include "server/cluster/initial_partitions.h"
#include "server/listen.h"
#include "server/server.h"
#include "server/server_impl.h"
#include "storage/records.h"

namespace server {
namespace {

// How many partitions share the disk of a managed node, which may get any
// number: what each may keep of its log depends on it.
constexpr uint32_t kManagedPartitions = 64;

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
