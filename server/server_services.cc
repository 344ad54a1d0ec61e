// What others call: the services, and the ports that they are on.

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "primitive/registry.h"
#include "server/descriptors.h"
#include "server/server_impl.h"
#include "server/service/admin_service.h"
#include "server/service/health_service.h"
#include "server/service/partition_service.h"
#include "server/service/primitive_service.h"
#include "server/service/session_service.h"
#include "server/service/stores_node_service.h"
#include "storage/records.h"

namespace server {
namespace {

// Clients that ping more often than this are told to calm down.
constexpr int kPingIntervalMs = 10'000;

int Millis(uint64_t ns) {
  return static_cast<int>(std::min<uint64_t>(ns / 1'000'000, 1'000'000'000));
}

}  // namespace

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
      base::SystemClock(), service::Door{.for_nodes = true, .places = &places});
  peer_services = ServicesBehind(*peer_gateway);
  peer_services.push_back(AdminBehind(*peer_gateway));
  // Another node, whose controller told it so, has this one join a group.
  peer_services.push_back(std::make_unique<service::NodeService>(
      MakeGroups(), events, *peer_gateway));
  std::vector<grpc::Service*> all;
  for (const auto& service : peer_services) all.push_back(service.get());
  return all;
}

std::vector<std::unique_ptr<service::RawService>> Server::Impl::ServicesBehind(
    service::Gateway& door) {
  std::vector<std::unique_ptr<service::RawService>> all;
  const session::Registry& registry = primitive::BuiltinRegistry();
  for (const session::Generation generation :
       {session::Generation::kMultiRaft, session::Generation::kRsm}) {
    all.push_back(
        std::make_unique<service::PartitionService>(generation, door));
    all.push_back(
        std::make_unique<service::SessionService>(generation, registry, door));
    for (const session::PrimitiveType& type : registry.types()) {
      if (type.ServiceIn(generation).empty()) continue;
      all.push_back(
          std::make_unique<service::PrimitiveService>(type, generation, door));
    }
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

void Server::Impl::MakeServices() {
  gateway = std::make_unique<service::Gateway>(
      options.service, MakeDirectory(), authorizer, *workers.front(),
      base::SystemClock(),
      service::Door{.forwarder = forwarder.get(), .places = &places});
  services = ServicesBehind(*gateway);
  services.push_back(AdminBehind(*gateway));
  services.push_back(
      std::make_unique<service::NodeService>(MakeGroups(), events, *gateway));
  services.push_back(std::make_unique<service::StoresNodeService>(
      MakeGroups(), events, *gateway));
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
    if (in_cluster()) cluster->DescribeWaiting(response);
    return;
  }
  response.set_node_id(store->identity().node.value());
  response.set_mode(store->identity().mode);
  DescribeDisk(*response.mutable_disk());
  response.set_incarnation(store->identity().incarnation);
  response.set_partition_count(store->identity().partitions);
  if (in_cluster()) {
    cluster->DescribeWaiting(response);
    cluster->Describe(response);
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

}  // namespace server
