#include "server/cluster/groups.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "server/cluster/member_goal.h"

namespace server::cluster {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr uint64_t kLookEveryNs = 20'000'000;
constexpr int64_t kAwaitNs = 5'000'000'000;

admin::ChangeMembersRequest RequestFor(base::PartitionId id) {
  admin::ChangeMembersRequest request;
  request.set_partition_id(id.value());
  return request;
}

// A witness never leads, not even for a moment: it votes when it must not.
std::vector<admin::ChangeMembersRequest> StepsOfJoin(
    const storage::Group& group) {
  std::vector<admin::ChangeMembersRequest> steps;
  admin::ChangeMembersRequest& add = steps.emplace_back(RequestFor(group.id));
  add.mutable_add()->set_node_id(group.self.value());
  add.mutable_add()->set_peer_address(group.AddressOfSelf());
  add.mutable_add()->set_learner(group.role != storage::GroupRole::kMember);
  if (group.role != storage::GroupRole::kWitness) return steps;
  admin::ChangeMembersRequest& update =
      steps.emplace_back(RequestFor(group.id));
  update.mutable_update()->set_node_id(group.self.value());
  update.mutable_update()->set_priority(0);
  steps.emplace_back(RequestFor(group.id))
      .mutable_promote()
      ->set_node_id(group.self.value());
  return steps;
}

}  // namespace

Groups::Groups(partition::Executor& loader, const transport::Routes& routes)
    : loader_(loader), routes_(routes), founder_({}, calls_, loader) {}

absl::StatusOr<std::map<base::PartitionId, raft::Configuration>> Groups::Open(
    Founder::Self self, storage::Store& store) {
  self_ = self.node;
  store_ = &store;
  return founder_.Open(std::move(self), store);
}

void Groups::Begin(partition::Host& host) {
  host_ = &host;
  founder_.Begin(host);
}

void Groups::Bootstrap(storage::Group group, Done done) {
  founder_.Bootstrap(std::move(group), std::move(done));
}

// --- Join -------------------------------------------------------------------

void Groups::SetJoining(base::PartitionId id, std::string waits_for) {
  base::MutexLock lock(mu_);
  if (waits_for.empty()) {
    joining_.erase(id);
  } else {
    joining_[id] = std::move(waits_for);
  }
}

std::map<base::PartitionId, std::string> Groups::waiting() const {
  std::map<base::PartitionId, std::string> all = founder_.waiting();
  base::MutexLock lock(mu_);
  for (const auto& [id, waits_for] : joining_) {
    all[id] = absl::StrCat("a leader that adds this node: ", waits_for);
  }
  return all;
}

void Groups::Join(storage::Group group, std::function<bool()> is_wanted,
                  Done done) {
  if (group.self != self_) {
    return std::move(done)(absl::FailedPreconditionError(absl::StrCat(
        "this node is member ", self_.value(),
        ", as its data directory says, not member ", group.self.value())));
  }
  // Who joins does not begin.
  if (const absl::StatusOr<bool> forgotten = founder_.Forget(group.id);
      !forgotten.ok()) {
    return std::move(done)(forgotten.status());
  }
  MemberGoal goal{.steps = StepsOfJoin(group),
                  .is_wanted = std::move(is_wanted),
                  .on_wait = [this, id = group.id](const std::string& what) {
                    SetJoining(id, what);
                  }};
  if (const auto route = routes_.Find(group.id)) {
    goal.addresses.push_back(route->peer_address);
  }
  for (const storage::GroupMember& member : group.members) {
    // This one, too, if it leads the group already.
    if (member.node != self_ || host_->Find(group.id) != nullptr) {
      goal.addresses.push_back(member.peer_address);
    }
  }
  Pursue(std::move(goal), calls_, loader_,
         [this, id = group.id,
          done = std::move(done)](absl::Status status) mutable {
           SetJoining(id, "");
           if (!status.ok()) return std::move(done)(std::move(status));
           Await(id, /*is_here=*/true,
                 base::SystemClock().MonotonicNanos() + kAwaitNs,
                 std::move(done));
         });
}

// --- Leave ------------------------------------------------------------------

void Groups::Leave(base::PartitionId id, Done done) {
  const absl::StatusOr<bool> forgotten = founder_.Forget(id);
  if (!forgotten.ok()) return std::move(done)(forgotten.status());
  const auto here = host_->Find(id);
  if (here != nullptr) {
    return here->GetStatus([this, id, done = std::move(done)](
                               partition::PartitionStatus&& status) mutable {
      loader_.Post([this, id, configuration = std::move(status.configuration),
                    done = std::move(done)]() mutable {
        LeaveAs(id, configuration, std::move(done));
      });
    });
  }
  if (*forgotten || store_->DroppedReplica(id) != raft::ReplicaId{}) {
    return std::move(done)(absl::OkStatus());
  }
  std::move(done)(absl::NotFoundError(
      absl::StrCat("this node has no replica of group ", id.value())));
}

void Groups::LeaveAs(base::PartitionId id,
                     const raft::Configuration& configuration, Done done) {
  MemberGoal goal;
  admin::ChangeMembersRequest& remove = goal.steps.emplace_back(RequestFor(id));
  remove.mutable_remove()->set_node_id(self_.value());
  if (const auto route = routes_.Find(id)) {
    goal.addresses.push_back(route->peer_address);
  }
  for (const raft::Member& member : configuration.members) {
    goal.addresses.push_back(member.peer_address);
  }
  if (goal.addresses.empty()) {
    return std::move(done)(
        absl::UnavailableError(absl::StrCat("the replica of group ", id.value(),
                                            " does not know its members yet")));
  }
  Pursue(std::move(goal), calls_, loader_,
         [this, id, done = std::move(done)](absl::Status status) mutable {
           if (!status.ok()) return std::move(done)(std::move(status));
           Await(id, /*is_here=*/false,
                 base::SystemClock().MonotonicNanos() + kAwaitNs,
                 std::move(done));
         });
}

void Groups::Await(base::PartitionId id, bool is_here, int64_t until_ns,
                   Done done) {
  if ((host_->Find(id) != nullptr) == is_here ||
      base::SystemClock().MonotonicNanos() >= until_ns) {
    return std::move(done)(absl::OkStatus());
  }
  loader_.PostAfter(kLookEveryNs, [this, id, is_here, until_ns,
                                   done = std::move(done)]() mutable {
    Await(id, is_here, until_ns, std::move(done));
  });
}

}  // namespace server::cluster
