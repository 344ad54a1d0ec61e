// What a controller may do with a node, and how a managed one wakes.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/server_impl.h"

namespace server {
namespace {

// Between two rounds of those whom a node is to join.
constexpr uint64_t kAskAgainNs = 100'000'000;

}  // namespace

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

absl::Status Server::Impl::WakeFor(const storage::Group& group,
                                   const std::string& cluster_id) {
  absl::Status awake = Wake(group.self, group.AddressOfSelf(), cluster_id);
  // Half of a node is worse than none.
  if (!awake.ok() && store != nullptr) on_fatal(awake);
  return awake;
}

absl::Status Server::Impl::CheckTakesGroups() const {
  if (in_cluster()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this node was started alone; one to which a controller gives groups is "
      "started with --managed");
}

void Server::Impl::BootstrapGroup(storage::Group group,
                                  service::GroupDone done) {
  loader->Post(
      [this, group = std::move(group), done = std::move(done)]() mutable {
        absl::Status status = CheckTakesGroups();
        // It may begin a cluster.
        if (status.ok() && !is_open()) status = WakeFor(group, "");
        if (!status.ok()) return std::move(done)(std::move(status));
        cluster->groups().Bootstrap(std::move(group), std::move(done));
      });
}

void Server::Impl::JoinGroup(storage::Group group, service::IsWaiting waits,
                             service::GroupDone done) {
  service::IsWaiting goes_on = [this, waits = std::move(waits)] {
    {
      base::MutexLock lock(wake_mu);
      if (stopping) return false;
    }
    return waits();
  };
  loader->Post([this, group = std::move(group), goes_on = std::move(goes_on),
                done = std::move(done)]() mutable {
    TryToJoin(std::move(group), std::move(goes_on), std::move(done));
  });
}

// Who joins a group belongs to the cluster of its members, which may have
// another id than the name says (--recover). And where there is nobody, nothing
// is made.
void Server::Impl::TryToJoin(storage::Group group, service::IsWaiting goes_on,
                             service::GroupDone done) {
  absl::Status status = CheckTakesGroups();
  if (status.ok() && !is_open()) {
    std::vector<std::string> others;
    for (const storage::GroupMember& member : group.members) {
      if (member.node != group.self) others.push_back(member.peer_address);
    }
    const absl::StatusOr<std::string> found =
        cluster->AskForCluster(others, group.self);
    if (absl::IsUnavailable(found.status()) && goes_on()) {
      cluster->groups().SetJoining(group.id,
                                   std::string(found.status().message()));
      // Others may ask for something meanwhile.
      return loader->PostAfter(kAskAgainNs, [this, group = std::move(group),
                                             goes_on = std::move(goes_on),
                                             done = std::move(done)]() mutable {
        TryToJoin(std::move(group), std::move(goes_on), std::move(done));
      });
    }
    cluster->groups().SetJoining(group.id, "");
    status = found.ok() ? WakeFor(group, *found) : found.status();
  }
  if (!status.ok()) return std::move(done)(std::move(status));
  cluster->groups().Join(std::move(group), std::move(goes_on), std::move(done));
}

void Server::Impl::WithGroups(
    service::GroupDone done,
    absl::AnyInvocable<void(cluster::Groups&, service::GroupDone) &&> then,
    absl::Status if_asleep) {
  loader->Post([this, done = std::move(done), then = std::move(then),
                if_asleep = std::move(if_asleep)]() mutable {
    if (!in_cluster()) {
      return std::move(done)(absl::FailedPreconditionError(
          "this node is alone: its partitions are nowhere else"));
    }
    if (!is_open()) return std::move(done)(std::move(if_asleep));
    std::move(then)(cluster->groups(), std::move(done));
  });
}

service::GroupActions Server::Impl::MakeGroups() {
  const auto not_here = [](base::PartitionId id) {
    return absl::NotFoundError(
        absl::StrCat("this node has no replica of group ", id.value()));
  };
  return {
      .bootstrap =
          [this](storage::Group group, service::GroupDone done) {
            BootstrapGroup(std::move(group), std::move(done));
          },
      .join =
          [this](storage::Group group, service::IsWaiting waits,
                 service::GroupDone done) {
            JoinGroup(std::move(group), std::move(waits), std::move(done));
          },
      .expect =
          [this](base::PartitionId id, base::NodeId self,
                 service::GroupDone done) {
            // Asleep it is whoever it is told to be by the one that adds it.
            WithGroups(
                std::move(done),
                [id, self](cluster::Groups& groups, service::GroupDone done) {
                  std::move(done)(groups.Expect(id, self));
                },
                absl::OkStatus());
          },
      .leave =
          [this, not_here](base::PartitionId id, service::GroupDone done) {
            WithGroups(
                std::move(done),
                [id](cluster::Groups& groups, service::GroupDone done) {
                  groups.Leave(id, std::move(done));
                },
                not_here(id));
          },
      .add =
          [this, not_here](storage::Group group, service::GroupDone done) {
            const base::PartitionId id = group.id;
            WithGroups(
                std::move(done),
                [group = std::move(group)](cluster::Groups& groups,
                                           service::GroupDone done) mutable {
                  groups.Add(std::move(group), std::move(done));
                },
                not_here(id));
          },
      .remove =
          [this, not_here](base::PartitionId id, base::NodeId member,
                           service::GroupDone done) {
            WithGroups(
                std::move(done),
                [id, member](cluster::Groups& groups, service::GroupDone done) {
                  groups.Remove(id, member, std::move(done));
                },
                not_here(id));
          }};
}

}  // namespace server
