#include "tests/chaos/register_history.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tests {
namespace {

constexpr uint64_t kStepsMax = 20'000'000;

// A register that shows what it held before each put.
class Register : public sim::SequentialSpec {
 public:
  explicit Register(const std::vector<RegisterHistory::Call>& calls)
      : calls_(calls) {}

  std::string InitialState() const override { return ""; }

  std::optional<std::string> Apply(const std::string& state,
                                   size_t operation) const override {
    const RegisterHistory::Call& call = calls_[operation];
    const bool known = call.when.returned != sim::kNeverReturned;
    if (known && call.seen != state) return std::nullopt;
    return call.is_put ? call.value : state;
  }

  std::string EffectClass(size_t operation) const override {
    return absl::StrCat(operation);
  }

 private:
  const std::vector<RegisterHistory::Call>& calls_;
};

std::string Describe(const std::vector<RegisterHistory::Call>& calls) {
  std::string text;
  for (const RegisterHistory::Call& call : calls) {
    absl::StrAppend(&text, "\n  [", call.when.called, ", ");
    if (call.when.returned == sim::kNeverReturned) {
      absl::StrAppend(&text, "never");
    } else {
      absl::StrAppend(&text, call.when.returned);
    }
    absl::StrAppend(&text, "] ",
                    call.is_put ? absl::StrCat("put ", call.value) : "get",
                    " saw \"", call.seen, "\"");
  }
  return text;
}

}  // namespace

void RegisterHistory::Add(const std::string& name, Call call) {
  base::MutexLock lock(mu_);
  calls_[name].push_back(std::move(call));
}

std::vector<std::string> RegisterHistory::Check() const {
  std::vector<std::string> problems;
  base::MutexLock lock(mu_);
  for (const auto& [name, calls] : calls_) {
    std::vector<sim::Interval> intervals;
    intervals.reserve(calls.size());
    for (const Call& call : calls) intervals.push_back(call.when);
    switch (sim::CheckLinearizable(Register(calls), intervals, kStepsMax)) {
      case sim::Verdict::kLinearizable:
        break;
      case sim::Verdict::kNotLinearizable:
        problems.push_back(
            absl::StrCat(name, ": no order explains ", Describe(calls)));
        break;
      case sim::Verdict::kUndecided:
        problems.push_back(absl::StrCat(name, ": too long to be judged, ",
                                        calls.size(), " calls"));
        break;
    }
  }
  return problems;
}

uint64_t RegisterHistory::size() const {
  base::MutexLock lock(mu_);
  uint64_t size = 0;
  for (const auto& [name, calls] : calls_) size += calls.size();
  return size;
}

}  // namespace tests
