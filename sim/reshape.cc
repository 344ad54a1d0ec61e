#include "sim/reshape.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "partition/partition.h"
#include "sim/group.h"

namespace sim {
namespace {

constexpr size_t kVotersWanted = 3;
// How often what is missing in the end is asked for.
constexpr uint64_t kAskAgainNs = 200 * kMillis;

}  // namespace

Reshape::Reshape(EventLoop& loop, const Scenario& scenario,
                 std::vector<std::unique_ptr<Machine>>& machines,
                 const Groups& groups, uint64_t seed)
    : loop_(loop),
      scenario_(scenario),
      machines_(machines),
      groups_(groups),
      random_(seed) {}

raft::Member Reshape::MemberOn(base::NodeId node) {
  return {.node = node,
          .incarnation = 1,
          .peer_address = absl::StrCat("peer-", node.value(), ":1"),
          .api_address = absl::StrCat("api-", node.value(), ":1")};
}

void Reshape::Start() {
  if (scenario_.member_change_ns_mean != 0) Later();
}

void Reshape::Later() {
  loop_.After(random_.Below(2 * scenario_.member_change_ns_mean), [this] {
    if (calm_) return;
    Later();
    AskForAny();
  });
}

base::NodeId Reshape::AnyNode() {
  return machines_[random_.Below(machines_.size())]->node().id();
}

partition::MemberChange Reshape::DrawChange() {
  using Kind = partition::MemberChange::Kind;
  static constexpr Kind kKinds[] = {
      Kind::kAdd,        Kind::kAdd,     Kind::kAdd,
      Kind::kAddLearner, Kind::kPromote, Kind::kRemove,
      Kind::kRemove,     Kind::kReplace, Kind::kReplace};
  return {.kind = kKinds[random_.Below(std::size(kKinds))],
          .node = AnyNode(),
          .member = MemberOn(AnyNode())};
}

void Reshape::AskForAny() {
  const base::PartitionId id{
      static_cast<uint32_t>(random_.Between(1, scenario_.partitions))};
  partition::MemberChange change = DrawChange();
  loop_.Trace("members", id.value() * 100 + static_cast<uint64_t>(change.kind));
  Ask(id, std::move(change));
}

void Reshape::Ask(base::PartitionId id, partition::MemberChange change) {
  for (const auto& machine : machines_) {
    const auto partition = machine->node().Find(id);
    if (partition == nullptr || !partition->serving()) continue;
    return partition->ChangeMembers(
        std::move(change),
        [this](const absl::StatusOr<raft::Configuration>& now) {
          loop_.Trace("changed", static_cast<uint64_t>(now.status().code()));
          if (now.ok()) ++done_count_;
        });
  }
}

void Reshape::Calm() {
  calm_ = true;
  if (scenario_.member_change_ns_mean != 0) Restore();
}

size_t Reshape::voters_wanted() const {
  return std::min(kVotersWanted, machines_.size());
}

bool Reshape::is_done() const {
  return std::all_of(groups_.begin(), groups_.end(), [this](const auto& one) {
    const raft::Configuration& now = one.second->consensus().configuration();
    return !now.is_joint() && now.voters.size() >= voters_wanted();
  });
}

void Reshape::Restore() {
  for (const auto& [id, group] : groups_) {
    const raft::Configuration& now = group->consensus().configuration();
    if (now.voters.size() >= voters_wanted()) continue;
    for (const auto& machine : machines_) {
      const base::NodeId node = machine->node().id();
      const auto member = std::find_if(
          now.members.begin(), now.members.end(),
          [node](const raft::Member& one) { return one.node == node; });
      if (member != now.members.end() && now.IsVoter(member->replica)) continue;
      Ask(id, {.kind = partition::MemberChange::Kind::kAdd,
               .member = MemberOn(node)});
      break;
    }
  }
  loop_.After(kAskAgainNs, [this] { Restore(); });
}

}  // namespace sim
