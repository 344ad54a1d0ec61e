#include "tests/chaos/faults.h"

#include <algorithm>

#include "base/check.h"

namespace tests {
namespace {

// Below every server's reserve (main.cc). To the last byte only under one that
// is down: what fills at once cannot be met in time, and ends the process (D5).
constexpr int64_t kNearlyFull = 8 << 20;

}  // namespace

std::function<bool()> Faults::Begin(const std::string& fault,
                                    const std::vector<int>& victims) {
  if (fault == "kill" || fault == "stop") {
    for (int node : victims) {
      fault == "kill" ? cluster_.Kill(node) : cluster_.Stop(node);
    }
    return [this, victims] {
      bool ok = true;
      for (int node : victims) ok = cluster_.Restart(node) && ok;
      return ok;
    };
  }
  if (fault == "pause") {
    for (int node : victims) cluster_.Pause(node);
    return [this, victims] {
      for (int node : victims) cluster_.Resume(node);
      return true;
    };
  }
  if (fault == "break") {
    for (int node : victims) cluster_.BreakConnections(node);
    return [] { return true; };
  }
  if (fault == "disk") return FillDisks(victims);
  CHECK(fault == "cut" || fault == "one-way") << "no such fault: " << fault;
  return Cut(victims, fault == "cut");
}

std::function<bool()> Faults::Cut(const std::vector<int>& victims,
                                  bool both_ways) {
  const bool outwards = random_.OneIn(2);
  for (int victim : victims) {
    for (int other = 1; other <= cluster_.size(); ++other) {
      if (std::find(victims.begin(), victims.end(), other) != victims.end()) {
        continue;
      }
      if (both_ways) {
        cluster_.cuts().CutBoth(victim, other);
      } else if (outwards) {
        cluster_.cuts().Cut(victim, other);
      } else {
        cluster_.cuts().Cut(other, victim);
      }
    }
  }
  return [this] {
    cluster_.cuts().HealAll();
    return true;
  };
}

std::function<bool()> Faults::FillDisks(const std::vector<int>& victims) {
  bool started = true;
  for (int node : victims) {
    if (!random_.OneIn(3)) {
      disks_.at(node)->Fill(kNearlyFull);
      continue;
    }
    cluster_.Kill(node);
    disks_.at(node)->Fill(0);
    started = cluster_.Restart(node) && started;
  }
  return [this, victims, started] {
    for (int node : victims) disks_.at(node)->MakeSpace();
    return started;
  };
}

}  // namespace tests
