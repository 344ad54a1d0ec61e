// What a controller may do with a node, and how a managed one wakes.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/server_impl.h"

namespace server {

// It listens on both ports before there is anything: controllers look at that.
absl::Status Server::Impl::StartManaged() {
  RETURN_IF_ERROR(cluster->Listen(MakePeerServices()));
  MakeServices();
  RETURN_IF_ERROR(Listen());
  if (!storage::Store::Exists(options.data_dir)) return absl::OkStatus();
  return Wake(base::NodeId{}, "", "");
}

absl::Status Server::Impl::Wake(base::NodeId node,
                                const std::string& peer_address,
                                const std::string& cluster_id) {
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
  RETURN_IF_ERROR(
      cluster->EnterManaged(*store, {.peer_address = peer_address,
                                     .client_address = client_address,
                                     .cluster = cluster_id}));
  return OpenHost();
}

// A group that is bootstrapped may begin a cluster; who joins one belongs to
// that of the members there, which may have another id (--recover). And where
// there is nobody, nothing is made.
absl::Status Server::Impl::WakeFor(const storage::Group& group, bool joins) {
  std::string cluster_id;
  if (joins) {
    std::vector<std::string> others;
    for (const storage::GroupMember& member : group.members) {
      if (member.node != group.self) others.push_back(member.peer_address);
    }
    ASSIGN_OR_RETURN(cluster_id, cluster->AskForCluster(others, group.self));
  }
  absl::Status awake = Wake(group.self, group.AddressOfSelf(), cluster_id);
  // Half of a node is worse than none.
  if (!awake.ok() && store != nullptr) on_fatal(awake);
  return awake;
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
      absl::Status awake = WakeFor(group, operation == &cluster::Groups::Join);
      if (!awake.ok()) return std::move(done)(std::move(awake));
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

}  // namespace server
