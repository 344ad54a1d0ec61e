// Judge collects what the oracles of one run find wrong.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_JUDGE_H_
#define SIM_JUDGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sim/event_loop.h"

namespace sim {

class Judge {
 public:
  // `loop` must outlive it.
  explicit Judge(const EventLoop& loop) : loop_(loop) {}

  // A guarantee is broken. The first few are kept; a run ends soon after.
  void Fail(const std::string& what);

  bool failed() const { return !failures_.empty(); }
  // Each with the virtual time at which it was found.
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  static constexpr size_t kFailuresMax = 5;

  const EventLoop& loop_;
  std::vector<std::string> failures_;
};

}  // namespace sim

#endif  // SIM_JUDGE_H_
