// Whether a concurrent history has a sequential explanation: the search of Wing
// and Gong with the memory of Lowe (as in porcupine).

#ifndef SIM_LINEARIZABILITY_H_
#define SIM_LINEARIZABILITY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim {

inline constexpr uint64_t kNeverReturned = UINT64_MAX;

// When one operation was called and answered. Stamps are different from each
// other. An operation that never returned may have taken effect at any moment
// after its call, or not at all.
struct Interval {
  uint64_t called = 0;
  uint64_t returned = kNeverReturned;
};

// What the operations of one history do to one object, one after the other.
class SequentialSpec {
 public:
  virtual ~SequentialSpec() = default;

  virtual std::string InitialState() const = 0;

  // The state after operation number `operation` took effect in `state`, or
  // nothing if it cannot have answered there what it did.
  virtual std::optional<std::string> Apply(const std::string& state,
                                           size_t operation) const = 0;

  // Operations that never returned and have the same effect wherever they take
  // place have the same class: the search need not try them in every order.
  // Different for all others.
  virtual std::string EffectClass(size_t operation) const = 0;
};

enum class Verdict : uint8_t {
  kLinearizable,
  kNotLinearizable,
  kUndecided,  // The search took more than `steps_max` steps.
};

// `history[i]` is operation number i of `spec`.
Verdict CheckLinearizable(const SequentialSpec& spec,
                          const std::vector<Interval>& history,
                          uint64_t steps_max);

}  // namespace sim

#endif  // SIM_LINEARIZABILITY_H_
