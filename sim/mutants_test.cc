#include "sim/mutants.h"

#include "gtest/gtest.h"
#include "sim/report.h"

namespace sim {
namespace {

constexpr uint64_t kSeeds = 200;

class MutantsTest : public testing::TestWithParam<Mutant> {};

TEST_P(MutantsTest, IsFoundWithinTheSeedsOfTheTestRun) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    AnnounceSeed(seed);
    const RunResult result = RunSeed(seed, GetParam().defect, false);
    if (result.failures.empty()) continue;
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("found", result.failures.front());
    return;
  }
  FAIL() << "no oracle noticed";
}

INSTANTIATE_TEST_SUITE_P(All, MutantsTest, testing::ValuesIn(AllMutants()),
                         [](const testing::TestParamInfo<Mutant>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace sim
