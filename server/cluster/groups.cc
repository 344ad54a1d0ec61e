#include "server/cluster/groups.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "base/clock.h"
#include "server/cluster/member_goal.h"

namespace server::cluster {
namespace {

namespace admin = ::multiraft::admin::v1;
namespace v1 = ::atomix::multiraft::v1;
using v1::JoinResponse;

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

absl::Status NotHere(base::PartitionId id) {
  return absl::NotFoundError(
      absl::StrCat("this node has no replica of group ", id.value()));
}

// Numbers of roles are the same on disk and in the API.
static_assert(static_cast<int>(storage::GroupRole::kMember) == v1::MEMBER &&
              static_cast<int>(storage::GroupRole::kObserver) == v1::OBSERVER &&
              static_cast<int>(storage::GroupRole::kWitness) == v1::WITNESS);

// As a controller would say it to the node that joins.
v1::JoinRequest RequestOf(const storage::Group& group) {
  v1::JoinRequest request;
  v1::GroupConfig& config = *request.mutable_group();
  config.set_group_id(group.id.value());
  config.set_member_id(group.self.value());
  config.set_role(static_cast<v1::MemberRole>(group.role));
  for (const storage::GroupMember& member : group.members) {
    const size_t colon = member.peer_address.rfind(':');
    int32_t port = 0;
    if (colon == std::string::npos ||
        !absl::SimpleAtoi(member.peer_address.substr(colon + 1), &port)) {
      continue;  // No address that anybody could ask.
    }
    v1::MemberConfig& one = *config.add_members();
    one.set_member_id(member.node.value());
    // An IPv6 address stays in its brackets.
    one.set_host(member.peer_address.substr(0, colon));
    one.set_port(port);
  }
  return request;
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
    return WithMembers(*here,
                       [this, id, done = std::move(done)](
                           const raft::Configuration& configuration) mutable {
                         LeaveAs(id, configuration, std::move(done));
                       });
  }
  if (*forgotten || store_->DroppedReplica(id) != raft::ReplicaId{}) {
    return std::move(done)(absl::OkStatus());
  }
  std::move(done)(NotHere(id));
}

void Groups::LeaveAs(base::PartitionId id,
                     const raft::Configuration& configuration, Done done) {
  PursueRemoval(
      id, self_, configuration,
      [this, id, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return std::move(done)(std::move(status));
        Await(id, /*is_here=*/false,
              base::SystemClock().MonotonicNanos() + kAwaitNs, std::move(done));
      });
}

// --- Members, from any of them ----------------------------------------------

absl::Status Groups::Expect(base::PartitionId id, base::NodeId self) {
  if (self != self_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this node is member ", self_.value(),
        ", as its data directory says, not member ", self.value()));
  }
  return founder_.Forget(id).status();
}

void Groups::Add(storage::Group group, Done done) {
  const std::string address = group.AddressOfSelf();
  calls_.JoinGroup(
      address, RequestOf(group), MemberGoal().step_timeout_ns,
      [address, done = std::move(done)](
          const absl::StatusOr<JoinResponse>& answer) mutable {
        if (answer.ok()) return std::move(done)(absl::OkStatus());
        std::move(done)(absl::Status(
            answer.status().code(),
            absl::StrCat("at ", address, ": ", answer.status().message())));
      });
}

void Groups::Remove(base::PartitionId id, base::NodeId member, Done done) {
  const auto here = host_->Find(id);
  if (here == nullptr) return std::move(done)(NotHere(id));
  WithMembers(*here, [this, id, member, done = std::move(done)](
                         const raft::Configuration& configuration) mutable {
    PursueRemoval(id, member, configuration, std::move(done));
  });
}

void Groups::WithMembers(
    partition::Partition& replica,
    absl::AnyInvocable<void(const raft::Configuration&) &&> then) {
  replica.GetStatus([this, then = std::move(then)](
                        partition::PartitionStatus&& status) mutable {
    loader_.Post(
        [configuration = std::move(status.configuration),
         then = std::move(then)]() mutable { std::move(then)(configuration); });
  });
}

void Groups::PursueRemoval(base::PartitionId id, base::NodeId member,
                           const raft::Configuration& configuration,
                           Done done) {
  MemberGoal goal;
  goal.steps.emplace_back(RequestFor(id))
      .mutable_remove()
      ->set_node_id(member.value());
  if (const auto route = routes_.Find(id)) {
    goal.addresses.push_back(route->peer_address);
  }
  for (const raft::Member& one : configuration.members) {
    goal.addresses.push_back(one.peer_address);
  }
  if (goal.addresses.empty()) {
    return std::move(done)(
        absl::UnavailableError(absl::StrCat("the replica of group ", id.value(),
                                            " does not know its members yet")));
  }
  Pursue(std::move(goal), calls_, loader_, std::move(done));
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
