// Members is who takes part in a cluster while that changes under load, as
// operators change it: by the command line's own verbs, on all partitions, with
// fresh nodes of a small pool. Who leaves goes back to the pool, wiped.
//
//   replace   a node that is dead, or not, by a fresh one
//   rejoin    a node that lost its directory takes its own place
//   swap      a fresh node is added, then another one removed
//   move      some partitions to a fresh node, and back
//   drain     a node leads nothing, and then may again
//   transfer  some leaders, to whom it was drawn
//
// A verb that ends without success is typed again, as its message says.
//
// Used by one thread; a change under way has one of its own, which only speaks
// to servers.

#ifndef TESTS_CHAOS_MEMBERS_H_
#define TESTS_CHAOS_MEMBERS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"

namespace tests {

struct MembersOptions {
  int members = 3;  // Nodes 1 to `members` take part; the others are the pool.
  uint32_t partitions = 1;
  uint64_t seed = 1;
  int64_t limit_ns = 120'000'000'000;  // Of one change.
};

class Members {
 public:
  // Both outlive it.
  Members(const MembersOptions& options, Cluster& cluster, Load& load);
  ~Members();

  // Those that take part, and are up while no change is under way.
  std::vector<int> nodes() const { return {nodes_.begin(), nodes_.end()}; }

  // Begins a change that leaves `others` alone, and says what it is. Until
  // Finish nobody but it touches the nodes that touches() says.
  std::string Begin(const std::vector<int>& others);
  bool touches(int node) const { return touched_.contains(node); }

  // Waits for its end. What went wrong, or empty. REQUIRES: it was begun.
  std::string Finish();

  // What was done so far, for people.
  std::string Report() const;

 private:
  struct Kind {
    int changes = 0;
    int64_t slowest_ns = 0;
  };

  void Replace(int old, int fresh);
  void Rejoin(int node);
  void Swap(int old, int fresh);
  void Move(int old, int fresh);
  void Drain(int node);
  void Transfer(const std::vector<int>& targets);

  int Draw(const std::set<int>& nodes, const std::vector<int>& others);
  void Join(int node);
  void Type(const std::string& line) { lines_.push_back(line); }
  void Leave(int node);  // It takes part in nothing any more.
  // Types all lines; on the change's thread.
  void Run();
  // Exit code 0: it is done. `said` is its last lines.
  bool TypeOnce(const std::string& line, std::string& said);

  const MembersOptions options_;
  Cluster& cluster_;
  Load& load_;
  base::Random random_;
  std::set<int> nodes_;
  std::set<int> pool_;

  // The change under way.
  std::string kind_;
  std::set<int> touched_;
  std::string server_;
  std::vector<std::string> lines_;
  std::function<void()> last_;
  int64_t started_ns_ = 0;
  std::thread thread_;
  // Written by its thread, read when that has ended.
  std::string problem_;
  int64_t ended_ns_ = 0;
  int again_ = 0;  // Lines that had to be typed again, of all changes.

  std::map<std::string, Kind> kinds_;
};

}  // namespace tests

#endif  // TESTS_CHAOS_MEMBERS_H_
