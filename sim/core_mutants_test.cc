// Mutants of the core (raft/mutants) in whole nodes: a learner in the quorum,
// say, is noticed by what clients see and disks hold, too, and not only by who
// looks into the core.

#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/mutants/child.h"
#include "raft/mutants/planted.h"
#include "sim/world.h"

namespace sim {
namespace {

constexpr uint64_t kSeeds = 200;

// What the network and the disks of these runs do not bring about; the random
// histories of the core alone do.
const std::set<std::string>& OnlyInTheCore() {
  static const auto& names = *new std::set<std::string>{
      "ForgetsTheAbaCheck", "AnOlderRoundConfirmsARead",
      "ANewerImageReplacesTheOffered", "KeepsATruncatedConfiguration",
      "StartsASecondChange", "AStaleImageCreditsTheOffered",
      // Without lease reads here.
      "KeepsItsLeaseInATransfer", "LeasesAgainAfterATransfer",
      "CountsALeaseFromTheAnswer", "TakesAllClocksForRight",
      "VotesWithinALease", "StandsWithinALease", "ForgetsItsPromisesInARestart",
      "ReadsWithoutALease"};
  return names;
}

std::vector<raft::Mutant> Mutants() {
  std::vector<raft::Mutant> mutants = raft::CoreMutants();
  std::erase_if(mutants, [](const raft::Mutant& mutant) {
    return OnlyInTheCore().contains(mutant.name);
  });
  return mutants;
}

class CoreMutantsTest : public testing::TestWithParam<raft::Mutant> {};

TEST_P(CoreMutantsTest, IsFoundInWholeNodes) {
  raft::planted_mutant = GetParam().name;
  const raft::Found found = raft::FindInChild(kSeeds, [](uint64_t seed) {
    const RunResult result = RunSeed(seed);
    return result.failures.empty() ? "" : result.failures.front();
  });
  raft::planted_mutant.clear();
  std::cout << GetParam().rule << ": seed " << found.seed << ": " << found.how
            << "\n";
  EXPECT_NE(found.seed, 0u) << "no oracle noticed";
}

INSTANTIATE_TEST_SUITE_P(All, CoreMutantsTest, testing::ValuesIn(Mutants()),
                         [](const testing::TestParamInfo<raft::Mutant>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace sim
