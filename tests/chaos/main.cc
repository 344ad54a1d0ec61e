// chaos runs a cluster of real processes under load, breaks a minority of it in
// one way after the other and changes its members, and judges what clients were
// told: nothing acknowledged is lost or applied twice, registers are
// linearizable, and each partition takes writes again soon after the last fault
// has ended.
//
//   bazel run //tests/chaos -- --minutes=60 --nodes=5 --partitions=16
//
// Or it measures, under the same load, for how long a partition takes no writes
// when its leader goes, and judges the same:
//
//   bazel run //tests/chaos -- --kills=100 --nodes=3
//   bazel run //tests/chaos -- --transfers=100 --nodes=3
//
// Or how a node catches up that lacks much, while the connections to it break:
//
//   bazel run //tests/chaos -- --behind_mib=1024
//   bazel run //tests/chaos -- --image_mib=1024

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "tests/chaos/catch_up.h"
#include "tests/chaos/chaos.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/handover.h"
#include "tests/chaos/load.h"
#include "tests/chaos/members.h"
#include "tests/chaos/same_state.h"
#include "tests/server_fixture.h"
#include "tests/small_disk.h"

ABSL_FLAG(double, minutes, 1, "How long things go wrong.");
ABSL_FLAG(int, nodes, 3, "Nodes of the cluster.");
ABSL_FLAG(int, spares, 2, "Fresh nodes that take the places of others.");
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
ABSL_FLAG(std::vector<std::string>, faults,
          std::vector<std::string>({"kill", "stop", "pause", "cut", "one-way",
                                    "break", "disk", "member", "member"}),
          "What may go wrong; who is named twice comes twice as often.");
ABSL_FLAG(int, kills, 0,
          "Instead of that: kill a node that leads, so many times, and measure "
          "until each partition that it led takes a write.");
ABSL_FLAG(int, transfers, 0,
          "Instead of that: have another node lead a partition, so many "
          "times, and measure until it takes a write.");
ABSL_FLAG(uint64_t, behind_mib, 0,
          "Instead of that: a node is away while so much is written.");
ABSL_FLAG(uint64_t, image_mib, 0,
          "Instead of that: a new member of a partition that has so much, "
          "under load; a power of two.");
ABSL_FLAG(int, breaks, 5, "Of its connections, while it catches up.");

namespace tests {
namespace {

constexpr int64_t kSeconds = 1'000'000'000;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

// Until the time is over, or a promise was broken.
bool RunChaos(Cluster& cluster, Load& load, Members& members, SmallDisks& disks,
              const std::vector<std::string>& faults) {
  Chaos chaos({.faults = faults,
               .limit_ns = absl::GetFlag(FLAGS_limit_ms) * (kSeconds / 1000),
               .seed = absl::GetFlag(FLAGS_seed)},
              cluster, load, members, disks);
  const int64_t started_ns = NowNs();
  int64_t printed_ns = started_ns;
  const auto length_ns =
      static_cast<int64_t>(absl::GetFlag(FLAGS_minutes) * 60e9);
  bool ok = true;
  while (ok && NowNs() - started_ns < length_ns) {
    ok = chaos.Round();
    if (NowNs() - printed_ns >= 60 * kSeconds) {
      printed_ns = NowNs();
      chaos.Print(printed_ns - started_ns);
    }
  }
  load.Stop();
  chaos.Print(NowNs() - started_ns);
  chaos.PrintKinds();
  if (chaos.late() > 0) std::printf("%d late\n", chaos.late());
  return ok && chaos.late() == 0;
}

// Gives a minority of the nodes a disk that can be filled, where that can be
// made: `no_mounts_errno` is 0.
SmallDisks MakeDisks(const std::string& directory, int no_mounts_errno,
                     std::vector<std::string>& faults) {
  SmallDisks disks;
  const auto disk = std::find(faults.begin(), faults.end(), "disk");
  if (disk == faults.end()) return disks;
  if (no_mounts_errno != 0) {
    std::printf("skipped: disk: no mount namespace here: %s\n",
                strerror(no_mounts_errno));
    faults.erase(std::remove(faults.begin(), faults.end(), "disk"),
                 faults.end());
    return disks;
  }
  const int minority = std::max(1, (absl::GetFlag(FLAGS_nodes) - 1) / 2);
  for (int node = 1; node <= minority; ++node) {
    const std::string path = absl::StrCat(directory, "/", node);
    disks[node] = std::make_unique<SmallDisk>(path + ".disk", "1g");
    std::filesystem::create_directory(path + ".disk/data");
    std::filesystem::create_directory_symlink(path + ".disk/data", path);
  }
  return disks;
}

// All that take part, in the end.
bool HaveSameState(const Cluster& cluster, const Members& members) {
  std::vector<std::string> servers;
  for (int node : members.nodes()) {
    servers.push_back(cluster.addresses()[static_cast<size_t>(node) - 1]);
  }
  const std::string differences =
      AwaitSameState(servers, absl::GetFlag(FLAGS_partitions), 60 * kSeconds);
  if (differences.empty()) {
    std::printf("all replicas have the same state\n");
    return true;
  }
  std::printf("BROKEN: states differ\n%s\n", differences.c_str());
  return false;
}

// One partition on three nodes, and a node that lacks much of it.
int RunCatchUp() {
  TempDir directory;
  const uint64_t behind_mib = absl::GetFlag(FLAGS_behind_mib);
  const uint64_t image_mib = absl::GetFlag(FLAGS_image_mib);
  std::vector<std::string> arguments = absl::GetFlag(FLAGS_server_flags);
  arguments.push_back(
      absl::StrCat("--log_behind_bytes_max=", 2 * behind_mib + 64, "MiB"));
  Cluster cluster({.nodes = 3,
                   .joiners = image_mib > 0 ? 1 : 0,
                   .directory = directory.path(),
                   .arguments = arguments});
  if (!cluster.Start()) return 1;
  CatchUp catch_up(cluster, {.bytes = std::max(behind_mib, image_mib) << 20,
                             .breaks = absl::GetFlag(FLAGS_breaks)});
  const bool ok = image_mib > 0 ? catch_up.FromImage() : catch_up.FromLog();
  const std::string differences =
      AwaitSameState(cluster.addresses(), 1, 60 * kSeconds);
  std::printf("%s\n", differences.empty() ? "all replicas have the same state"
                                          : differences.c_str());
  return ok && differences.empty() ? 0 : 1;
}

int Run(int no_mounts_errno) {
  if (absl::GetFlag(FLAGS_behind_mib) + absl::GetFlag(FLAGS_image_mib) > 0) {
    return RunCatchUp();
  }
  TempDir directory;
  const int kills = absl::GetFlag(FLAGS_kills);
  const int transfers = absl::GetFlag(FLAGS_transfers);
  const bool measures = kills > 0 || transfers > 0;
  std::vector<std::string> faults = absl::GetFlag(FLAGS_faults);
  if (measures) faults.clear();
  SmallDisks disks = MakeDisks(directory.path(), no_mounts_errno, faults);
  std::vector<std::string> arguments = {"--checkpoint_interval=5s"};
  if (!measures) {
    arguments.insert(arguments.end(),
                     {"--checkpoint_log_bytes=4MiB", "--log_keep_bytes=2MiB",
                      "--disk_reserve=32MiB"});
  }
  for (const std::string& flag : absl::GetFlag(FLAGS_server_flags)) {
    arguments.push_back(flag);
  }
  Cluster cluster({.nodes = absl::GetFlag(FLAGS_nodes),
                   .joiners = measures ? 0 : absl::GetFlag(FLAGS_spares),
                   .partitions = absl::GetFlag(FLAGS_partitions),
                   .directory = directory.path(),
                   .arguments = arguments});
  for (int i = 1; i <= cluster.size(); ++i) {
    if (disks.contains(i)) continue;
    std::filesystem::create_directories(absl::StrCat(directory.path(), "/", i));
  }
  if (!cluster.Start()) {
    for (int i = 1; i <= cluster.size(); ++i) {
      std::printf("node %d: %s\n", i, cluster.errors(i).c_str());
    }
    return 1;
  }
  LoadOptions load_options = {
      .addresses = cluster.addresses(),
      .partitions = absl::GetFlag(FLAGS_partitions),
      .clients_per_partition = absl::GetFlag(FLAGS_clients),
      .seed = absl::GetFlag(FLAGS_seed)};
  if (measures) {
    // How patient clients are should not be what is measured.
    load_options.attempt_timeout_ns = kSeconds / 4;
    load_options.pause_ns_max = kSeconds / 50;
  }
  Load load(load_options);
  Members members({.members = absl::GetFlag(FLAGS_nodes),
                   .partitions = absl::GetFlag(FLAGS_partitions),
                   .seed = absl::GetFlag(FLAGS_seed)},
                  cluster, load);
  load.Start();
  bool ok = true;
  for (int64_t took : load.TimeToWrite(60 * kSeconds)) ok = ok && took >= 0;
  if (!ok) std::printf("the cluster takes no writes\n");

  Handover handover(cluster, load, absl::GetFlag(FLAGS_seed));
  if (kills > 0) ok = ok && handover.Kills(kills);
  if (transfers > 0) ok = ok && handover.Transfers(transfers);
  if (!measures) ok = ok && RunChaos(cluster, load, members, disks, faults);

  load.Stop();
  const std::vector<std::string> problems = load.Check();
  for (const std::string& problem : problems) {
    std::printf("WRONG: %s\n", problem.c_str());
  }
  std::printf("%s\n",
              problems.empty() ? "nothing lost, nothing doubled" : "BROKEN");
  ok = ok && problems.empty();
  if (ok) ok = HaveSameState(cluster, members);
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "breaks a cluster of real processes under load and judges it");
  absl::ParseCommandLine(argc, argv);
  // A line is seen when it is printed, also through a pipe.
  setvbuf(stdout, nullptr, _IOLBF, 0);
  // Before there is a second thread.
  const int no_mounts_errno = tests::EnterMountNamespace();
  return tests::Run(no_mounts_errno);
}
