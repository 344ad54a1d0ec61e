#include "tests/chaos/chaos.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/wait_until.h"
#include "tests/chaos/percentile.h"

namespace tests {
namespace {

constexpr int64_t kMillis = 1'000'000;
constexpr int64_t kPatienceNs = 60'000 * kMillis;
constexpr size_t kLastLines = 10;
constexpr char kMember[] = "member";
constexpr char kDisk[] = "disk";

// The chaos lets time pass: that is what it does.
void Wait(int64_t ns) {
  const auto wait_ns = static_cast<uint64_t>(ns);
  base::WaitUntil([] { return false; },
                  {.timeout_ns = wait_ns, .look_every_ns = wait_ns});
}

}  // namespace

Chaos::Chaos(const ChaosOptions& options, Cluster& cluster, Load& load,
             Members& members, SmallDisks& disks)
    : options_(options),
      cluster_(cluster),
      load_(load),
      members_(members),
      disks_(disks),
      random_(options.seed),
      faults_(cluster, disks, random_.Next()) {}

bool Chaos::Round() {
  ++rounds_;
  const std::string fault = DrawFault();
  return fault == kMember ? MemberRound() : FaultRound(fault);
}

bool Chaos::MemberRound() {
  ++kinds_[kMember];
  // A replica that is away for the change counts as one of the minority.
  const size_t most = Minority() - std::min<size_t>(Minority(), 1);
  std::vector<int> others;
  if (most > 0 && random_.OneIn(2)) others = DrawVictims(most);
  std::string what = members_.Begin(others);
  std::function<bool()> end = [] { return true; };
  if (!others.empty()) {
    std::string fault;
    do {
      fault = DrawFault();
    } while (fault == kMember || fault == kDisk);
    absl::StrAppend(&what, ", ", fault);
    for (int node : others) absl::StrAppend(&what, " ", node);
    end = faults_.Begin(fault, others);
    Wait(static_cast<int64_t>(random_.Between(200, 4000)) * kMillis);
  }
  const bool came_back = end();
  const std::string problem = members_.Finish();
  if (!came_back) return Broken(what, "a node did not come back");
  if (!problem.empty()) return Broken(what, problem);
  return Judge(what);
}

bool Chaos::FaultRound(std::string fault) {
  std::vector<int> victims = DrawVictims(Minority());
  if (fault == kDisk) {
    victims.erase(
        std::remove_if(victims.begin(), victims.end(),
                       [this](int node) { return !disks_.contains(node); }),
        victims.end());
    // It is wherever the members are now.
    for (int node : members_.nodes()) {
      if (victims.empty() && disks_.contains(node)) victims.push_back(node);
    }
    if (victims.empty()) {
      victims = DrawVictims(1);
      fault = "kill";
    }
  }
  ++kinds_[fault];
  std::string what = fault;
  for (int victim : victims) absl::StrAppend(&what, " ", victim);
  const std::function<bool()> end = faults_.Begin(fault, victims);
  Wait(static_cast<int64_t>(random_.Between(200, 4000)) * kMillis);
  if (!end()) return Broken(what, "a node did not come back");
  return Judge(what);
}

bool Chaos::Judge(const std::string& what) {
  const std::vector<int64_t> took = load_.TimeToWrite(kPatienceNs);
  bool ok = true;
  for (size_t i = 0; i < took.size(); ++i) {
    to_write_.push_back(took[i]);
    if (took[i] >= 0 && took[i] <= options_.limit_ns) continue;
    ++late_;
    std::printf("round %d: %s: partition %zu took %.0f ms to write again\n",
                rounds_, what.c_str(), i + 1,
                static_cast<double>(took[i]) / 1e6);
    ok = ok && took[i] >= 0;
  }
  for (int node : members_.nodes()) {
    if (cluster_.MemoryBytes(node) != 0) continue;
    if (cluster_.is_up(node)) cluster_.Kill(node);
    ok = Broken(what, absl::StrCat("node ", node, " has ended by itself"));
  }
  return ok;
}

bool Chaos::Broken(const std::string& what, const std::string& how) {
  std::printf("round %d: %s: %s\n", rounds_, what.c_str(), how.c_str());
  for (int node = 1; node <= cluster_.size(); ++node) {
    if (cluster_.is_up(node) || cluster_.errors(node).empty()) continue;
    const std::vector<std::string> lines =
        absl::StrSplit(cluster_.errors(node), '\n', absl::SkipEmpty());
    std::printf("node %d wrote before it ended last:\n", node);
    const size_t first = lines.size() - std::min(lines.size(), kLastLines);
    for (size_t i = first; i < lines.size(); ++i) {
      std::printf("  %s\n", lines[i].c_str());
    }
  }
  return false;
}

void Chaos::Print(int64_t elapsed_ns) const {
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
      PercentileMs(to_write_, 0.5), PercentileMs(to_write_, 0.99),
      PercentileMs(to_write_, 1), late_, memory.c_str());
  std::fflush(stdout);
}

void Chaos::PrintKinds() const {
  std::string kinds;
  for (const auto& [kind, rounds] : kinds_) {
    absl::StrAppend(&kinds, kinds.empty() ? "" : ", ", rounds, " ", kind);
  }
  std::printf("rounds: %s\n%s\n", kinds.c_str(), members_.Report().c_str());
}

size_t Chaos::Minority() const {
  const size_t nodes = members_.nodes().size();
  return std::max<size_t>((nodes - 1) / 2, 1);
}

std::vector<int> Chaos::DrawVictims(size_t most) {
  std::vector<int> nodes = members_.nodes();
  for (size_t i = nodes.size(); i > 1; --i) {
    std::swap(nodes[i - 1], nodes[random_.Below(i)]);
  }
  nodes.resize(random_.Between(1, most));
  return nodes;
}

std::string Chaos::DrawFault() {
  return options_.faults[random_.Below(options_.faults.size())];
}

}  // namespace tests
