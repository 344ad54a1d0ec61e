// Each mutant of the core is noticed by a random history, within the seeds of
// the test run (core_sim_test).

#include <iostream>
#include <string>

#include "gtest/gtest.h"
#include "raft/core_simulation.h"
#include "raft/mutants/child.h"
#include "raft/mutants/planted.h"

namespace raft {
namespace {

std::string RunSeed(uint64_t seed) {
  CoreSimulation simulation(seed, /*tell=*/false);
  const std::string broken = simulation.Trouble();
  return broken.empty() ? simulation.Converge() : broken;
}

class CoreMutantsTest : public testing::TestWithParam<Mutant> {};

TEST_P(CoreMutantsTest, IsFound) {
  planted_mutant = GetParam().name;
  const Found found = FindInChild(kCoreSeeds, RunSeed);
  planted_mutant.clear();
  std::cout << GetParam().rule << ": seed " << found.seed << ": " << found.how
            << "\n";
  EXPECT_NE(found.seed, 0u) << "no invariant noticed";
}

INSTANTIATE_TEST_SUITE_P(All, CoreMutantsTest, testing::ValuesIn(CoreMutants()),
                         [](const testing::TestParamInfo<Mutant>& info) {
                           return info.param.name;
                         });

// The changed copies are the core as long as nothing is planted.
TEST(CoreMutantsTest, WithoutOneNothingIsFound) {
  EXPECT_EQ(FindInChild(20, RunSeed).how, "");
}

}  // namespace
}  // namespace raft
