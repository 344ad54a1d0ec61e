// CoreSimulation is one random history of a group of cores: loss, duplication,
// reordering, cuts, splits, crashes that lose what is not on disk, slow disks,
// pauses, wrong clocks, images, configuration changes, transfers. Every seed
// draws its own sizes and its own kind of trouble. It is judged twice: no
// promise is ever broken, and when the trouble ends the group converges.

#ifndef RAFT_CORE_SIMULATION_H_
#define RAFT_CORE_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "raft/configuration.h"
#include "raft/raft.h"
#include "raft/test_group.h"
#include "raft/types.h"

namespace raft {

// The seeds of the test run: from 1 on.
inline constexpr uint64_t kCoreSeeds = 1500;

class CoreSimulation {
 public:
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
    uint64_t leased = 0;  // Reads asked of a leader with a lease.

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
      leased += other.leased;
    }
  };

  // `tell`: every step is printed.
  CoreSimulation(uint64_t seed, bool tell);

  // Trouble first, then calm. Both return what went wrong, or nothing.
  std::string Trouble();
  std::string Converge();

  Reached reached();

 private:
  Config DrawConfig();
  // One clock is as wrong as clocks may be all the time.
  uint64_t ClockOf(ReplicaId id) const;
  ReplicaId Any();
  // Whom writes are sent to, and reads: to who was deposed and does not know
  // it as often as to the leader.
  ReplicaId MostlyLeader(ReplicaId self);
  ReplicaId MostlyALeader(ReplicaId self);

  void Step();
  void Rest(ReplicaId self);
  void GetUp();
  void DeliverOne();
  void Upset(ReplicaId self, uint64_t dice);
  void Split();
  std::vector<ReplicaId> AllBut(ReplicaId one);
  void PassTime();
  void Depose(ReplicaId leader);
  void HandOverLate(ReplicaId leader);
  void Elect(const std::vector<ReplicaId>& candidates);
  void AskTheOld(ReplicaId leader);
  void DeliverOneTo(ReplicaId self);
  void ChangeConfiguration(ReplicaId leader);

  void Calm();
  void Lengthen(ReplicaId leader);
  void TellStrangers(ReplicaId leader);
  bool StrangersAreTold(const Configuration& configuration);
  bool HasConverged(ReplicaId leader);

  base::Random random_;
  const Config config_;
  TestGroup group_;
  Configuration initial_;
  Reached reached_;
  uint64_t reads_ = 0;
  uint64_t now_ns_ = 0;  // True time, of which leases are made.
  uint64_t step_ns_max_;
  bool lossy_;
  bool reorders_;
  bool crashes_;
  bool changes_;
  bool slow_disk_;
  bool splits_;
  bool deposes_;
  ReplicaId deaf_;     // What is sent to it waits.
  ReplicaId resting_;  // In the middle of a turn (TestGroup::BeginTurn).
};

}  // namespace raft

#endif  // RAFT_CORE_SIMULATION_H_
