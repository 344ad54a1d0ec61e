// Chaos is rounds of what goes wrong with a cluster under load, each from its
// begin to its end, and what must be so behind it: nobody ended by itself, and
// each partition takes writes again soon.
//
// Used by one thread.

#ifndef TESTS_CHAOS_CHAOS_H_
#define TESTS_CHAOS_CHAOS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/chaos/cluster.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/load.h"
#include "tests/chaos/members.h"

namespace tests {

struct ChaosOptions {
  // Of Faults, and "member" for a change of Members, half of the time with a
  // fault beside it. Who is named twice comes twice as often.
  std::vector<std::string> faults;
  int64_t limit_ns = 0;  // Each partition takes writes so soon after a round.
  uint64_t seed = 1;
};

class Chaos {
 public:
  // All outlive it.
  Chaos(const ChaosOptions& options, Cluster& cluster, Load& load,
        Members& members, SmallDisks& disks);

  // False: a promise was broken, and it is printed which.
  bool Round();

  // A line of figures; in the end more of them.
  void Print(int64_t elapsed_ns) const;
  void PrintKinds() const;

  int late() const { return late_; }

 private:
  // A change of the members, and maybe a fault beside it.
  bool MemberRound();
  bool FaultRound(std::string fault);

  // At most `most` of those that take part, in any order.
  std::vector<int> DrawVictims(size_t most);
  std::string DrawFault();
  // A minority; of a sole node, that one.
  size_t Minority() const;

  bool Judge(const std::string& what);
  bool Broken(const std::string& what, const std::string& how);

  const ChaosOptions options_;
  Cluster& cluster_;
  Load& load_;
  Members& members_;
  SmallDisks& disks_;
  base::Random random_;
  Faults faults_;
  int rounds_ = 0;
  int late_ = 0;
  std::map<std::string, int> kinds_;  // Rounds of each.
  std::vector<int64_t> to_write_;
};

}  // namespace tests

#endif  // TESTS_CHAOS_CHAOS_H_
