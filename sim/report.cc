#include "sim/report.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"

namespace sim {
namespace {

uint64_t announced_seed = 0;

std::string ReplayCommand(uint64_t seed) {
  return absl::StrCat("bazel run //sim -- --seed=", seed);
}

// Not [[noreturn]]: glog wants it as part of the type.
__attribute__((noreturn)) void FailWithSeed() {
  std::fprintf(stderr, "simulation seed %llu aborted; again: %s\n",
               static_cast<unsigned long long>(announced_seed),
               ReplayCommand(announced_seed).c_str());
  std::abort();
}

}  // namespace

std::string Report(uint64_t seed, const RunResult& result) {
  if (result.failures.empty()) {
    return absl::StrFormat(
        "seed %d: ok: %d calls, %d entries, %d terms, %d images, %d trims, "
        "%d installs, %d crashes, %d audits, "
        "%d map events, %d sessions lost, %d members changed, "
        "%d created, %d dropped, trace %016x",
        seed, result.calls, result.entries, result.terms, result.images,
        result.trims, result.installs, result.crashes, result.audits,
        result.changes, result.sessions_lost, result.reshaped, result.created,
        result.dropped, result.trace_hash);
  }
  std::string text = absl::StrCat(
      "seed ", seed, " FAILED; again: ", ReplayCommand(seed), "\n");
  for (const std::string& failure : result.failures) {
    absl::StrAppend(&text, "  ", failure, "\n");
  }
  return text;
}

void AnnounceSeed(uint64_t seed) {
  announced_seed = seed;
  // What the code logs about faults is expected here.
  FLAGS_minloglevel = google::GLOG_FATAL;
  google::InstallFailureFunction(&FailWithSeed);
}

}  // namespace sim
