#include "sim/machine.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sim {

Machine::Machine(EventLoop& loop, Network& network,
                 const session::Registry& registry, const Scenario& scenario,
                 const NodeOptions& options, const Groups& groups,
                 uint64_t seed, Judge& judge)
    : loop_(loop),
      scenario_(scenario),
      groups_(groups),
      random_(seed),
      judge_(judge),
      node_(std::make_unique<Node>(loop, network, registry, options,
                                   random_.Next(), *this)) {
  node_->set_on_open([this](storage::LogStore& store) {
    for (const auto& [id, group] : groups_) {
      group->OnStart(node_->id(), store);
    }
  });
  node_->set_on_exit([this](absl::Status status) {
    loop_.Trace("exit", node_->id().value());
    if (!std::exchange(failing_sync_, false)) {
      judge_.Fail(absl::StrCat("the process of node ", node_->id().value(),
                               " ended itself: ", status.ToString()));
    }
    ComeBackLater();
  });
}

void Machine::Start() {
  loop_.Trace("start", node_->id().value());
  if (absl::Status status = node_->Start(); !status.ok()) {
    judge_.Fail(absl::StrCat("node ", node_->id().value(),
                             " does not start: ", status.ToString()));
    node_->Crash(Disk::Loss::kNothing);
  }
}

void Machine::ComeBackLater() {
  ++crashes_;
  if (coming_back_) return;
  coming_back_ = true;
  loop_.After(random_.Between(1, scenario_.down_ns_max), [this] {
    coming_back_ = false;
    if (!node_->is_up() && !judge_.failed()) Start();
  });
}

void Machine::Crash() {
  static constexpr Disk::Loss kLosses[] = {
      Disk::Loss::kNothing, Disk::Loss::kSome, Disk::Loss::kUnsynced};
  const Disk::Loss loss = kLosses[random_.Below(3)];
  loop_.Trace("crash", node_->id().value() * 10 + static_cast<uint64_t>(loss));
  crash_at_.reset();
  failing_sync_ = false;
  node_->Crash(loss);
  ComeBackLater();
}

void Machine::Restart() {
  const uint64_t grace_ns = random_.Below(100 * kMillis);
  loop_.Trace("stop", node_->id().value());
  node_->Stop(grace_ns);
  loop_.After(grace_ns + 1, [this] {
    if (!node_->is_up()) ComeBackLater();
  });
}

void Machine::CrashAt(DiskMoment moment, uint64_t countdown) {
  crash_at_ = moment;
  crash_countdown_ = countdown;
}

void Machine::FailSync() {
  failing_sync_ = true;
  node_->disk().FailNextSync();
}

void Machine::Calm() {
  crash_at_.reset();
  node_->disk().Calm();
}

void Machine::Audit() {
  if (!node_->is_up() || failing_sync_) return;
  for (const auto& [id, group] : groups_) {
    if (group->has_replica(node_->id())) {
      group->Audit(node_->id(), node_->store());
    }
  }
}

// --- DiskObserver ------------------------------------------------------------

void Machine::OnQueued(const DiskWrite& write) {
  groups_.at(write.partition)->OnQueued(node_->id(), write);
}

void Machine::OnDurable(const DiskWrite& write) {
  groups_.at(write.partition)->OnDurable(node_->id(), write);
  loop_.Trace("durable", write.entries.size());
}

void Machine::OnCreated(base::PartitionId partition, raft::ReplicaId replica) {
  groups_.at(partition)->OnCreated(node_->id(), replica);
  loop_.Trace("created", replica.value());
}

void Machine::OnDropped(base::PartitionId partition, raft::ReplicaId replica) {
  groups_.at(partition)->OnDropped(node_->id(), replica);
  loop_.Trace("dropped", replica.value());
}

bool Machine::FailsHere(DiskMoment moment) {
  if (!crash_at_.has_value() || *crash_at_ != moment) return false;
  if (crash_countdown_ > 0) {
    --crash_countdown_;
    return false;
  }
  Crash();
  return true;
}

}  // namespace sim
