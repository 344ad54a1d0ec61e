// The random histories of the test run (core_simulation.h).
//
//   bazel run //raft:core_sim_test -- --seed=17           replays and tells
//   bazel run //raft:core_sim_test -- --seeds=100000      looks further

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/core_simulation.h"

namespace raft {
namespace {

uint64_t first_seed = 1;
uint64_t seeds = kCoreSeeds;
bool tell = false;

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

TEST(CoreSimTest, KeepsItsPromisesAndConverges) {
  CoreSimulation::Reached all;
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    current_seed = seed;
    CoreSimulation simulation(seed, tell);
    ASSERT_EQ(simulation.Trouble(), "") << Replay(seed);
    ASSERT_EQ(simulation.Converge(), "") << Replay(seed);
    all.Add(simulation.reached());
  }
  std::cout << all.steps << " steps: " << all.commits << " commits, "
            << all.terms << " terms, " << all.reads << " reads, " << all.crashes
            << " crashes, " << all.images << " images, " << all.fetches
            << " fetches, " << all.changes << " changes, " << all.transfers
            << " transfers, " << all.leased << " reads by lease\n";
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
  EXPECT_GT(all.leased, seeds);
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
