// RegisterHistory is everything clients asked of some registers (keys of maps),
// and what they heard; it says whether one order explains it all.
//
// Thread-safe.

#ifndef TESTS_CHAOS_REGISTER_HISTORY_H_
#define TESTS_CHAOS_REGISTER_HISTORY_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "sim/linearizability.h"

namespace tests {

class RegisterHistory {
 public:
  struct Call {
    bool is_put = false;
    std::string value;  // Put: what is written, never used twice.
    // What was there: before the put, or at the get. Empty: nothing.
    std::string seen;
    sim::Interval when;  // Never returned: unknown.
  };

  // A moment; later ones are higher.
  uint64_t Now() { return clock_.fetch_add(1); }

  // A call that has ended, or never will.
  void Add(const std::string& name, Call call);

  // What is wrong, a line for each register that no order explains.
  std::vector<std::string> Check() const;

  uint64_t size() const;

 private:
  std::atomic<uint64_t> clock_{1};
  mutable base::Mutex mu_;
  std::map<std::string, std::vector<Call>> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tests

#endif  // TESTS_CHAOS_REGISTER_HISTORY_H_
