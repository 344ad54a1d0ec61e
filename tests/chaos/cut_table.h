// CutTable says between which nodes nothing passes now, one direction at a
// time.
//
// Thread-safe.

#ifndef TESTS_CHAOS_CUT_TABLE_H_
#define TESTS_CHAOS_CUT_TABLE_H_

#include <set>
#include <utility>

#include "base/mutex.h"

namespace tests {

class CutTable {
 public:
  // Nodes by number; 0 is whoever is none.
  void Cut(int from, int to) {
    base::MutexLock lock(mu_);
    cuts_.emplace(from, to);
  }
  void CutBoth(int a, int b) {
    Cut(a, b);
    Cut(b, a);
  }
  void HealAll() {
    base::MutexLock lock(mu_);
    cuts_.clear();
  }
  bool IsCut(int from, int to) const {
    base::MutexLock lock(mu_);
    return cuts_.contains({from, to});
  }

 private:
  mutable base::Mutex mu_;
  std::set<std::pair<int, int>> cuts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tests

#endif  // TESTS_CHAOS_CUT_TABLE_H_
