#include "raft/test_group.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "raft/format.h"

namespace raft {

Configuration TestConfiguration(std::vector<uint64_t> voters,
                                std::vector<uint64_t> learners) {
  Configuration configuration;
  for (const uint64_t v : voters) configuration.voters.push_back(ReplicaId(v));
  for (const uint64_t l : learners) {
    configuration.learners.push_back(ReplicaId(l));
  }
  std::vector<uint64_t> all = voters;
  all.insert(all.end(), learners.begin(), learners.end());
  std::sort(all.begin(), all.end());
  for (const uint64_t id : all) {
    configuration.members.push_back(
        Member{.replica = ReplicaId(id),
               .node = base::NodeId(static_cast<uint32_t>(id))});
  }
  return configuration;
}

Proposal TestCommand(absl::string_view text) {
  return {.payload = std::make_shared<const std::string>(text),
          .payload_crc = base::Crc32c(text)};
}

void TestGroup::Add(ReplicaId self, const Configuration& configuration,
                    std::optional<Config> config) {
  disks_.emplace(self, FakeDisk(configuration));
  Node& node = nodes_[self];
  node.config = config.value_or(config_);
  node.config.self = self;
  Restart(self);
}

std::vector<ReplicaId> TestGroup::replicas() const {
  std::vector<ReplicaId> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  return ids;
}

// --- Steps ------------------------------------------------------------------

bool TestGroup::TakeReady(ReplicaId self) {
  ShowClock(self);
  return EndTurn(self);
}

void TestGroup::BeginTurn(ReplicaId self) {
  ShowClock(self);
  mid_turn_ = self;
}

bool TestGroup::EndTurn(ReplicaId self) {
  if (self == mid_turn_) mid_turn_ = ReplicaId{0};
  Node& node = nodes_.at(self);
  if (!node.raft->HasReady()) return false;
  Ready ready = node.raft->TakeReady();
  invariants_.OnReady(self, *node.raft, ready);
  if (trace_) {
    for (const std::string& line : FormatReady(self, ready)) Trace(line);
  }
  for (Message& message : ready.messages) Post(std::move(message));
  if (ready.persist.has_value()) {
    node.writes.push_back({.token = ready.persist,
                           .hard_state = *ready.hard_state,
                           .entries = std::move(ready.entries)});
  }
  for (Message& message : ready.messages_after_persist) {
    // Behind this write, or if there is none behind all earlier ones.
    if (node.writes.empty()) {
      Post(std::move(message));
    } else {
      node.writes.back().messages.push_back(std::move(message));
    }
  }
  for (Entry& entry : ready.committed) {
    node.to_apply.push_back(std::move(entry));
  }
  for (const ReadState& read : ready.reads) {
    invariants_.OnReadAnswered(read);
    node.reads.push_back(read);
  }
  for (const FetchRequest& fetch : ready.fetches) node.fetches.push_back(fetch);
  for (const SnapshotSend& send : ready.snapshot_sends) {
    transfers_.push_back({.leader = self, .send = send});
  }
  if (ready.snapshot_install.has_value()) {
    node.install = std::move(ready.snapshot_install);
  }
  if (ready.removed) node.removed = true;
  AfterStep(self);
  return true;
}

bool TestGroup::CompleteWrite(ReplicaId self) {
  Node& node = nodes_.at(self);
  if (node.raft == nullptr || node.writes.empty()) return false;
  ShowClock(self);
  Write write = std::move(node.writes.front());
  node.writes.pop_front();
  FakeDisk& disk = disks_.at(self);
  if (write.token.has_value()) {
    Trace(absl::StrCat(self.value(), " persisted term ",
                       write.token->term.value(), " index ",
                       write.token->last_index.value()));
    disk.Write(write.hard_state, write.entries);
    node.raft->Persisted(*write.token);
  }
  if (write.install.has_value()) {
    const SnapshotInstall& install = *write.install;
    Trace(absl::StrCat(self.value(), " installed image ",
                       FormatPosition(install.position)));
    disk.Install(install.position, install.configuration);
    node.to_apply.clear();
    node.applied = install.position.index;
    node.raft->SnapshotInstalled(install.position, /*installed=*/true);
    if (node.install.has_value() &&
        node.install->position.index <= node.applied) {
      node.install.reset();
    }
  }
  // They were waiting for exactly this.
  for (Message& message : write.messages) Post(std::move(message));
  AfterStep(self);
  return true;
}

bool TestGroup::Apply(ReplicaId self) {
  Node& node = nodes_.at(self);
  if (node.to_apply.empty()) return false;
  for (const Entry& entry : node.to_apply) {
    CHECK_EQ(entry.index, node.applied + 1);
    node.applied = entry.index;
    if (entry.type == EntryType::kApp) node.log.emplace_back(entry.bytes());
  }
  node.to_apply.clear();
  node.raft->Applied(node.applied);
  AfterStep(self);
  return true;
}

bool TestGroup::Fetch(ReplicaId self) {
  Node& node = nodes_.at(self);
  if (node.fetches.empty()) return false;
  const FetchRequest request = node.fetches.front();
  node.fetches.erase(node.fetches.begin());
  auto entries = disks_.at(self).Read(request.from, request.bytes_max);
  Trace(absl::StrCat(self.value(), " fetched from ", request.from.value(), ": ",
                     entries.ok() ? absl::StrCat(entries->size(), " entries")
                                  : std::string(entries.status().message())));
  node.raft->Fetched(request, std::move(entries));
  AfterStep(self);
  return true;
}

bool TestGroup::ReceiveImage(ReplicaId self, bool accept) {
  Node& node = nodes_.at(self);
  // One at a time: an earlier one that is being written is reported first.
  if (!node.install.has_value() ||
      std::any_of(node.writes.begin(), node.writes.end(),
                  [](const Write& w) { return w.install.has_value(); })) {
    return false;
  }
  const SnapshotInstall install = *std::exchange(node.install, std::nullopt);
  const auto transfer = std::find_if(
      transfers_.begin(), transfers_.end(), [&](const Transfer& t) {
        return t.leader == install.leader && t.send.follower == self &&
               t.send.position == install.position;
      });
  // An image that is not ahead of what is applied is never taken.
  const bool taken = accept && transfer != transfers_.end() &&
                     install.position.index > node.applied;
  if (transfer != transfers_.end()) {
    transfers_.erase(transfer);
    if (is_up(install.leader)) {
      raft(install.leader).SnapshotSent(self, install.position.index, taken);
      AfterStep(install.leader);
    }
  }
  if (taken) {
    node.writes.push_back({.install = install});
  } else {
    Trace(absl::StrCat(self.value(), " refuses image ",
                       FormatPosition(install.position)));
    node.raft->SnapshotInstalled(install.position, /*installed=*/false);
    AfterStep(self);
  }
  return true;
}

void TestGroup::Deliver(size_t i) {
  const Message message = std::move(network_[i]);
  network_.erase(network_.begin() + i);
  Step(message);
}

void TestGroup::Step(const Message& message) {
  const auto it = nodes_.find(message.to);
  if (it == nodes_.end() || it->second.raft == nullptr) return;
  ShowClock(message.to);
  it->second.raft->Step(message);
  AfterStep(message.to);
}

void TestGroup::Tick(ReplicaId self, int ticks) {
  for (int i = 0; i < ticks; ++i) {
    nodes_.at(self).clock_ns += config_.tick_ns;
    ShowClock(self);
    raft(self).Tick(config_.tick_ns);
  }
  AfterStep(self);
}

void TestGroup::Sleep(ReplicaId self, int ticks) {
  nodes_.at(self).clock_ns += static_cast<uint64_t>(ticks) * config_.tick_ns;
}

void TestGroup::Campaign(ReplicaId self) {
  ShowClock(self);
  raft(self).Campaign();
  AfterStep(self);
}

absl::StatusOr<Index> TestGroup::Propose(ReplicaId self,
                                         absl::string_view text) {
  ShowClock(self);
  auto index = raft(self).Propose({TestCommand(text)});
  AfterStep(self);
  return index;
}

absl::StatusOr<Index> TestGroup::ProposeConfChange(
    ReplicaId self, const Configuration& target) {
  ShowClock(self);
  auto index = raft(self).ProposeConfChange(target);
  AfterStep(self);
  return index;
}

void TestGroup::ReadIndex(ReplicaId self, uint64_t context) {
  ShowClock(self);
  invariants_.OnReadAsked(context);
  raft(self).ReadIndex(context);
  AfterStep(self);
}

absl::Status TestGroup::TransferLeadership(ReplicaId self, ReplicaId target) {
  ShowClock(self);
  const absl::Status status = raft(self).TransferLeadership(target);
  AfterStep(self);
  return status;
}

bool TestGroup::Compact(ReplicaId self, Index first_index) {
  Node& node = nodes_.at(self);
  FakeDisk& disk = disks_.at(self);
  const std::optional<Position> image = disk.PositionAt(node.applied);
  // The image is queued behind the entries it contains.
  if (!image.has_value() || image->index <= disk.image().index ||
      node.raft->PositionAt(node.applied) != image) {
    return false;
  }
  first_index = std::min(first_index, image->index + 1);
  // What is in force at the image is what a fresh start up to it would find.
  InitialState at_image = disk.Load();
  Configuration configuration = at_image.configuration;
  for (const Entry& entry : at_image.entries) {
    if (entry.index > image->index) break;
    if (entry.type == EntryType::kConfChange) {
      configuration = *DecodeConfiguration(entry.bytes());
    }
  }
  disk.Compact(*image, configuration, first_index);
  node.raft->Compacted(*image, configuration, first_index);
  AfterStep(self);
  return true;
}

void TestGroup::Crash(ReplicaId self) {
  Trace(absl::StrCat(self.value(), " crashes"));
  Node& node = nodes_.at(self);
  node.raft.reset();
  node.writes.clear();
  node.to_apply.clear();
  node.fetches.clear();
  node.install.reset();
  std::erase_if(transfers_,
                [&](const Transfer& t) { return t.leader == self; });
}

void TestGroup::Restart(ReplicaId self) {
  Node& node = nodes_.at(self);
  CHECK(node.raft == nullptr);
  ++node.lives;
  node.config.seed = config_.seed * 1000003 + self.value() * 1009 + node.lives;
  auto raft = Raft::Create(node.config, disks_.at(self).Load());
  CHECK(raft.ok()) << raft.status();
  node.raft = *std::move(raft);
  node.applied = node.raft->applied_index();
  ShowClock(self);
  invariants_.OnStart(self, *node.raft);
  AfterStep(self);
}

// --- Many steps -------------------------------------------------------------

void TestGroup::Work(ReplicaId self) {
  while (TakeReady(self) || CompleteWrite(self) || Apply(self) || Fetch(self) ||
         ReceiveImage(self, /*accept=*/true)) {
  }
}

void TestGroup::Settle(const std::vector<ReplicaId>& only) {
  const auto runs = [&](ReplicaId id) {
    return only.empty() ||
           std::find(only.begin(), only.end(), id) != only.end();
  };
  bool worked = true;
  while (worked) {
    for (const auto& [id, node] : nodes_) {
      if (node.raft != nullptr && runs(id)) Work(id);
    }
    worked = false;
    for (size_t i = 0; i < network_.size();) {
      if (!runs(network_[i].to)) {
        ++i;
        continue;
      }
      worked = true;
      Deliver(i);
    }
  }
}

void TestGroup::Elect(ReplicaId self) {
  for (int i = 0; i < 100 && raft(self).role() != Role::kLeader; ++i) {
    for (const auto& [id, node] : nodes_) {
      // The others forget the leader they had, but do not stand themselves.
      if (node.raft != nullptr && id != self) {
        Tick(id, static_cast<int>(config_.election_ticks));
      }
    }
    Campaign(self);
    Settle();
  }
  CHECK(raft(self).role() == Role::kLeader);
}

void TestGroup::Cut(ReplicaId a, ReplicaId b) {
  cuts_.emplace_back(a, b);
  cuts_.emplace_back(b, a);
}

void TestGroup::Isolate(ReplicaId self) {
  for (const auto& [id, node] : nodes_) {
    if (id != self) Cut(self, id);
  }
}

ReplicaId TestGroup::leader() const {
  ReplicaId leader;
  Term term;
  for (const auto& [id, node] : nodes_) {
    if (node.raft != nullptr && node.raft->role() == Role::kLeader &&
        node.raft->term() > term) {
      leader = id;
      term = node.raft->term();
    }
  }
  return leader;
}

std::string TestGroup::Describe(ReplicaId self) const {
  const Node& node = nodes_.at(self);
  if (node.raft == nullptr) return absl::StrCat(self.value(), " is down");
  const Raft& raft = *node.raft;
  std::string text = absl::StrCat(
      self.value(), " ", std::string(RoleName(raft.role())),
      " term=", raft.term().value(), " leader=", raft.leader().value(),
      " first=", raft.first_index().value(),
      " last=", FormatPosition(*raft.PositionAt(raft.last_index())),
      " commit=", raft.commit_index().value(),
      " applied=", raft.applied_index().value(),
      " persisted=", raft.persisted_index().value(), " ",
      FormatConfiguration(raft.configuration()),
      raft.has_lease() ? " lease" : "");
  for (const FollowerStatus& follower : raft.followers()) {
    absl::StrAppend(&text, "\n  ", follower.replica.value(), " ",
                    std::string(ProgressStateName(follower.state)),
                    " match=", follower.match_index.value(),
                    " next=", follower.next_index.value(),
                    " inflight=", follower.inflight_messages);
  }
  return text;
}

void TestGroup::ShowClock(ReplicaId self) {
  Node& node = nodes_.at(self);
  if (node.raft == nullptr || !node.config.lease_reads) return;
  node.raft->SetClock(clock_ ? clock_(self) : node.clock_ns);
}

// Whether there is a lease is a question of now. If clocks say what now is, all
// leaders are asked: the step may have been an election.
void TestGroup::AfterStep(ReplicaId self) {
  ShowClock(self);
  invariants_.AfterStep(self, raft(self));
  if (!clock_ || raft(self).role() != Role::kLeader) return;
  for (const auto& [id, node] : nodes_) {
    if (id == self || node.raft == nullptr || id == mid_turn_ ||
        node.raft->role() != Role::kLeader) {
      continue;
    }
    ShowClock(id);
    invariants_.AfterStep(id, *node.raft);
  }
}

void TestGroup::Post(Message message) {
  invariants_.OnSent(message);
  if (IsCut(message)) return;
  network_.push_back(std::move(message));
}

bool TestGroup::IsCut(const Message& message) const {
  return std::find(cuts_.begin(), cuts_.end(),
                   std::pair(message.from, message.to)) != cuts_.end();
}

}  // namespace raft
