#include "raft/core_simulation.h"

#include <algorithm>
#include <iostream>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/conf_change.h"

namespace raft {
namespace {

constexpr int kSteps = 6000;
constexpr size_t kMessagesMax = 300;  // On the network; then some are lost.

}  // namespace

CoreSimulation::CoreSimulation(uint64_t seed, bool tell)
    : random_(seed), config_(DrawConfig()), group_(config_) {
  if (tell) {
    group_.set_trace(
        [](const std::string& line) { std::cout << line << "\n"; });
  }
  const uint64_t voters = random_.Between(1, 5);
  std::vector<uint64_t> ids;
  for (uint64_t id = 1; id <= voters; ++id) ids.push_back(id);
  initial_ = TestConfiguration(ids);
  for (const uint64_t id : ids) group_.Add(ReplicaId(id), initial_);
  lossy_ = random_.OneIn(2);
  reorders_ = random_.OneIn(2);
  crashes_ = random_.OneIn(2);
  changes_ = random_.OneIn(2);
  slow_disk_ = random_.OneIn(3);
  splits_ = random_.OneIn(2);
  deposes_ = random_.OneIn(config_.lease_reads ? 1 : 3);
  // Replicas tick at random: faster than their clocks go, or more slowly.
  step_ns_max_ =
      random_.Between(1, random_.OneIn(4) ? 300 : 30) * config_.tick_ns / 1000;
  group_.set_clock([this](ReplicaId id) { return ClockOf(id); });
}

uint64_t CoreSimulation::ClockOf(ReplicaId id) const {
  const uint64_t percent = 90 + (id.value() * 7 + config_.seed) % 21;
  return 1 + now_ns_ / 100 * percent;
}

CoreSimulation::Reached CoreSimulation::reached() {
  reached_.commits = group_.invariants().commit_index().value();
  for (const ReplicaId id : group_.replicas()) {
    if (!group_.is_up(id)) continue;
    reached_.terms = std::max(reached_.terms, group_.raft(id).term().value());
  }
  return reached_;
}

std::string CoreSimulation::Trouble() {
  for (int i = 0; i < kSteps; ++i) {
    ++reached_.steps;
    Step();
    if (!group_.invariants().violation().empty()) {
      return absl::StrCat("step ", i, ": ", group_.invariants().violation());
    }
  }
  return "";
}

std::string CoreSimulation::Converge() {
  Calm();
  for (int round = 0; round < 600; ++round) {
    now_ns_ += config_.tick_ns;
    for (const ReplicaId id : group_.replicas()) {
      if (group_.is_up(id)) group_.Tick(id);
    }
    group_.Settle();
    if (!group_.invariants().violation().empty()) {
      return group_.invariants().violation();
    }
    const ReplicaId leader = group_.leader();
    if (leader == ReplicaId{0}) continue;
    // A replica newer than the image waits for the next one.
    if (round % 50 == 49) {
      group_.Compact(leader, group_.disk(leader).last_index());
    }
    if (round % 50 == 25) TellStrangers(leader);
    if (round % 20 == 10) {
      Lengthen(leader);
      if (HasConverged(leader)) return "";
    }
  }
  std::string state = "no convergence";
  for (const ReplicaId id : group_.replicas()) {
    absl::StrAppend(&state, "\n", group_.Describe(id));
  }
  return state;
}

Config CoreSimulation::DrawConfig() {
  Config config{.partition = base::PartitionId{3}};
  config.seed = random_.Next();
  config.election_ticks = static_cast<uint32_t>(random_.Between(3, 12));
  config.heartbeat_ticks = static_cast<uint32_t>(random_.Between(1, 2));
  config.pre_vote = !random_.OneIn(4);
  config.check_quorum = !random_.OneIn(4);
  config.message_bytes_max = random_.Between(1, 1000);
  config.inflight_messages_max = random_.Between(1, 10);
  config.inflight_bytes_max = random_.Between(1, 3000);
  config.uncommitted_bytes_max = random_.Between(1, 5000);
  config.committed_bytes_max = random_.Between(1, 2000);
  config.log_memory_bytes = random_.OneIn(2) ? 0 : random_.Below(3000);
  config.lease_reads = config.check_quorum && !random_.OneIn(3);
  return config;
}

ReplicaId CoreSimulation::Any() {
  const std::vector<ReplicaId> all = group_.replicas();
  return all[random_.Below(all.size())];
}

void CoreSimulation::Step() {
  now_ns_ += random_.Below(step_ns_max_);
  if (resting_ != ReplicaId{0} && random_.OneIn(30)) GetUp();
  const ReplicaId self = Any();
  if (self == resting_) return;
  if (!group_.is_up(self)) {
    if (random_.OneIn(20)) group_.Restart(self);
    return;
  }
  const uint64_t dice = random_.Below(1000);
  if (dice < 250) {
    if (resting_ == ReplicaId{0} && random_.OneIn(20)) return Rest(self);
    group_.TakeReady(self);
    for (const ReadState& read : std::exchange(group_.node(self).reads, {})) {
      reached_.reads += read.index.has_value();
    }
  } else if (dice < 550) {
    DeliverOne();
  } else if (dice < 700) {
    if (!slow_disk_ || random_.OneIn(4)) group_.CompleteWrite(self);
  } else if (dice < 760) {
    group_.Apply(self);
  } else if (dice < 820) {
    group_.Tick(self);
  } else if (dice < 880) {
    (void)group_.Propose(MostlyLeader(self),
                         std::string(random_.Below(99), 'x'));
  } else if (dice < 910) {
    const ReplicaId asked = MostlyALeader(self);
    group_.ReadIndex(asked, ++reads_);
    reached_.leased += group_.raft(asked).has_lease();
  } else if (dice < 940) {
    reached_.fetches += group_.Fetch(self);
  } else if (dice < 950) {
    reached_.images += group_.ReceiveImage(self, !random_.OneIn(4));
  } else if (dice < 960) {
    const Index applied = group_.node(self).applied;
    group_.Compact(self, random_.OneIn(2)
                             ? applied + 1
                             : Index{random_.Below(applied.value() + 2)});
  } else {
    Upset(self, random_.Below(44));
  }
}

// Stands still, with a read that waits, behind its look at the clock: whatever
// happens elsewhere meanwhile, the read was asked for before that.
void CoreSimulation::Rest(ReplicaId self) {
  resting_ = self;
  group_.ReadIndex(self, ++reads_);
  group_.BeginTurn(self);
}

void CoreSimulation::GetUp() {
  group_.EndTurn(std::exchange(resting_, ReplicaId{0}));
}

ReplicaId CoreSimulation::MostlyLeader(ReplicaId self) {
  const ReplicaId leader = group_.leader();
  return leader == ReplicaId{0} || leader == resting_ || random_.OneIn(4)
             ? self
             : leader;
}

ReplicaId CoreSimulation::MostlyALeader(ReplicaId self) {
  std::vector<ReplicaId> leaders;
  for (const ReplicaId id : group_.replicas()) {
    if (group_.is_up(id) && id != resting_ &&
        group_.raft(id).role() == Role::kLeader) {
      leaders.push_back(id);
    }
  }
  if (leaders.empty() || random_.OneIn(4)) return self;
  return leaders[random_.Below(leaders.size())];
}

void CoreSimulation::DeliverOne() {
  auto& network = group_.network();
  if (network.empty()) return;
  while (network.size() > kMessagesMax) {
    // What waits is what others overtake.
    const auto passes = std::find_if(
        network.begin(), network.end(),
        [this](const Message& message) { return message.to != deaf_; });
    network.erase(passes == network.end() ? network.begin() : passes);
  }
  size_t i = reorders_ ? random_.Below(network.size()) : 0;
  while (i < network.size() &&
         (network[i].to == deaf_ || network[i].to == resting_)) {
    ++i;
  }
  if (i == network.size()) return;
  if (lossy_ && random_.OneIn(10)) {
    network.erase(network.begin() + i);
  } else if (lossy_ && random_.OneIn(10)) {
    group_.Step(Message(network[i]));  // And again, later.
  } else {
    group_.Deliver(i);
  }
}

void CoreSimulation::Upset(ReplicaId self, uint64_t dice) {
  if (dice < 3 && crashes_) {
    ++reached_.crashes;
    group_.Crash(self);
  } else if (dice < 5 && lossy_) {
    group_.Cut(self, Any());
  } else if (dice < 6 && lossy_) {
    group_.Isolate(self);
  } else if (dice < 10) {
    if (random_.OneIn(4)) deaf_ = ReplicaId{0};
    group_.Heal();
  } else if (dice < 12) {
    group_.Campaign(self);
  } else if (dice < 15) {
    const ReplicaId from = MostlyLeader(self);
    reached_.transfers += group_.TransferLeadership(from, Any()).ok();
  } else if (dice < 25 && changes_) {
    ChangeConfiguration(MostlyALeader(self));
  } else if (dice < 35) {
    group_.Tick(self, static_cast<int>(config_.election_ticks));
  } else if (dice < 37 && splits_) {
    Split();
  } else if (dice < 39 && splits_) {
    deaf_ = MostlyALeader(self);
  } else if (dice >= 40 && deposes_) {
    const ReplicaId leader = group_.leader();
    if (leader == ReplicaId{0} || leader == resting_) return;
    dice < 43 ? Depose(leader) : HandOverLate(leader);
    AskTheOld(leader);
  }
}

// In two, anyhow: a leader may keep all learners and lose all voters.
void CoreSimulation::Split() {
  std::vector<ReplicaId> one;
  std::vector<ReplicaId> other;
  for (const ReplicaId id : group_.replicas()) {
    (random_.OneIn(2) ? one : other).push_back(id);
  }
  for (const ReplicaId a : one) {
    for (const ReplicaId b : other) group_.Cut(a, b);
  }
}

std::vector<ReplicaId> CoreSimulation::AllBut(ReplicaId one) {
  std::vector<ReplicaId> all = group_.replicas();
  std::erase_if(all, [&](ReplicaId id) { return id == one || id == resting_; });
  return all;
}

// Time passes, and nobody does anything: often so much that who keeps to it by
// another clock is wrong.
void CoreSimulation::PassTime() {
  if (random_.OneIn(3)) return;
  now_ns_ += random_.Below(2 * config_.election_ticks * config_.tick_ns);
}

// The leader is not heard any more, or does not hear, by all voters or by some,
// and they try at once to elect another one, who writes.
void CoreSimulation::Depose(ReplicaId leader) {
  const std::vector<ReplicaId> others = AllBut(leader);
  std::vector<ReplicaId> near = others;  // They hear its last heartbeats.
  if (near.size() > 1 && random_.OneIn(2)) {
    near.erase(near.begin() + static_cast<int64_t>(random_.Below(near.size())));
  }
  const auto beat = [&](bool is_answered) {
    group_.Tick(leader, static_cast<int>(config_.heartbeat_ticks));
    group_.TakeReady(leader);
    group_.Settle(near);
    if (is_answered) group_.Settle({leader});
  };
  if (random_.OneIn(2)) beat(/*is_answered=*/true);
  const Configuration configuration = group_.raft(leader).configuration();
  const bool is_deaf = random_.OneIn(2);
  if (is_deaf) deaf_ = leader;
  for (const ReplicaId id : others) {
    if (is_deaf) break;
    if (configuration.IsVoter(id) || random_.OneIn(2)) group_.Cut(leader, id);
  }
  if (random_.OneIn(2)) {
    if (random_.OneIn(2)) PassTime();
    beat(/*is_answered=*/!is_deaf);
  }
  if (random_.OneIn(3)) {
    for (const ReplicaId id : others) {
      if (!group_.is_up(id) || random_.OneIn(2)) continue;
      ++reached_.crashes;
      group_.Crash(id);
      group_.Restart(id);
    }
  }
  PassTime();
  Elect(others);
}

// A transfer that is given up, and whose order to stand arrives after all.
void CoreSimulation::HandOverLate(ReplicaId leader) {
  const ReplicaId target = Any();
  if (target == leader || target == resting_ || !group_.is_up(target)) return;
  if (!group_.TransferLeadership(leader, target).ok()) return;
  ++reached_.transfers;
  group_.TakeReady(leader);
  deaf_ = target;
  const std::vector<ReplicaId> others = AllBut(target);
  for (uint32_t i = 0; i < config_.election_ticks; ++i) {
    if (group_.raft(leader).role() != Role::kLeader) break;
    group_.Tick(leader);
    if (random_.OneIn(2)) group_.Settle(others);
  }
  group_.Settle(others);
  deaf_ = ReplicaId{0};
  group_.Isolate(leader);
  group_.Settle(AllBut(leader));
}

// They wait until they hear nobody, and stand one after the other.
void CoreSimulation::Elect(const std::vector<ReplicaId>& candidates) {
  for (const int ticks : {1, 2}) {
    for (const ReplicaId id : candidates) {
      if (!group_.is_up(id) || random_.OneIn(4)) continue;
      group_.Tick(id, ticks * static_cast<int>(config_.election_ticks));
      if (ticks > 1) group_.Settle(candidates);
    }
  }
  const ReplicaId leader = group_.leader();
  if (leader == ReplicaId{0} || leader == resting_) return;
  (void)group_.Propose(leader, "new");
  group_.Settle(candidates);
}

// Who was deposed, or was not, hears something of before, perhaps, and is
// asked.
void CoreSimulation::AskTheOld(ReplicaId leader) {
  if (!group_.is_up(leader)) return;
  for (uint64_t i = random_.Below(9); i > 0; --i) DeliverOneTo(leader);
  group_.ReadIndex(leader, ++reads_);
  group_.TakeReady(leader);
}

void CoreSimulation::DeliverOneTo(ReplicaId self) {
  auto& network = group_.network();
  const auto found =
      std::find_if(network.begin(), network.end(),
                   [&](const Message& message) { return message.to == self; });
  if (found != network.end()) group_.Deliver(found - network.begin());
}

// Some of the members there are, and sometimes a new one, whose id is the
// index of the entry that adds it. Who is out never comes back (P45).
void CoreSimulation::ChangeConfiguration(ReplicaId leader) {
  std::vector<uint64_t> voters;
  std::vector<uint64_t> learners;
  const auto place = [&](ReplicaId id) {
    const uint64_t part = random_.Below(8);
    if (part < 5) {
      voters.push_back(id.value());
    } else if (part < 7) {
      learners.push_back(id.value());
    }
  };
  for (const ReplicaId id : ReplicasOf(group_.raft(leader).configuration())) {
    place(id);
  }
  const ReplicaId fresh{group_.raft(leader).last_index().value() + 1};
  const bool joins = group_.replicas().size() < 9 &&
                     fresh > group_.replicas().back() && random_.OneIn(2);
  if (joins) place(fresh);
  if (voters.empty()) return;
  const auto index =
      group_.ProposeConfChange(leader, TestConfiguration(voters, learners));
  reached_.changes += index.ok();
  // Some have heard no more than that they are to be there.
  if (index.ok() && joins) {
    group_.Add(fresh, random_.OneIn(2) ? initial_ : Configuration());
  }
}

void CoreSimulation::Calm() {
  deaf_ = ReplicaId{0};
  if (resting_ != ReplicaId{0}) GetUp();
  group_.Heal();
  for (const ReplicaId id : group_.replicas()) {
    if (!group_.is_up(id)) group_.Restart(id);
  }
  group_.Settle();
}

// Until every name that was ever given to a replica is taken in the log: that
// of one whose entry was lost shows only then that it is no member.
void CoreSimulation::Lengthen(ReplicaId leader) {
  const Index last{group_.replicas().back().value()};
  while (group_.Propose(leader, "last").ok()) {
    group_.Settle();
    if (group_.raft(leader).commit_index() >= last) return;
  }
}

// The owner of who was removed hears elsewhere who leads: all the members
// that it knew may be gone.
void CoreSimulation::TellStrangers(ReplicaId leader) {
  for (const ReplicaId id : group_.replicas()) {
    if (id != leader) group_.raft(id).HearOf(leader);
  }
}

// And whoever was removed is told so.
bool CoreSimulation::StrangersAreTold(const Configuration& configuration) {
  for (const ReplicaId id : group_.replicas()) {
    if (configuration.FindMember(id) == nullptr && !group_.node(id).removed) {
      return false;
    }
  }
  return true;
}

bool CoreSimulation::HasConverged(ReplicaId leader) {
  const Raft& raft = group_.raft(leader);
  const Configuration& configuration = raft.configuration();
  if (raft.role() != Role::kLeader || configuration.is_joint() ||
      raft.commit_index() != raft.last_index() ||
      raft.commit_index() != group_.invariants().commit_index() ||
      !StrangersAreTold(configuration)) {
    return false;
  }
  for (const ReplicaId id : ReplicasOf(configuration)) {
    const Raft& other = group_.raft(id);
    if (other.applied_index() != raft.last_index() ||
        other.PositionAt(other.last_index()) !=
            raft.PositionAt(raft.last_index()) ||
        other.configuration() != configuration) {
      return false;
    }
  }
  return true;
}

}  // namespace raft
