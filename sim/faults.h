// Faults is what goes wrong in a run: machines fail at moments of their disk,
// lose power, stand still and are stopped, one or all of them; wall clocks
// jump; syncs fail; the network is cut between nodes, in one direction or both.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_FAULTS_H_
#define SIM_FAULTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "sim/event_loop.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/scenario.h"

namespace sim {

class Faults {
 public:
  // All references must outlive it.
  Faults(EventLoop& loop, const Scenario& scenario, Network& network,
         std::vector<std::unique_ptr<Machine>>& machines, uint64_t seed);

  // Begins, unless the scenario has none.
  void Start();
  // Nothing new goes wrong. What is cut stays so for up to cut_ns_max.
  void Calm() { calm_ = true; }

 private:
  void Later();
  void OneOf(Machine& machine);
  void OfAll();
  void OfTheNetwork();
  void Transfer(Machine& machine);
  void Cut(base::NodeId from, base::NodeId to, uint64_t time_ns);
  Machine& Any() { return *machines_[random_.Below(machines_.size())]; }

  EventLoop& loop_;
  const Scenario& scenario_;
  Network& network_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  base::Random random_;
  bool calm_ = false;
};

}  // namespace sim

#endif  // SIM_FAULTS_H_
