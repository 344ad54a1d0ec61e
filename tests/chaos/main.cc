// chaos runs a cluster of real processes under load, breaks a minority of it in
// one way after the other, and judges what clients were told: nothing
// acknowledged is lost or applied twice, registers are linearizable, and each
// partition takes writes again soon after the last fault has ended.
//
//   bazel run //tests/chaos -- --minutes=60 --nodes=5 --partitions=16

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/wait_until.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"
#include "tests/server_fixture.h"

ABSL_FLAG(double, minutes, 1, "How long things go wrong.");
ABSL_FLAG(int, nodes, 3, "Nodes of the cluster.");
ABSL_FLAG(uint32_t, partitions, 4, "Partitions, each on all nodes.");
ABSL_FLAG(int, clients, 2, "Clients of each partition.");
ABSL_FLAG(uint64_t, seed, 1, "Of what goes wrong, and when.");
ABSL_FLAG(
    int, limit_ms, 4000,
    "A partition takes writes so soon after the last fault has ended: two "
    "election timeouts, of at most twice their base each.");
ABSL_FLAG(std::vector<std::string>, server_flags, {},
          "More flags of every server, such as "
          "--log_behind_bytes_max=64KiB to have images sent.");
ABSL_FLAG(std::string, faults, "kill,stop,pause,cut,one-way,break",
          "What may go wrong.");

namespace tests {
namespace {

constexpr int64_t kMillis = 1'000'000;
constexpr int64_t kSeconds = 1'000 * kMillis;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

// The chaos lets time pass: that is what it does.
void Wait(int64_t ns) {
  const auto wait_ns = static_cast<uint64_t>(ns);
  base::WaitUntil([] { return false; },
                  {.timeout_ns = wait_ns, .look_every_ns = wait_ns});
}

double Percentile(std::vector<int64_t> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return static_cast<double>(values[static_cast<size_t>(p * last)]) / 1e6;
}

class Chaos {
 public:
  Chaos(Cluster& cluster, Load& load, uint64_t seed)
      : cluster_(cluster), load_(load), random_(seed) {}

  // One fault from its begin to its end, and what follows. False: a promise
  // was broken.
  bool Round() {
    ++rounds_;
    const std::vector<int> victims = DrawVictims();
    const std::string fault = DrawFault();
    std::string what = fault;
    for (int victim : victims) absl::StrAppend(&what, " ", victim);
    const std::function<bool()> end = Begin(fault, victims);
    Wait(static_cast<int64_t>(random_.Between(200, 4000)) * kMillis);
    if (!end()) {
      std::printf("round %d: %s: a node did not come back\n", rounds_,
                  what.c_str());
      for (int victim : victims) {
        std::printf("%s\n", cluster_.errors(victim).c_str());
      }
      return false;
    }
    const int64_t limit_ns = absl::GetFlag(FLAGS_limit_ms) * kMillis;
    const std::vector<int64_t> took = load_.TimeToWrite(60 * kSeconds);
    bool ok = true;
    for (size_t i = 0; i < took.size(); ++i) {
      to_write_.push_back(took[i]);
      if (took[i] >= 0 && took[i] <= limit_ns) continue;
      ++late_;
      std::printf("round %d: %s: partition %zu took %.0f ms to write again\n",
                  rounds_, what.c_str(), i + 1,
                  static_cast<double>(took[i]) / 1e6);
      ok = ok && took[i] >= 0;
    }
    return ok;
  }

  void Print(int64_t elapsed_ns) const {
    std::string memory;
    for (int i = 1; i <= cluster_.size(); ++i) {
      absl::StrAppend(&memory, i > 1 ? " " : "", cluster_.MemoryBytes(i) >> 20);
    }
    std::printf(
        "%5.1f min  %d faults  %llu acknowledged  %llu sent again  to write: "
        "median %.0f p99 %.0f max %.0f ms, %d late  MiB: %s\n",
        static_cast<double>(elapsed_ns) / 60e9, rounds_,
        static_cast<unsigned long long>(load_.acknowledged()),
        static_cast<unsigned long long>(load_.sent_again()),
        Percentile(to_write_, 0.5), Percentile(to_write_, 0.99),
        Percentile(to_write_, 1), late_, memory.c_str());
    std::fflush(stdout);
  }

  int late() const { return late_; }

 private:
  // A minority; of a sole node, that one.
  std::vector<int> DrawVictims() {
    std::vector<int> nodes;
    for (int i = 1; i <= cluster_.size(); ++i) nodes.push_back(i);
    for (size_t i = nodes.size(); i > 1; --i) {
      std::swap(nodes[i - 1], nodes[random_.Below(i)]);
    }
    const auto most = static_cast<uint64_t>((cluster_.size() - 1) / 2);
    nodes.resize(most == 0 ? 1 : random_.Between(1, most));
    return nodes;
  }

  std::string DrawFault() {
    const std::string all = absl::GetFlag(FLAGS_faults);
    std::vector<std::string> faults;
    for (size_t begin = 0; begin <= all.size();) {
      const size_t comma = std::min(all.find(',', begin), all.size());
      faults.push_back(all.substr(begin, comma - begin));
      begin = comma + 1;
    }
    return faults[random_.Below(faults.size())];
  }

  // Begins the fault and returns what ends it.
  std::function<bool()> Begin(const std::string& fault,
                              const std::vector<int>& victims) {
    const auto each = [victims](std::function<void(int)> action) {
      for (int victim : victims) action(victim);
    };
    if (fault == "kill" || fault == "stop") {
      each([&](int node) {
        fault == "kill" ? cluster_.Kill(node) : cluster_.Stop(node);
      });
      return [this, victims] {
        bool ok = true;
        for (int node : victims) ok = cluster_.Restart(node) && ok;
        return ok;
      };
    }
    if (fault == "pause") {
      each([this](int node) { cluster_.Pause(node); });
      return [this, each] {
        each([this](int node) { cluster_.Resume(node); });
        return true;
      };
    }
    if (fault == "break") {
      each([this](int node) { cluster_.BreakConnections(node); });
      return [] { return true; };
    }
    // "cut": from everybody else. "one-way": in one direction.
    const bool outwards = random_.OneIn(2);
    for (int victim : victims) {
      for (int other = 1; other <= cluster_.size(); ++other) {
        if (std::find(victims.begin(), victims.end(), other) != victims.end()) {
          continue;
        }
        if (fault == "cut") {
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

  Cluster& cluster_;
  Load& load_;
  base::Random random_;
  int rounds_ = 0;
  int late_ = 0;
  std::vector<int64_t> to_write_;
};

int Run() {
  TempDir directory;
  std::vector<std::string> arguments = {"--checkpoint_log_bytes=4MiB",
                                        "--checkpoint_interval=5s",
                                        "--log_keep_bytes=2MiB"};
  for (const std::string& flag : absl::GetFlag(FLAGS_server_flags)) {
    arguments.push_back(flag);
  }
  Cluster cluster({.nodes = absl::GetFlag(FLAGS_nodes),
                   .partitions = absl::GetFlag(FLAGS_partitions),
                   .directory = directory.path(),
                   .arguments = arguments});
  for (int i = 1; i <= cluster.size(); ++i) {
    std::filesystem::create_directories(absl::StrCat(directory.path(), "/", i));
  }
  if (!cluster.Start()) {
    for (int i = 1; i <= cluster.size(); ++i) {
      std::printf("node %d: %s\n", i, cluster.errors(i).c_str());
    }
    return 1;
  }
  Load load({.addresses = cluster.addresses(),
             .partitions = absl::GetFlag(FLAGS_partitions),
             .clients_per_partition = absl::GetFlag(FLAGS_clients),
             .seed = absl::GetFlag(FLAGS_seed)});
  load.Start();
  bool ok = true;
  for (int64_t took : load.TimeToWrite(60 * kSeconds)) ok = ok && took >= 0;
  if (!ok) std::printf("the cluster takes no writes\n");

  Chaos chaos(cluster, load, absl::GetFlag(FLAGS_seed));
  const int64_t started_ns = NowNs();
  int64_t printed_ns = started_ns;
  const auto length_ns =
      static_cast<int64_t>(absl::GetFlag(FLAGS_minutes) * 60e9);
  while (ok && NowNs() - started_ns < length_ns) {
    ok = chaos.Round();
    if (NowNs() - printed_ns >= 60 * kSeconds) {
      printed_ns = NowNs();
      chaos.Print(printed_ns - started_ns);
    }
  }
  load.Stop();
  chaos.Print(NowNs() - started_ns);
  const std::vector<std::string> problems = load.Check();
  for (const std::string& problem : problems) {
    std::printf("WRONG: %s\n", problem.c_str());
  }
  ok = ok && problems.empty();
  std::printf("%s, %d late\n", ok ? "nothing lost, nothing doubled" : "BROKEN",
              chaos.late());
  return ok && chaos.late() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "breaks a cluster of real processes under load and judges it");
  absl::ParseCommandLine(argc, argv);
  return tests::Run();
}
