#include "raft/conf_change.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace raft {
namespace {

using Replicas = std::vector<ReplicaId>;

Replicas Union(const Replicas& a, const Replicas& b) {
  Replicas both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(),
                 std::back_inserter(both));
  return both;
}

Replicas Intersection(const Replicas& a, const Replicas& b) {
  Replicas both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                        std::back_inserter(both));
  return both;
}

Replicas Difference(const Replicas& a, const Replicas& b) {
  Replicas rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                      std::back_inserter(rest));
  return rest;
}

absl::Status CheckSorted(const char* name, const Replicas& replicas) {
  if (!replicas.empty() && replicas.front() == ReplicaId{0}) {
    return absl::InvalidArgumentError(absl::StrCat(name, " names replica 0"));
  }
  const auto it =
      std::adjacent_find(replicas.begin(), replicas.end(),
                         [](ReplicaId a, ReplicaId b) { return a >= b; });
  if (it == replicas.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " is not in strictly rising order at replica ", it->value()));
}

absl::Status CheckDisjoint(const char* name_a, const Replicas& a,
                           const char* name_b, const Replicas& b) {
  const Replicas both = Intersection(a, b);
  if (both.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "replica ", both.front().value(), " is in ", name_a, " and ", name_b));
}

// Members of `first`, else of `second`, for exactly `replicas`.
std::vector<Member> MembersFor(const Replicas& replicas,
                               const Configuration& first,
                               const Configuration& second) {
  std::vector<Member> members;
  for (const ReplicaId replica : replicas) {
    const Member* member = first.FindMember(replica);
    if (member == nullptr) member = second.FindMember(replica);
    if (member != nullptr) members.push_back(*member);
  }
  return members;
}

}  // namespace

absl::Status ValidateConfiguration(const Configuration& configuration) {
  const Configuration& c = configuration;
  if (c.voters.empty()) return absl::InvalidArgumentError("no voters");
  RETURN_IF_ERROR(CheckSorted("voters", c.voters));
  RETURN_IF_ERROR(CheckSorted("voters_outgoing", c.voters_outgoing));
  RETURN_IF_ERROR(CheckSorted("learners", c.learners));
  RETURN_IF_ERROR(CheckSorted("learners_next", c.learners_next));
  const Replicas voters = VotersOf(c);
  RETURN_IF_ERROR(CheckDisjoint("voters", voters, "learners", c.learners));
  RETURN_IF_ERROR(
      CheckDisjoint("voters", c.voters, "learners_next", c.learners_next));
  if (!Difference(c.learners_next, c.voters_outgoing).empty()) {
    return absl::InvalidArgumentError(
        "learners_next is not in voters_outgoing");
  }
  const Replicas named = ReplicasOf(c);
  if (!std::equal(named.begin(), named.end(), c.members.begin(),
                  c.members.end(), [](ReplicaId replica, const Member& member) {
                    return replica == member.replica;
                  })) {
    return absl::InvalidArgumentError(absl::StrCat(
        "members lists ", c.members.size(), " replicas, not exactly the ",
        named.size(), " that take part, in order"));
  }
  return absl::OkStatus();
}

Configuration StepTowards(const Configuration& current,
                          const Configuration& target) {
  CHECK(!current.is_joint() && !target.is_joint());
  const size_t changed = Difference(current.voters, target.voters).size() +
                         Difference(target.voters, current.voters).size();
  if (changed <= 1) return target;
  Configuration joint;
  joint.voters = target.voters;
  joint.voters_outgoing = current.voters;
  // A voter on its way to learner keeps its vote until the end.
  joint.learners = Difference(target.learners, current.voters);
  joint.learners_next = Intersection(target.learners, current.voters);
  joint.members = MembersFor(ReplicasOf(joint), target, current);
  return joint;
}

Configuration LeaveJoint(const Configuration& joint) {
  CHECK(joint.is_joint());
  Configuration final;
  final.voters = joint.voters;
  final.learners = Union(joint.learners, joint.learners_next);
  final.members = MembersFor(ReplicasOf(final), joint, joint);
  return final;
}

std::vector<ReplicaId> VotersOf(const Configuration& configuration) {
  return Union(configuration.voters, configuration.voters_outgoing);
}

std::vector<ReplicaId> ReplicasOf(const Configuration& configuration) {
  return Union(VotersOf(configuration),
               Union(configuration.learners, configuration.learners_next));
}

}  // namespace raft
