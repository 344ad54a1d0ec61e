// bazel run //sim -- --seeds=1000 [--from=S]   many seeds, until one fails
// bazel run //sim -- --seed=N [--verbose]      one seed, with what happened

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "sim/report.h"
#include "sim/world.h"

ABSL_FLAG(uint64_t, seeds, 200, "how many seeds to run");
ABSL_FLAG(uint64_t, from, 1, "the first of them");
ABSL_FLAG(uint64_t, seed, 0, "run this one only (0: many)");
ABSL_FLAG(bool, verbose, false, "print everything that happens");
ABSL_FLAG(bool, keep_going, false, "run the other seeds after a failure too");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "simulates clusters and their clients, one run for each seed");
  absl::ParseCommandLine(argc, argv);
  uint64_t from = absl::GetFlag(FLAGS_from);
  uint64_t count = absl::GetFlag(FLAGS_seeds);
  const bool one = absl::GetFlag(FLAGS_seed) != 0;
  if (one) {
    from = absl::GetFlag(FLAGS_seed);
    count = 1;
  }
  uint64_t failed = 0;
  for (uint64_t seed = from; seed < from + count; ++seed) {
    sim::AnnounceSeed(seed);
    const sim::RunResult result =
        sim::RunSeed(seed, {}, absl::GetFlag(FLAGS_verbose));
    const bool ok = result.failures.empty();
    if (!ok) ++failed;
    if (one || !ok) std::printf("%s\n", sim::Report(seed, result).c_str());
    if (!ok && !absl::GetFlag(FLAGS_keep_going)) return 1;
  }
  if (!one) {
    std::printf("%llu seeds from %llu: %llu failed\n",
                static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(from),
                static_cast<unsigned long long>(failed));
  }
  return failed == 0 ? 0 : 1;
}
