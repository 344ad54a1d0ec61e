#include "sim/linearizability.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"

namespace sim {
namespace {

// The calls and returns that are not explained yet, in order, as a list from
// which a pair can be taken out and put back. Node 0 is its head; operation i
// has its call at 2i + 1 and its return at 2i + 2.
class Pending {
 public:
  explicit Pending(const std::vector<Interval>& history) {
    std::vector<std::pair<uint64_t, uint32_t>> order;
    for (uint32_t i = 0; i < history.size(); ++i) {
      CHECK_LT(history[i].called, history[i].returned);
      order.emplace_back(history[i].called, CallOf(i));
      // What never returned has no return to get past.
      if (history[i].returned != kNeverReturned) {
        order.emplace_back(history[i].returned, ReturnOf(i));
      }
    }
    std::sort(order.begin(), order.end());
    next_.assign(2 * history.size() + 1, 0);
    previous_.assign(2 * history.size() + 1, 0);
    uint32_t last = 0;
    for (const auto& [stamp, node] : order) {
      Link(last, node);
      last = node;
      if (!IsCall(node)) ++returns_;
    }
    Link(last, 0);
    has_return_.reserve(history.size());
    for (const Interval& interval : history) {
      has_return_.push_back(interval.returned != kNeverReturned);
    }
  }

  static uint32_t CallOf(uint32_t operation) { return 2 * operation + 1; }
  static uint32_t ReturnOf(uint32_t operation) { return 2 * operation + 2; }
  static bool IsCall(uint32_t node) { return node % 2 == 1; }
  static uint32_t OperationOf(uint32_t node) { return (node - 1) / 2; }

  // 0 at the end.
  uint32_t Next(uint32_t node) const { return next_[node]; }
  // Every operation that returned is explained.
  bool explained() const { return returns_ == 0; }

  void Take(uint32_t operation) {
    Unlink(CallOf(operation));
    if (!has_return_[operation]) return;
    Unlink(ReturnOf(operation));
    --returns_;
  }
  // REQUIRES: what was taken since is back.
  void PutBack(uint32_t operation) {
    if (has_return_[operation]) {
      Relink(ReturnOf(operation));
      ++returns_;
    }
    Relink(CallOf(operation));
  }

 private:
  void Link(uint32_t before, uint32_t after) {
    next_[before] = after;
    previous_[after] = before;
  }
  void Unlink(uint32_t node) { Link(previous_[node], next_[node]); }
  void Relink(uint32_t node) {
    next_[previous_[node]] = node;
    previous_[next_[node]] = node;
  }

  std::vector<uint32_t> next_;
  std::vector<uint32_t> previous_;
  std::vector<bool> has_return_;
  size_t returns_ = 0;
};

constexpr size_t kNone = SIZE_MAX;

// Of each operation, the last one called before it that may take its place.
std::vector<size_t> StandIns(const SequentialSpec& spec,
                             const std::vector<Interval>& history) {
  std::vector<size_t> order;
  for (size_t i = 0; i < history.size(); ++i) {
    if (history[i].returned == kNeverReturned) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&history](size_t a, size_t b) {
    return history[a].called < history[b].called;
  });
  std::vector<size_t> result(history.size(), kNone);
  std::map<std::string, size_t> last;
  for (size_t operation : order) {
    const auto [it, is_new] =
        last.emplace(spec.EffectClass(operation), operation);
    if (!is_new) result[operation] = std::exchange(it->second, operation);
  }
  return result;
}

}  // namespace

Verdict CheckLinearizable(const SequentialSpec& spec,
                          const std::vector<Interval>& history,
                          uint64_t steps_max) {
  struct Choice {
    uint32_t operation;
    std::string state_before;
  };
  Pending pending(history);
  const std::vector<size_t> stand_ins = StandIns(spec, history);
  std::string taken((history.size() + 7) / 8, '\0');  // A bit per operation.
  std::string state = spec.InitialState();
  std::vector<Choice> choices;
  // Where the search has been: the same operations explained, the same state.
  std::set<std::pair<std::string, std::string>> seen;

  uint32_t node = pending.Next(0);
  for (uint64_t steps = 0; !pending.explained(); ++steps) {
    if (steps >= steps_max) return Verdict::kUndecided;
    if (node != 0 && Pending::IsCall(node)) {
      const uint32_t operation = Pending::OperationOf(node);
      const size_t stand_in = stand_ins[operation];
      std::optional<std::string> after;
      if (stand_in == kNone ||
          (taken[stand_in / 8] & (1 << (stand_in % 8))) != 0) {
        after = spec.Apply(state, operation);
      }
      const char bit = static_cast<char>(1 << (operation % 8));
      if (after.has_value()) {
        taken[operation / 8] = static_cast<char>(taken[operation / 8] | bit);
        if (seen.emplace(taken, *after).second) {
          choices.push_back({operation, std::exchange(state, *after)});
          pending.Take(operation);
          node = pending.Next(0);
          continue;
        }
        taken[operation / 8] = static_cast<char>(taken[operation / 8] & ~bit);
      }
      node = pending.Next(node);
      continue;
    }
    // An operation returned that nothing could explain before it: the last
    // choice was wrong.
    if (choices.empty()) return Verdict::kNotLinearizable;
    const uint32_t operation = choices.back().operation;
    state = std::move(choices.back().state_before);
    choices.pop_back();
    taken[operation / 8] =
        static_cast<char>(taken[operation / 8] & ~(1 << (operation % 8)));
    pending.PutBack(operation);
    node = pending.Next(Pending::CallOf(operation));
  }
  return Verdict::kLinearizable;
}

}  // namespace sim
