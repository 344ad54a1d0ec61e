// What a Server is made of. Internal to server.cc, which starts and stops it,
// server_services.cc, which has what others call, and server_groups.cc, which
// has what a controller may do.

#ifndef SERVER_SERVER_IMPL_H_
#define SERVER_SERVER_IMPL_H_

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "partition/disk_gate.h"
#include "partition/host.h"
#include "partition/partition.h"
#include "partition/transport.h"
#include "server/cluster/cluster_node.h"
#include "server/cluster/groups.h"
#include "server/disk_space.h"
#include "server/options.h"
#include "server/quarantine.h"
#include "server/server.h"
#include "server/service/authorizer.h"
#include "server/service/forwarder.h"
#include "server/service/gateway.h"
#include "server/service/member_handler.h"
#include "server/service/node_events.h"
#include "server/service/node_requests.h"
#include "server/service/node_service.h"
#include "server/service/raw_service.h"
#include "server/start_hooks.h"
#include "server/watchdog.h"
#include "server/worker.h"
#include "storage/group.h"
#include "storage/store.h"

namespace server {

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
  // (empty: where they did), in the cluster with that id (empty: by its name).
  // Nothing is done if it is open. FailedPrecondition: it is another member, or
  // the directory is another's.
  absl::Status Wake(base::NodeId node, const std::string& peer_address,
                    const std::string& cluster_id) ABSL_LOCKS_EXCLUDED(wake_mu);
  // As Wake, because of this group, in the cluster with that id. On the loader.
  absl::Status WakeFor(const storage::Group& group,
                       const std::string& cluster_id);
  bool is_open() const { return open_host.load() != nullptr; }
  absl::Status CheckTakesGroups() const;
  void BootstrapGroup(storage::Group group, service::GroupDone done);
  void JoinGroup(storage::Group group, service::IsWaiting waits,
                 service::GroupDone done);
  // On the loader, again and again until its members are found.
  void TryToJoin(storage::Group group, service::IsWaiting goes_on,
                 service::GroupDone done);
  // Calls `then` on the loader. Not if the node is alone, which is an error,
  // or asleep (managed, and not open yet), which is as `if_asleep` says.
  void WithGroups(
      service::GroupDone done,
      absl::AnyInvocable<void(cluster::Groups&, service::GroupDone) &&> then,
      absl::Status if_asleep);
  service::GroupActions MakeGroups();
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
  service::NodePlaces places{options.service};
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

}  // namespace server

#endif  // SERVER_SERVER_IMPL_H_
