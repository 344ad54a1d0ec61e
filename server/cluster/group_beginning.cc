#include "server/cluster/group_beginning.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "raft/types.h"

namespace server::cluster {
namespace {

using storage::GroupRole;

// Its replicas are 1, 2 ...: the first one should lead.
absl::StatusOr<raft::Configuration> Decide(
    const storage::Group& group, const std::vector<FirstMember>& members) {
  raft::Configuration configuration;
  bool somebody_may_lead = false;
  for (size_t i = 0; i < group.members.size(); ++i) {
    const storage::GroupMember& named = group.members[i];
    const auto member = std::find_if(
        members.begin(), members.end(),
        [&](const FirstMember& one) { return one.node == named.node; });
    CHECK(member != members.end());
    const raft::ReplicaId replica(i + 1);
    (member->role == GroupRole::kObserver ? configuration.learners
                                          : configuration.voters)
        .push_back(replica);
    configuration.members.push_back(
        {.replica = replica,
         .node = named.node,
         .incarnation = member->incarnation,
         .peer_address = named.peer_address,
         .api_address = member->api_address,
         .priority = member->role == GroupRole::kWitness ? 0u : 1u});
    somebody_may_lead |= member->role == GroupRole::kMember;
  }
  if (somebody_may_lead) return configuration;
  return absl::FailedPreconditionError(
      absl::StrCat("group ", group.id.value(),
                   " has no member whose role is MEMBER, so nobody could lead "
                   "it: bootstrap one of them as MEMBER"));
}

absl::Status CheckAdopts(const storage::Group& group, const FirstMember& self,
                         const raft::Configuration& beginning) {
  for (const raft::Member& member : beginning.members) {
    if (member.node != self.node) continue;
    if (member.incarnation == self.incarnation) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "group ", group.id.value(),
        " began with another data directory of member ", self.node.value(),
        ", and this one is empty: start the node with the old directory, or, "
        "if that is lost, give it a new replica: `multiraftctl member replace ",
        self.node.value(), " ", self.node.value(), " ", group.AddressOfSelf(),
        " --partition=", group.id.value(), "`"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("group ", group.id.value(), " began without member ",
                   self.node.value(), ": it can join"));
}

}  // namespace

absl::StatusOr<std::optional<raft::Configuration>> BeginningOf(
    const storage::Group& group, const FirstMember& self,
    const std::vector<FirstMember>& others) {
  for (const FirstMember& member : others) {
    if (!member.beginning.has_value()) continue;
    absl::Status adopts = CheckAdopts(group, self, *member.beginning);
    if (!adopts.ok()) return adopts;
    return member.beginning;
  }
  const bool is_lowest = group.members.front().node == self.node;
  if (!is_lowest || others.size() + 1 < group.members.size()) {
    return std::nullopt;
  }
  std::vector<FirstMember> all = others;
  all.push_back(self);
  absl::StatusOr<raft::Configuration> decided = Decide(group, all);
  if (!decided.ok()) return decided.status();
  return *std::move(decided);
}

std::string Describe(const std::vector<storage::GroupMember>& members) {
  return absl::StrJoin(
      members, ", ", [](std::string* out, const storage::GroupMember& member) {
        absl::StrAppend(out, member.node.value(), "=", member.peer_address);
      });
}

std::vector<storage::GroupMember> MembersOf(
    const raft::Configuration& configuration) {
  std::vector<storage::GroupMember> members;
  for (const raft::Member& member : configuration.members) {
    members.push_back(
        {.node = member.node, .peer_address = member.peer_address});
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.node < b.node; });
  return members;
}

}  // namespace server::cluster
