#include "sim/faults.h"

#include "absl/status/status.h"
#include "partition/partition.h"
#include "raft/types.h"

namespace sim {

Faults::Faults(EventLoop& loop, const Scenario& scenario, Network& network,
               std::vector<std::unique_ptr<Machine>>& machines, uint64_t seed)
    : loop_(loop),
      scenario_(scenario),
      network_(network),
      machines_(machines),
      random_(seed) {}

void Faults::Start() {
  if (scenario_.fault_ns_mean != 0) Later();
}

void Faults::Later() {
  loop_.After(random_.Below(2 * scenario_.fault_ns_mean), [this] {
    if (calm_) return;
    Later();
    const uint64_t dice = random_.Below(12);
    loop_.Trace("fault", dice);
    if (machines_.size() > 1 && dice < 4) return OfTheNetwork();
    if (machines_.size() > 1 && dice < 5) return OfAll();
    Machine& machine = Any();
    if (machine.node().is_up()) OneOf(machine);
  });
}

void Faults::OneOf(Machine& machine) {
  const uint64_t dice = random_.Below(12);
  loop_.Trace("of node", machine.node().id().value() * 100 + dice);
  if (dice < 5) {
    // At a moment of the disk, this one or one of the next few.
    machine.CrashAt(static_cast<DiskMoment>(random_.Below(5)),
                    random_.Below(10));
  } else if (dice < 6) {
    machine.Crash();
  } else if (dice < 7) {
    machine.Restart();
  } else if (dice < 9) {
    machine.node().Pause(random_.Below(scenario_.pause_ns_max),
                         random_.OneIn(2));
  } else if (dice < 10) {
    machine.node().clock().JumpWall(
        static_cast<int64_t>(random_.Below(1'000'000)) *
            static_cast<int64_t>(kSeconds) -
        500'000 * static_cast<int64_t>(kSeconds));
  } else if (dice < 11 && scenario_.disk_errors) {
    machine.FailSync();
  } else if (random_.OneIn(2)) {
    machine.Audit();
  } else {
    Transfer(machine);
  }
}

// To anybody, or to whom the partition takes for the best.
void Faults::Transfer(Machine& machine) {
  const base::PartitionId id{
      static_cast<uint32_t>(random_.Between(1, scenario_.partitions))};
  const raft::ReplicaId target{random_.Below(4)};
  if (const auto partition = machine.node().Find(id)) {
    partition->TransferLeadership(target, [this](absl::Status status) {
      loop_.Trace("transfer", static_cast<uint64_t>(status.code()));
    });
  }
}

void Faults::OfAll() {
  if (random_.OneIn(2)) {
    // The power fails everywhere.
    for (const auto& machine : machines_) {
      if (machine->node().is_up()) machine->Crash();
    }
    return;
  }
  // One after the other is restarted, in good order.
  uint64_t delay_ns = 0;
  for (const auto& machine : machines_) {
    loop_.After(delay_ns, [this, machine = machine.get()] {
      if (!calm_ && machine->node().is_up()) machine->Restart();
    });
    delay_ns += scenario_.down_ns_max;
  }
}

void Faults::OfTheNetwork() {
  const uint64_t time_ns = random_.Below(scenario_.cut_ns_max);
  const base::NodeId one = Any().node().id();
  if (random_.OneIn(3)) {
    // A single direction of a single pair.
    const base::NodeId other = Any().node().id();
    return Cut(one, other, time_ns);
  }
  // One side does not reach the other, or is not reached, or both.
  const uint64_t side = random_.Below(uint64_t{1} << machines_.size());
  const uint64_t ways = random_.Between(1, 3);
  for (const auto& a : machines_) {
    for (const auto& b : machines_) {
      const base::NodeId from = a->node().id();
      const base::NodeId to = b->node().id();
      const bool from_in = ((side >> from.value()) & 1) != 0 || from == one;
      const bool to_in = ((side >> to.value()) & 1) != 0 || to == one;
      if (from_in == to_in) continue;
      if ((from_in && (ways & 1) != 0) || (to_in && (ways & 2) != 0)) {
        Cut(from, to, time_ns);
      }
    }
  }
}

void Faults::Cut(base::NodeId from, base::NodeId to, uint64_t time_ns) {
  network_.Cut(from, to);
  loop_.After(time_ns, [this, from, to] { network_.Heal(from, to); });
}

}  // namespace sim
