#include "sim/group.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/sim_clock.h"

namespace sim {

Group::Group(base::PartitionId id, const raft::Configuration& configuration,
             EventLoop& loop, const Scenario& scenario,
             const session::Registry& registry, uint64_t seed, Judge& judge)
    : id_(id),
      configuration_(configuration),
      loop_(loop),
      scenario_(scenario),
      random_(seed),
      judge_(judge),
      consensus_(id, configuration, judge,
                 [this](const raft::Entry& entry) { replay_.Append(entry); }),
      replay_(id, registry, scenario.partition.limits, consensus_, judge),
      workload_(loop, registry, scenario.workload, random_.Next(), judge) {
  for (const raft::Member& member : configuration_.members) {
    replicas_[member.node] = member.replica;
  }
}

std::string Group::Name(absl::string_view what) const {
  return absl::StrCat("p", id_.value(), "-", what);
}

// --- What it watches ---------------------------------------------------------

raft::ReplicaId Group::ReplicaOn(base::NodeId node) const {
  const auto found = replicas_.find(node);
  return found == replicas_.end() ? raft::ReplicaId{} : found->second;
}

bool Group::has_replica(base::NodeId node) const {
  return ReplicaOn(node) != raft::ReplicaId{};
}

void Group::OnQueued(base::NodeId node, const DiskWrite& write) {
  consensus_.OnQueued(ReplicaOn(node), write);
}

void Group::OnDurable(base::NodeId node, const DiskWrite& write) {
  consensus_.OnDurable(ReplicaOn(node), write);
  if (write.image.has_value()) replay_.OnImage(*write.image);
}

void Group::OnCreated(base::NodeId node, raft::ReplicaId replica) {
  if (!made_.insert(replica).second) {
    judge_.Fail(absl::StrCat("partition ", id_.value(), ": replica ",
                             replica.value(), " is made on node ", node.value(),
                             ", and was before (P45)"));
  }
  replicas_[node] = replica;
}

void Group::OnDropped(base::NodeId node, raft::ReplicaId replica) {
  ++drop_count_;
  replicas_.erase(node);
  if (consensus_.configuration().FindMember(replica) != nullptr) {
    judge_.Fail(absl::StrCat("partition ", id_.value(), ": replica ",
                             replica.value(), " on node ", node.value(),
                             " is a member, and was dropped"));
  }
}

std::optional<storage::StoredPartition> Group::Load(base::NodeId node,
                                                    storage::LogStore& store) {
  if (!has_replica(node)) return std::nullopt;
  auto stored = store.LoadPartition(id_);
  if (stored.ok()) return *std::move(stored);
  // It was being dropped, and that is durable or not known yet.
  if (absl::IsNotFound(stored.status()) &&
      store.DroppedReplica(id_) >= ReplicaOn(node)) {
    return std::nullopt;
  }
  judge_.Fail(
      absl::StrCat("partition ", id_.value(),
                   ": the disk does not load: ", stored.status().ToString()));
  return std::nullopt;
}

void Group::OnStart(base::NodeId node, storage::LogStore& store) {
  // One may have been made by a process that did not live to know it.
  if (const auto made = store.LoadPartition(id_);
      made.ok() && !has_replica(node)) {
    OnCreated(node, made->replica);
  }
  const auto stored = Load(node, store);
  if (!stored.has_value()) {
    replicas_.erase(node);
    return;
  }
  consensus_.OnStart(ReplicaOn(node), *stored);
  replay_.Audit(store, *stored);
}

void Group::Audit(base::NodeId node, storage::LogStore& store) {
  const auto stored = Load(node, store);
  if (!stored.has_value()) return;
  consensus_.Compare(ReplicaOn(node), *stored);
  replay_.Audit(store, *stored);
}

void Group::OnAnswer(session::CommandKey command,
                     const session::Result& result) {
  replay_.OnAnswer(command, result);
}

void Group::OnIndex(uint64_t index, uint64_t before) {
  if (index < before) {
    judge_.Fail(absl::StrCat("partition ", id_.value(),
                             ": the client-visible index went back from ",
                             before, " to ", index));
  }
  seen_index_ = std::max(seen_index_, index);
}

// --- What it does ------------------------------------------------------------

void Group::Populate(std::vector<Node*> nodes, const LinkFaults& faults) {
  nodes_ = std::move(nodes);
  faults_ = faults;
  workload_.AddCounter(Name("tally"), true);
  workload_.AddCounter(Name("counter"), false);
  for (uint64_t i = 0; i < scenario_.maps; ++i) {
    workload_.AddMap(Name(absl::StrCat("map", i)), i > 0);
  }
  for (uint64_t i = 0; i < scenario_.maps; ++i) {
    workload_.AddChronicler(NewClient(absl::StrCat("chronicler", i)),
                            Name(absl::StrCat("map", i)));
  }
  for (uint64_t i = 0; i < scenario_.workers; ++i) {
    workload_.AddWorker(NewClient(absl::StrCat("worker", i)));
  }
  if (scenario_.lock_users > 0) workload_.AddLock(Name("lock"));
  for (uint64_t i = 0; i < scenario_.lock_users; ++i) {
    workload_.AddLockUser(NewClient(absl::StrCat("lock-user", i), false));
  }
  for (uint64_t i = 0; i < scenario_.sleepers; ++i) AddSleeper();
}

void Group::AddSleeper() {
  workload_.AddSleeper(NewClient(absl::StrCat("sleeper", clients_.size())),
                       random_.Below(scenario_.session_timeout_ns));
}

void Group::ReadAll() {
  final_state_.reset();
  workload_.ReadAll(NewClient("reader"), [this](FinalState state) {
    final_state_ = std::move(state);
  });
}

void Group::Calm() {
  calm_ = true;
  workload_.Finish();
  for (auto& link : links_) link->Calm();
}

bool Group::has_pending() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const auto& client) {
    return client->pending_count() > 0;
  });
}

bool Group::is_level() const {
  const auto& members = consensus_.configuration().members;
  return std::all_of(
      members.begin(), members.end(), [this](const raft::Member& member) {
        return consensus_.durable_last(member.replica) >= consensus_.chosen();
      });
}

uint64_t Group::sessions_lost() const {
  uint64_t lost = 0;
  for (const auto& client : clients_) lost += client->sessions_lost();
  return lost;
}

Client& Group::NewClient(absl::string_view name, bool gives_up) {
  links_.push_back(std::make_unique<Link>(loop_, nodes_, id_, scenario_.link,
                                          faults_, random_.Next(), *this));
  if (calm_) links_.back()->Calm();
  const ClientOptions options{
      .session_timeout_ns = scenario_.session_timeout_ns,
      .give_up_one_in = gives_up ? scenario_.give_up_one_in : 0,
      .early_factor =
          static_cast<double>(SimClock::kTrueRatePpm) / Scenario::kRatePpmMax,
      .early_slack_ns = 2 * scenario_.partition.raft.tick_ns};
  clients_.push_back(std::make_unique<Client>(
      loop_, *links_.back(), options, Name(name), random_.Next(), judge_));
  return *clients_.back();
}

}  // namespace sim
