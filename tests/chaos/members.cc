#include "tests/chaos/members.h"

#include <algorithm>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/wait_until.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/run.h"

namespace tests {
namespace {

constexpr uint64_t kBetweenTriesNs = 200'000'000;
constexpr uint32_t kPartitionsMoved = 3;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

}  // namespace

Members::Members(const MembersOptions& options, Cluster& cluster, Load& load)
    : options_(options), cluster_(cluster), load_(load), random_(options.seed) {
  for (int i = 1; i <= cluster.size(); ++i) {
    (i <= options.members ? nodes_ : pool_).insert(i);
    if (i > options.members) load_.Use(i, false);
  }
}

Members::~Members() {
  if (thread_.joinable()) thread_.join();
}

int Members::Draw(const std::set<int>& nodes, const std::vector<int>& others) {
  std::vector<int> left;
  for (int node : nodes) {
    if (std::find(others.begin(), others.end(), node) == others.end()) {
      left.push_back(node);
    }
  }
  CHECK(!left.empty());
  return left[random_.Below(left.size())];
}

std::string Members::Begin(const std::vector<int>& others) {
  CHECK(!thread_.joinable());
  lines_.clear();
  touched_.clear();
  problem_.clear();
  last_ = [] {};
  const int node = Draw(nodes_, others);
  std::vector<int> all_but = others;
  all_but.push_back(node);
  const int asked = Draw(nodes_, all_but);
  server_ = cluster_.addresses()[static_cast<size_t>(asked) - 1];
  // The rest of the kinds needs a fresh node.
  switch (pool_.empty() ? random_.Below(3) : random_.Below(6)) {
    case 0:
      Rejoin(node);
      break;
    case 1:
      Drain(node);
      break;
    case 2:
      Transfer({node, asked});
      break;
    case 3:
      Replace(node, Draw(pool_, {}));
      break;
    case 4:
      Swap(node, Draw(pool_, {}));
      break;
    default:
      Move(node, Draw(pool_, {}));
  }
  started_ns_ = NowNs();
  thread_ = std::thread([this] { Run(); });
  std::string what = kind_;
  for (int one : touched_) absl::StrAppend(&what, " ", one);
  return what;
}

void Members::Replace(int old, int fresh) {
  kind_ = "replace";
  touched_ = {old, fresh};
  if (random_.OneIn(2)) {
    kind_ = "replace-dead";
    cluster_.Kill(old);
  }
  Join(fresh);
  Type(absl::StrCat("member replace ", old, " ", fresh, " ",
                    cluster_.PeerAddress(fresh)));
  last_ = [this, old, fresh] {
    Leave(old);
    nodes_.insert(fresh);
  };
}

void Members::Rejoin(int node) {
  kind_ = "rejoin";
  touched_ = {node};
  cluster_.Kill(node);
  cluster_.Wipe(node);
  Join(node);
  Type(absl::StrCat("member replace ", node, " ", node, " ",
                    cluster_.PeerAddress(node)));
}

void Members::Swap(int old, int fresh) {
  kind_ = "swap";
  touched_ = {old, fresh};
  Join(fresh);
  Type(absl::StrCat("member add ", fresh, " ", cluster_.PeerAddress(fresh)));
  Type(absl::StrCat("member remove ", old));
  last_ = [this, old, fresh] {
    Leave(old);
    nodes_.insert(fresh);
  };
}

void Members::Move(int old, int fresh) {
  kind_ = "move";
  touched_ = {old, fresh};
  Join(fresh);
  const uint32_t count = std::min(kPartitionsMoved, options_.partitions);
  std::set<uint32_t> partitions;
  while (partitions.size() < count) {
    partitions.insert(
        static_cast<uint32_t>(random_.Between(1, options_.partitions)));
  }
  for (uint32_t partition : partitions) {
    Type(absl::StrCat("partition move ", partition, " ", old, " ", fresh));
  }
  for (uint32_t partition : partitions) {
    Type(absl::StrCat("partition move ", partition, " ", fresh, " ", old));
  }
  last_ = [this, fresh] { Leave(fresh); };
}

void Members::Drain(int node) {
  kind_ = "drain";
  touched_ = {node};
  Type(absl::StrCat("node drain ", node));
  Type(absl::StrCat("node undrain ", node));
}

void Members::Transfer(const std::vector<int>& targets) {
  kind_ = "transfer";
  touched_ = {targets.begin(), targets.end()};
  for (uint32_t i = 0; i < kPartitionsMoved; ++i) {
    Type(absl::StrCat("leader transfer ",
                      random_.Between(1, options_.partitions), " ",
                      targets[random_.Below(targets.size())]));
  }
}

void Members::Join(int node) {
  pool_.erase(node);
  if (!cluster_.Join(node)) {
    problem_ =
        absl::StrCat("node ", node, " did not join: ", cluster_.errors(node));
    lines_.clear();
    return;
  }
  load_.Use(node, true);
}

void Members::Leave(int node) {
  load_.Use(node, false);
  if (cluster_.is_up(node)) cluster_.Stop(node);
  cluster_.Wipe(node);
  nodes_.erase(node);
  pool_.insert(node);
}

bool Members::TypeOnce(const std::string& line, std::string& said) {
  std::ostringstream out;
  cli::Interrupt interrupt;
  const cli::ExitCode code = cli::RunCli(
      absl::StrSplit(line + " --timeout=20s", ' ', absl::SkipEmpty()),
      {.out = out,
       .err = out,
       .interrupt = interrupt,
       .default_server = server_});
  said = absl::StrCat(out.str(), "exit ", code, "\n");
  return code == cli::kOk;
}

void Members::Run() {
  for (const std::string& line : lines_) {
    if (!problem_.empty()) break;
    std::string said;
    bool done = TypeOnce(line, said);
    while (!done && NowNs() - started_ns_ < options_.limit_ns) {
      ++again_;
      base::WaitUntil([] { return false; }, {.timeout_ns = kBetweenTriesNs,
                                             .look_every_ns = kBetweenTriesNs});
      done = TypeOnce(line, said);
    }
    if (!done) problem_ = absl::StrCat(line, ": has not ended: ", said);
  }
  ended_ns_ = NowNs();
}

std::string Members::Finish() {
  thread_.join();
  if (!problem_.empty()) return problem_;
  last_();
  touched_.clear();
  Kind& kind = kinds_[kind_];
  ++kind.changes;
  kind.slowest_ns = std::max(kind.slowest_ns, ended_ns_ - started_ns_);
  return "";
}

std::string Members::Report() const {
  std::string report;
  int changes = 0;
  for (const auto& [name, kind] : kinds_) {
    changes += kind.changes;
    absl::StrAppend(&report, ", ", kind.changes, " ", name, " (at most ",
                    kind.slowest_ns / 1'000'000, " ms)");
  }
  return absl::StrCat(changes, " changes of members", report, ", ", again_,
                      " commands typed again");
}

}  // namespace tests
