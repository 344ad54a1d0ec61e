#include "sim/counter_history.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"

namespace sim {
namespace {

constexpr uint64_t kStepsMax = 5'000'000;

int64_t Wrap(uint64_t value) { return static_cast<int64_t>(value); }

class CounterSpec : public SequentialSpec {
 public:
  explicit CounterSpec(const std::vector<CounterCall>& calls) : calls_(calls) {}

  std::string InitialState() const override { return Encode(0); }

  std::optional<std::string> Apply(const std::string& state,
                                   size_t operation) const override {
    const CounterCall& call = calls_[operation];
    const int64_t before = Wrap(base::Reader(state).U64());
    int64_t after = before;
    bool conflict = false;
    switch (call.kind) {
      case CounterCall::Kind::kAdd:
        after = Wrap(static_cast<uint64_t>(before) +
                     static_cast<uint64_t>(call.argument));
        break;
      case CounterCall::Kind::kSet:
        after = call.argument;
        break;
      case CounterCall::Kind::kSwap:
        conflict = before != call.compare;
        if (!conflict) after = call.argument;
        break;
      case CounterCall::Kind::kGet:
        break;
    }
    if (call.outcome.has_value()) {
      if (call.outcome->conflict != conflict) return std::nullopt;
      if (!conflict && call.outcome->value != after) return std::nullopt;
    }
    return Encode(after);
  }

  std::string EffectClass(size_t operation) const override {
    const CounterCall& call = calls_[operation];
    return absl::StrCat(static_cast<int>(call.kind), " ", call.argument, " ",
                        call.compare);
  }

 private:
  static std::string Encode(int64_t value) {
    std::string state;
    base::AppendU64(state, static_cast<uint64_t>(value));
    return state;
  }

  const std::vector<CounterCall>& calls_;
};

}  // namespace

size_t CounterHistory::Called(CounterCall call, uint64_t stamp) {
  call.when.called = stamp;
  calls_.push_back(std::move(call));
  return calls_.size() - 1;
}

void CounterHistory::Returned(size_t call, CounterCall::Outcome outcome,
                              uint64_t stamp) {
  calls_[call].when.returned = stamp;
  calls_[call].outcome = outcome;
}

void CounterHistory::Check(const std::string& name, int64_t final_value,
                           Judge& judge) const {
  bool only_ones = true;
  int64_t acknowledged = 0;
  int64_t unknown = 0;
  std::vector<CounterCall> calls;
  for (const CounterCall& call : calls_) {
    const bool is_command = call.kind != CounterCall::Kind::kGet;
    // A query that was never answered says nothing.
    if (!is_command && !call.outcome.has_value()) continue;
    calls.push_back(call);
    if (!is_command) continue;
    only_ones =
        only_ones && call.kind == CounterCall::Kind::kAdd && call.argument == 1;
    ++(call.outcome.has_value() ? acknowledged : unknown);
  }
  if (only_ones &&
      (final_value < acknowledged || final_value > acknowledged + unknown)) {
    judge.Fail(absl::StrCat(
        name, ": ", acknowledged, " increments acknowledged, ", unknown,
        " unknown, but the counter is at ", final_value, " (P52)"));
  }
  std::vector<Interval> history;
  for (const CounterCall& call : calls) history.push_back(call.when);
  switch (CheckLinearizable(CounterSpec(calls), history, kStepsMax)) {
    case Verdict::kLinearizable:
      return;
    case Verdict::kNotLinearizable:
      return judge.Fail(absl::StrCat(name, ": its ", calls.size(),
                                     " calls are not linearizable (P52)"));
    case Verdict::kUndecided:
      return judge.Fail(
          absl::StrCat(name, ": no verdict on its ", calls.size(), " calls"));
  }
}

}  // namespace sim
