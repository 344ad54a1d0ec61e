// CounterHistory is everything clients asked of one counter, and what they
// heard.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_COUNTER_HISTORY_H_
#define SIM_COUNTER_HISTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/judge.h"
#include "sim/linearizability.h"

namespace sim {

struct CounterCall {
  enum class Kind : uint8_t {
    kAdd,   // Increment by `argument`.
    kSet,   // To `argument`.
    kSwap,  // Update: to `argument` if it is `compare`.
    kGet,
  };
  Kind kind = Kind::kGet;
  int64_t argument = 0;
  int64_t compare = 0;

  Interval when{};
  // None: unknown. `value` counts unless it is a conflict.
  struct Outcome {
    bool conflict = false;
    int64_t value = 0;
  };
  std::optional<Outcome> outcome{};
};

class CounterHistory {
 public:
  // Returns the call's number.
  size_t Called(CounterCall call, uint64_t stamp);
  void Returned(size_t call, CounterCall::Outcome outcome, uint64_t stamp);

  // Fails unless the history is linearizable, each command having had its
  // effect once (P52). With every command an increment by one it also checks
  // that `final_value` is the number of those acknowledged, and up to that of
  // the unknown ones more.
  void Check(const std::string& name, int64_t final_value, Judge& judge) const;

  size_t size() const { return calls_.size(); }

 private:
  std::vector<CounterCall> calls_;
};

}  // namespace sim

#endif  // SIM_COUNTER_HISTORY_H_
