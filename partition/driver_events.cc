// What the driver tells those who watch: replica_event.h, and who leads.

#include "partition/driver.h"

namespace partition {

using Kind = ReplicaEvent::Kind;

void Driver::Tell(Kind kind, raft::Index index, raft::ReplicaId peer) const {
  if (on_event_ == nullptr) return;
  const raft::Member* member = core_->configuration().FindMember(peer);
  on_event_({.kind = kind,
             .partition = options_.id,
             .index = index,
             .peer = member == nullptr ? base::NodeId{} : member->node});
}

void Driver::Tell(Kind kind, raft::Index index) const {
  Tell(kind, index, raft::ReplicaId{});
}

void Driver::TellStart() {
  const raft::Index image = checkpointer_.image().position.index;
  if (image != raft::Index{}) Tell(Kind::kImageRecovered, image);
  // One that joined knows nobody yet.
  if (applied_configuration_.members.empty()) return;
  Tell(Kind::kMembersChanged, raft::Index{});
}

void Driver::TellIfReady() {
  if (told_ready_ || !available_.load(std::memory_order_relaxed) ||
      state_machine_->applied_log_index() < ready_from_.value() ||
      core_->configuration().FindMember(self_) == nullptr) {
    return;
  }
  told_ready_ = true;
  Tell(Kind::kReady, raft::Index{});
}

void Driver::TellLogStart(raft::Index first) {
  if (first <= told_log_start_) return;
  told_log_start_ = first;
  Tell(Kind::kLogTrimmed, first);
}

void Driver::TellInstalled(raft::Index image,
                           const raft::Configuration& before) {
  Tell(Kind::kImageReceived, image, core_->leader());
  Tell(Kind::kImageRecovered, image);
  if (applied_configuration_ != before) {
    Tell(Kind::kMembersChanged, raft::Index{});
  }
  TellLogStart(core_->first_index());
}

void Driver::TellLeader() {
  told_leader_ = leader_info();
  for (auto& [id, listener] : listeners_) listener(told_leader_);
}

// A new replica hears its leader before it learns where that is.
void Driver::TellLeaderPlace() {
  if (told_leader_.leader == core_->leader() &&
      told_leader_.term == core_->term() && told_leader_ != leader_info()) {
    TellLeader();
  }
}

}  // namespace partition
