#include "server/cluster/founder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "server/cluster/group_beginning.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;

// Records and messages have the same numbers.
v1::GroupRole ToProto(storage::GroupRole role) {
  return static_cast<v1::GroupRole>(role);
}
storage::GroupRole FromProto(v1::GroupRole role) {
  return role == v1::GROUP_ROLE_OBSERVER || role == v1::GROUP_ROLE_WITNESS
             ? static_cast<storage::GroupRole>(role)
             : storage::GroupRole::kMember;
}

std::vector<storage::GroupMember> MembersIn(
    const v1::AskGroupRequest& request) {
  std::vector<storage::GroupMember> members;
  for (const v1::GroupMember& member : request.members()) {
    members.push_back({.node = base::NodeId(member.node()),
                       .peer_address = member.peer_address()});
  }
  return members;
}

std::string Name(base::PartitionId id) {
  return absl::StrCat("group ", id.value());
}

}  // namespace

// The other members of a group are asked once.
struct Founder::Round {
  storage::Group group;  // As it was when they were asked.

  base::Mutex mu;
  size_t missing ABSL_GUARDED_BY(mu) = 0;
  std::vector<FirstMember> told ABSL_GUARDED_BY(mu);
  std::vector<std::string> waits_for ABSL_GUARDED_BY(mu);
  absl::Status refused ABSL_GUARDED_BY(mu);
};

Founder::Founder(const Options& options, PeerCalls& calls,
                 partition::Executor& loader)
    : options_(options), calls_(calls), loader_(loader) {}

absl::StatusOr<std::map<base::PartitionId, raft::Configuration>> Founder::Open(
    Self self, storage::Store& store) {
  ASSIGN_OR_RETURN(const std::vector<storage::Group> groups,
                   store.ReadGroups());
  store_ = &store;
  std::map<base::PartitionId, raft::Configuration> begun;
  base::MutexLock lock(mu_);
  self_ = std::move(self);
  for (const storage::Group& group : groups) {
    known_[group.id].group = group;
    if (group.beginning.has_value()) begun[group.id] = *group.beginning;
  }
  return begun;
}

void Founder::Begin(partition::Host& host) {
  host_ = &host;
  std::vector<base::PartitionId> all;
  {
    base::MutexLock lock(mu_);
    for (const auto& [id, known] : known_) {
      if (!known.group.beginning.has_value()) all.push_back(id);
    }
  }
  for (const base::PartitionId id : all) {
    loader_.Post([this, id] { Ask(id); });
  }
}

std::map<base::PartitionId, std::string> Founder::waiting() const {
  std::map<base::PartitionId, std::string> waiting;
  base::MutexLock lock(mu_);
  for (const auto& [id, known] : known_) {
    if (!known.group.beginning.has_value()) waiting[id] = known.waits_for;
  }
  return waiting;
}

// --- What others ask --------------------------------------------------------

grpc::ServerUnaryReactor* Founder::AskGroup(
    grpc::CallbackServerContext* context, const v1::AskGroupRequest* request,
    v1::AskGroupResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::Status refused = Answer(*request, *response);
  reactor->Finish(refused.ok()
                      ? grpc::Status::OK
                      : grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                     std::string(refused.message())));
  return reactor;
}

absl::Status Founder::Answer(const v1::AskGroupRequest& request,
                             v1::AskGroupResponse& response) const {
  const base::PartitionId id(request.group_id());
  base::MutexLock lock(mu_);
  const auto found = known_.find(id);
  if (found == known_.end()) return absl::OkStatus();
  const storage::Group& group = found->second.group;
  if (request.cluster() != self_.cluster ||
      request.to_node() != self_.node.value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "here is member ", self_.node.value(), " of cluster ", self_.cluster,
        ", not member ", request.to_node(), " of cluster ", request.cluster()));
  }
  const std::vector<storage::GroupMember> members = MembersIn(request);
  if (group.members != members) {
    return absl::FailedPreconditionError(
        absl::StrCat("member ", self_.node.value(), " was told that ", Name(id),
                     " begins with ", Describe(group.members), ", and member ",
                     request.from_node(), " with ", Describe(members)));
  }
  response.set_told(true);
  response.set_incarnation(self_.incarnation);
  response.set_api_address(self_.api_address);
  response.set_role(ToProto(group.role));
  if (group.beginning.has_value()) {
    response.set_beginning(raft::EncodeConfiguration(*group.beginning));
  }
  return absl::OkStatus();
}

// --- What a controller says -------------------------------------------------

Founder::Known* Founder::Find(base::PartitionId id) {
  base::MutexLock lock(mu_);
  const auto found = known_.find(id);
  return found == known_.end() ? nullptr : &found->second;
}

absl::Status Founder::Keep(const storage::Group& group) {
  RETURN_IF_ERROR(store_->SetGroup(group));
  base::MutexLock lock(mu_);
  known_[group.id].group = group;
  return absl::OkStatus();
}

void Founder::Bootstrap(storage::Group group, Done done) {
  const base::PartitionId id = group.id;
  base::NodeId self;
  bool may_begin = false;
  {
    base::MutexLock lock(mu_);
    self = self_.node;
    may_begin = self_.may_begin;
  }
  if (group.self != self) {
    return std::move(done)(absl::FailedPreconditionError(
        absl::StrCat("this node is member ", self.value(),
                     ", as its data directory says, "
                     "not member ",
                     group.self.value())));
  }
  Known* known = Find(id);
  const bool is_known =
      known != nullptr && known->group.members == group.members;
  if (is_known && known->group.beginning.has_value()) {
    known->callers.push_back(std::move(done));
    return MakePartition(*known);
  }
  if (const auto here = host_->Find(id)) {
    return CompareWithPresent(*here, group,
                              known == nullptr ? nullptr : &known->group,
                              std::move(done));
  }
  if (store_->DroppedReplica(id) != raft::ReplicaId{}) {
    return std::move(done)(absl::FailedPreconditionError(absl::StrCat(
        "this node's replica of ", Name(id), " left it; a new one can join")));
  }
  if (known != nullptr && known->group.beginning.has_value()) {
    return std::move(done)(absl::FailedPreconditionError(
        absl::StrCat(Name(id), " began with ", Describe(known->group.members),
                     ", not with ", Describe(group.members))));
  }
  if (!may_begin) {
    return std::move(done)(absl::FailedPreconditionError(
        "the partitions of this node follow from --cluster and --partitions; "
        "a node to which a controller gives groups is started with --managed"));
  }
  // New, or another word on one that has not begun.
  if (!is_known || known->group.role != group.role) {
    if (absl::Status kept = Keep(group); !kept.ok()) {
      return std::move(done)(std::move(kept));
    }
    known = Find(id);
    LOG(INFO) << Name(id) << " is to begin with " << Describe(group.members)
              << "; this is member " << self;
  }
  known->callers.push_back(std::move(done));
  known->interval_ns = options_.interval_ns_min;
  Ask(id);
}

// `first`: who it began with, as far as is known.
void Founder::CompareWithPresent(partition::Partition& partition,
                                 const storage::Group& group,
                                 const storage::Group* first, Done done) {
  std::string began;
  if (first != nullptr) {
    began = absl::StrCat(" (and began with ", Describe(first->members), ")");
  }
  partition.GetStatus([group, began, done = std::move(done)](
                          partition::PartitionStatus&& status) mutable {
    const std::vector<storage::GroupMember> present =
        MembersOf(status.configuration);
    if (present == group.members) return std::move(done)(absl::OkStatus());
    std::move(done)(absl::FailedPreconditionError(
        absl::StrCat(Name(group.id), " is here with ", Describe(present), began,
                     ", not with ", Describe(group.members))));
  });
}

absl::StatusOr<bool> Founder::Forget(base::PartitionId id) {
  Known* const known = Find(id);
  if (known == nullptr || known->group.beginning.has_value()) return false;
  RETURN_IF_ERROR(store_->ForgetGroup(id));
  Complete(*known, absl::AbortedError(absl::StrCat(Name(id), " was left")));
  base::MutexLock lock(mu_);
  known_.erase(id);
  return true;
}

void Founder::Complete(Known& known, const absl::Status& status) {
  std::vector<Done> callers;
  callers.swap(known.callers);
  for (Done& done : callers) std::move(done)(status);
}

// --- What this node asks others ---------------------------------------------

void Founder::Ask(base::PartitionId id) {
  Known* const known = Find(id);
  if (known == nullptr || known->group.beginning.has_value() ||
      known->is_asking) {
    return;
  }
  auto round = std::make_shared<Round>();
  round->group = known->group;
  known->is_asking = true;
  ++known->asked;
  v1::AskGroupRequest request;
  request.set_group_id(id.value());
  request.set_from_node(known->group.self.value());
  {
    base::MutexLock lock(mu_);
    request.set_cluster(self_.cluster);
  }
  for (const storage::GroupMember& member : known->group.members) {
    v1::GroupMember& to = *request.add_members();
    to.set_node(member.node.value());
    to.set_peer_address(member.peer_address);
  }
  {
    base::MutexLock lock(round->mu);
    round->missing = known->group.members.size();
  }
  // The last share, this one's included, goes on.
  const auto one_less = [this, round] {
    {
      base::MutexLock lock(round->mu);
      if (--round->missing > 0) return;
    }
    loader_.Post([this, round] { Asked(round); });
  };
  for (const storage::GroupMember& member : round->group.members) {
    if (member.node == round->group.self) continue;
    request.set_to_node(member.node.value());
    calls_.AskGroup(
        member.peer_address, request, options_.answer_timeout_ns,
        [round, member, one_less](absl::StatusOr<v1::AskGroupResponse> answer) {
          const std::string who = absl::StrCat("member ", member.node.value(),
                                               " at ", member.peer_address);
          {
            base::MutexLock lock(round->mu);
            if (absl::IsFailedPrecondition(answer.status())) {
              round->refused = absl::FailedPreconditionError(absl::StrCat(
                  "at ", member.peer_address, ": ", answer.status().message()));
            } else if (!answer.ok()) {
              round->waits_for.push_back(
                  absl::StrCat(who, ": ", answer.status().message()));
            } else if (!answer->told()) {
              round->waits_for.push_back(
                  absl::StrCat(who, ", which was not told of it"));
            } else {
              FirstMember told{.node = member.node,
                               .incarnation = answer->incarnation(),
                               .api_address = answer->api_address(),
                               .role = FromProto(answer->role())};
              if (!answer->beginning().empty()) {
                auto beginning = raft::DecodeConfiguration(answer->beginning());
                if (beginning.ok()) told.beginning = *std::move(beginning);
              }
              round->told.push_back(std::move(told));
            }
          }
          one_less();
        });
  }
  one_less();
}

void Founder::Asked(const std::shared_ptr<Round>& round) {
  const base::PartitionId id = round->group.id;
  Known* const known = Find(id);
  if (known == nullptr) return;
  known->is_asking = false;
  if (known->group != round->group) return Ask(id);
  if (host_->Find(id) != nullptr) {
    // A leader made it meanwhile: somebody has added this node.
    const absl::Status forgotten = store_->ForgetGroup(id);
    Complete(*known, forgotten);
    base::MutexLock lock(mu_);
    known_.erase(id);
    return;
  }
  FirstMember self{.node = known->group.self, .role = known->group.role};
  {
    base::MutexLock lock(mu_);
    self.incarnation = self_.incarnation;
    self.api_address = self_.api_address;
  }
  absl::StatusOr<std::optional<raft::Configuration>> beginning;
  std::string waits_for;
  {
    base::MutexLock lock(round->mu);
    beginning = BeginningOf(known->group, self, round->told);
    if (beginning.ok() && !beginning->has_value() && !round->refused.ok()) {
      beginning = round->refused;
    }
    if (round->waits_for.empty()) {
      waits_for = absl::StrCat("the decision of member ",
                               known->group.members.front().node.value());
    } else {
      waits_for = absl::StrJoin(round->waits_for, "; ");
    }
  }
  if (!beginning.ok()) return Refused(*known, beginning.status());
  if (beginning->has_value()) {
    return BeginGroup(*known, **std::move(beginning));
  }
  // It is kept, and goes on by itself.
  Complete(*known, absl::OkStatus());
  AskLater(*known, std::move(waits_for));
}

void Founder::AskLater(Known& known, std::string waits_for) {
  const base::PartitionId id = known.group.id;
  if (waits_for != known.waits_for) {
    LOG(INFO) << Name(id) << " waits for " << waits_for;
    base::MutexLock lock(mu_);
    known.waits_for = std::move(waits_for);
  }
  known.interval_ns = std::clamp(known.interval_ns, options_.interval_ns_min,
                                 options_.interval_ns_max);
  loader_.PostAfter(known.interval_ns, [this, id, asked = known.asked] {
    const Known* const known = Find(id);
    if (known != nullptr && known->asked == asked) Ask(id);
  });
  known.interval_ns += known.interval_ns / 2;
}

// Whoever asked for it hears why, and may ask otherwise; what nobody waits for
// any more may still come right at the other members.
void Founder::Refused(Known& known, absl::Status why) {
  if (known.callers.empty()) {
    return AskLater(known, std::string(why.message()));
  }
  const base::PartitionId id = known.group.id;
  if (absl::Status forgotten = store_->ForgetGroup(id); !forgotten.ok()) {
    why = std::move(forgotten);
  }
  Complete(known, why);
  base::MutexLock lock(mu_);
  known_.erase(id);
}

void Founder::BeginGroup(Known& known, raft::Configuration beginning) {
  storage::Group begun = known.group;
  begun.beginning = std::move(beginning);
  // Durable before anything follows from it: a second decision would be another
  // group under the same name.
  if (absl::Status kept = Keep(begun); !kept.ok()) {
    return Complete(known, kept);
  }
  LOG(INFO) << Name(begun.id) << " begins with " << Describe(begun.members);
  MakePartition(known);
}

void Founder::MakePartition(Known& known) {
  const base::PartitionId id = known.group.id;
  if (known.is_making) return;
  if (host_->Find(id) != nullptr) return Complete(known, absl::OkStatus());
  if (store_->DroppedReplica(id) != raft::ReplicaId{}) {
    return Complete(known, absl::FailedPreconditionError(
                               absl::StrCat("this node's replica of ", Name(id),
                                            " left it; a new one can join")));
  }
  known.is_making = true;
  host_->CreateWith(
      id, *known.group.beginning, [this, id](const absl::Status& made) {
        // On the loader, perhaps from within this call.
        Known* const known = Find(id);
        known->is_making = false;
        Complete(*known, absl::IsAlreadyExists(made) ? absl::OkStatus() : made);
      });
}

}  // namespace server::cluster
