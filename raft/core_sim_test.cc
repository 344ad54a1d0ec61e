// Random histories of a group of cores: loss, duplication, reordering, cuts,
// crashes that lose what is not on disk, slow disks, images, configuration
// changes, transfers. Every seed draws its own sizes and its own kind of
// trouble. It is judged twice: no promise is ever broken, and when the trouble
// ends the group converges.
//
//   bazel run //raft:core_sim_test -- --seed=17           replays and tells
//   bazel run //raft:core_sim_test -- --seeds=100000      looks further

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "raft/conf_change.h"
#include "raft/test_group.h"

namespace raft {
namespace {

uint64_t first_seed = 1;
uint64_t seeds = 250;
bool tell = false;
constexpr int kSteps = 6000;

uint64_t current_seed = 0;

std::string Replay(uint64_t seed) {
  return absl::StrCat("replay: bazel run //raft:core_sim_test -- --seed=",
                      seed);
}

// A CHECK in the core ends the process; this says which seed it was.
void OnAbort(int) {
  char text[100];
  const int size = std::snprintf(
      text, sizeof(text),
      "seed %llu: bazel run //raft:core_sim_test -- --seed=%llu\n",
      static_cast<unsigned long long>(current_seed),
      static_cast<unsigned long long>(current_seed));
  if (fwrite(text, 1, size, stderr) == 0) std::_Exit(3);
  std::signal(SIGABRT, SIG_DFL);
}

// How far the histories went.
struct Reached {
  uint64_t steps = 0;
  uint64_t commits = 0;
  uint64_t terms = 0;
  uint64_t reads = 0;
  uint64_t crashes = 0;
  uint64_t images = 0;
  uint64_t fetches = 0;
  uint64_t changes = 0;
  uint64_t transfers = 0;

  void Add(const Reached& other) {
    steps += other.steps;
    commits += other.commits;
    terms += other.terms;
    reads += other.reads;
    crashes += other.crashes;
    images += other.images;
    fetches += other.fetches;
    changes += other.changes;
    transfers += other.transfers;
  }
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed)
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
  }

  Reached reached() {
    reached_.commits = group_.invariants().commit_index().value();
    for (const ReplicaId id : group_.replicas()) {
      if (!group_.is_up(id)) continue;
      reached_.terms = std::max(reached_.terms, group_.raft(id).term().value());
    }
    return reached_;
  }

  // Both return what went wrong, or nothing.
  std::string Trouble() {
    for (int i = 0; i < kSteps; ++i) {
      ++reached_.steps;
      Step();
      if (!group_.invariants().violation().empty()) {
        return absl::StrCat("step ", i, ": ", group_.invariants().violation());
      }
    }
    return "";
  }

  std::string Converge() {
    Calm();
    for (int round = 0; round < 600; ++round) {
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
        (void)group_.Propose(leader, "last");
        group_.Settle();
        if (HasConverged(leader)) return "";
      }
    }
    std::string state = "no convergence";
    for (const ReplicaId id : group_.replicas()) {
      absl::StrAppend(&state, "\n", group_.Describe(id));
    }
    return state;
  }

 private:
  Config DrawConfig() {
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
    return config;
  }

  ReplicaId Any() {
    const std::vector<ReplicaId> all = group_.replicas();
    return all[random_.Below(all.size())];
  }

  void Step() {
    const ReplicaId self = Any();
    if (!group_.is_up(self)) {
      if (random_.OneIn(20)) group_.Restart(self);
      return;
    }
    const uint64_t dice = random_.Below(1000);
    if (dice < 250) {
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
      group_.ReadIndex(MostlyLeader(self), ++reads_);
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
      Upset(self, random_.Below(40));
    }
  }

  ReplicaId MostlyLeader(ReplicaId self) {
    const ReplicaId leader = group_.leader();
    return leader == ReplicaId{0} || random_.OneIn(4) ? self : leader;
  }

  void DeliverOne() {
    auto& network = group_.network();
    if (network.empty()) return;
    while (network.size() > 300) network.pop_front();
    const size_t i = reorders_ ? random_.Below(network.size()) : 0;
    if (lossy_ && random_.OneIn(10)) {
      network.erase(network.begin() + i);
    } else if (lossy_ && random_.OneIn(10)) {
      group_.Step(Message(network[i]));  // And again, later.
    } else {
      group_.Deliver(i);
    }
  }

  void Upset(ReplicaId self, uint64_t dice) {
    if (dice < 3 && crashes_) {
      ++reached_.crashes;
      group_.Crash(self);
    } else if (dice < 5 && lossy_) {
      group_.Cut(self, Any());
    } else if (dice < 6 && lossy_) {
      group_.Isolate(self);
    } else if (dice < 10) {
      group_.Heal();
    } else if (dice < 12) {
      group_.Campaign(self);
    } else if (dice < 15) {
      const ReplicaId from = MostlyLeader(self);
      reached_.transfers += group_.TransferLeadership(from, Any()).ok();
    } else if (dice < 25 && changes_) {
      ChangeConfiguration();
    } else if (dice < 35) {
      group_.Tick(self, static_cast<int>(config_.election_ticks));
    }
  }

  // Some of the members there are, and sometimes a new one, whose id is the
  // index of the entry that adds it. Who is out never comes back (P45).
  void ChangeConfiguration() {
    const ReplicaId leader = group_.leader();
    if (leader == ReplicaId{0}) return;
    std::vector<uint64_t> voters;
    std::vector<uint64_t> learners;
    const auto place = [&](ReplicaId id) {
      const uint64_t part = random_.Below(8);
      if (part < 5) voters.push_back(id.value());
      if (part == 5) learners.push_back(id.value());
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

  void Calm() {
    group_.Heal();
    for (const ReplicaId id : group_.replicas()) {
      if (!group_.is_up(id)) group_.Restart(id);
    }
    group_.Settle();
  }

  // The owner of who was removed hears elsewhere who leads: all the members
  // that it knew may be gone.
  void TellStrangers(ReplicaId leader) {
    for (const ReplicaId id : group_.replicas()) {
      if (id != leader) group_.raft(id).HearOf(leader);
    }
  }

  // And whoever was removed is told so.
  bool StrangersAreTold(const Configuration& configuration) {
    for (const ReplicaId id : group_.replicas()) {
      if (configuration.FindMember(id) == nullptr && !group_.node(id).removed) {
        return false;
      }
    }
    return true;
  }

  bool HasConverged(ReplicaId leader) {
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

  base::Random random_;
  const Config config_;
  TestGroup group_;
  Configuration initial_;
  Reached reached_;
  uint64_t reads_ = 0;
  bool lossy_;
  bool reorders_;
  bool crashes_;
  bool changes_;
  bool slow_disk_;
};

TEST(CoreSimTest, KeepsItsPromisesAndConverges) {
  Reached all;
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    current_seed = seed;
    Simulation simulation(seed);
    ASSERT_EQ(simulation.Trouble(), "") << Replay(seed);
    ASSERT_EQ(simulation.Converge(), "") << Replay(seed);
    all.Add(simulation.reached());
  }
  std::cout << all.steps << " steps: " << all.commits << " commits, "
            << all.terms << " terms, " << all.reads << " reads, " << all.crashes
            << " crashes, " << all.images << " images, " << all.fetches
            << " fetches, " << all.changes << " changes, " << all.transfers
            << " transfers\n";
  if (seeds < 100) return;
  // A simulation that reaches nothing proves nothing.
  EXPECT_GT(all.steps, 1'000'000u);
  EXPECT_GT(all.commits, 20 * seeds);
  EXPECT_GT(all.terms, 5 * seeds);
  EXPECT_GT(all.reads, 5 * seeds);
  EXPECT_GT(all.crashes, seeds);
  EXPECT_GT(all.images, seeds / 2);
  EXPECT_GT(all.fetches, seeds / 2);
  EXPECT_GT(all.changes, seeds);
  EXPECT_GT(all.transfers, seeds / 10);
}

}  // namespace

void ParseFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seed=", 7) == 0) {
      first_seed = std::strtoull(argv[i] + 7, nullptr, 10);
      seeds = 1;
      tell = true;
    } else if (std::strncmp(argv[i], "--seeds=", 8) == 0) {
      seeds = std::strtoull(argv[i] + 8, nullptr, 10);
    }
  }
  std::signal(SIGABRT, OnAbort);
}

}  // namespace raft

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  raft::ParseFlags(argc, argv);
  return RUN_ALL_TESTS();
}
