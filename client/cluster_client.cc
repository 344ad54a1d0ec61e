#include "client/cluster_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "client/connection.h"
#include "client/partition_of.h"
#include "client/wait_options.h"

namespace client {
namespace {

std::shared_ptr<SessionPool> PoolOver(Topology& topology,
                                      const std::vector<uint32_t>& partitions,
                                      const ClientOptions& options) {
  std::vector<SessionPool::Partition> all;
  for (const uint32_t id : partitions) {
    ConnectionOptions connection{
        .server = absl::StrCat("partition ", id),
        .call_timeout = options.call_timeout,
        .on_retry = options.on_retry,
        .timer = options.timer,
        .seed = options.seed == 0 ? 0 : options.seed + id};
    all.push_back({.id = id,
                   .connection = std::make_shared<Connection>(
                       std::move(connection), topology.RouteTo(id))});
  }
  return std::make_shared<SessionPool>(
      std::move(all), SessionPoolOptions{.timeout = options.session_timeout,
                                         .on_lost = options.on_session_lost});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(
    const std::vector<std::string>& servers, ClientOptions options) {
  if (servers.empty()) {
    return absl::InvalidArgumentError("no servers to connect to");
  }
  Timer& timer = options.timer != nullptr ? *options.timer : SystemTimer();
  std::shared_ptr<Topology> topology = Topology::Start(
      {.servers = servers,
       .timer = options.timer,
       .seed = options.seed != 0 ? options.seed : base::SecureSeed()});
  ASSIGN_OR_RETURN(std::vector<uint32_t> partitions,
                   topology->Partitions(
                       DeadlineNanos(timer.NowNanos(), options.call_timeout)));
  return std::unique_ptr<Client>(
      new Client(std::move(topology), std::move(partitions), options));
}

Client::Client(std::shared_ptr<Topology> topology,
               std::vector<uint32_t> partitions, const ClientOptions& options)
    : topology_(std::move(topology)),
      partitions_(std::move(partitions)),
      pool_(PoolOver(*topology_, partitions_, options)) {}

Client::~Client() {
  Close().IgnoreError();
  topology_->Stop();
}

absl::Status Client::Close() { return pool_->Close(); }

uint32_t Client::PartitionOf(absl::string_view key) const {
  return partitions_[PartitionIndexOf(key, partitions_.size())];
}

absl::StatusOr<std::shared_ptr<Session>> Client::SessionIn(uint32_t partition) {
  const auto it =
      std::lower_bound(partitions_.begin(), partitions_.end(), partition);
  if (it == partitions_.end() || *it != partition) {
    return absl::NotFoundError(
        absl::StrCat("there is no partition ", partition));
  }
  return pool_->Get(static_cast<size_t>(it - partitions_.begin()));
}

std::string Client::LeaderOf(uint32_t partition) const {
  return topology_->LeaderOf(partition);
}

}  // namespace client
