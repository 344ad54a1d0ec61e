#include "sim/linearizability.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "gtest/gtest.h"

namespace sim {
namespace {

// A history of a register that is 0 at first, in a small language:
//   Write(3).From(1).To(4), Read(3).From(2).To(5); no To: never returned.
struct Op {
  bool is_write;
  int value;
  Interval interval{};

  Op From(uint64_t stamp) const {
    Op op = *this;
    op.interval.called = stamp;
    return op;
  }
  Op To(uint64_t stamp) const {
    Op op = *this;
    op.interval.returned = stamp;
    return op;
  }
};
Op Write(int value) { return {.is_write = true, .value = value}; }
Op Read(int value) { return {.is_write = false, .value = value}; }

class Register : public SequentialSpec {
 public:
  explicit Register(std::vector<Op> ops) : ops_(std::move(ops)) {}

  std::string InitialState() const override { return "0"; }
  std::optional<std::string> Apply(const std::string& state,
                                   size_t operation) const override {
    const Op& op = ops_[operation];
    const std::string value = absl::StrCat(op.value);
    if (op.is_write) return value;
    if (op.interval.returned != kNeverReturned && state != value) {
      return std::nullopt;
    }
    return state;
  }

  std::string EffectClass(size_t operation) const override {
    const Op& op = ops_[operation];
    return absl::StrCat(op.is_write ? "write " : "read ", op.value);
  }

  const std::vector<Op>& ops() const { return ops_; }

 private:
  const std::vector<Op> ops_;
};

Verdict Judge(std::vector<Op> ops, uint64_t steps_max = 1'000'000) {
  const Register spec(std::move(ops));
  std::vector<Interval> history;
  for (const Op& op : spec.ops()) history.push_back(op.interval);
  return CheckLinearizable(spec, history, steps_max);
}

TEST(LinearizabilityTest, NothingIsLinearizable) {
  EXPECT_EQ(Judge({}), Verdict::kLinearizable);
}

TEST(LinearizabilityTest, SequentialHistoryIsLinearizable) {
  EXPECT_EQ(Judge({Write(1).From(1).To(2), Read(1).From(3).To(4)}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, StaleReadIsNot) {
  EXPECT_EQ(Judge({Write(1).From(1).To(2), Read(0).From(3).To(4)}),
            Verdict::kNotLinearizable);
}

TEST(LinearizabilityTest, ConcurrentReadMaySeeEither) {
  EXPECT_EQ(Judge({Write(1).From(1).To(4), Read(0).From(2).To(3)}),
            Verdict::kLinearizable);
  EXPECT_EQ(Judge({Write(1).From(1).To(4), Read(1).From(2).To(3)}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, ReadsMayNotGoBackWhileAWriteIsUnderWay) {
  EXPECT_EQ(Judge({Write(1).From(1).To(6), Read(1).From(2).To(3),
                   Read(0).From(4).To(5)}),
            Verdict::kNotLinearizable);
}

TEST(LinearizabilityTest, WriteThatNeverReturnedMayTakeEffectLate) {
  EXPECT_EQ(
      Judge({Write(1).From(1), Read(0).From(2).To(3), Read(1).From(4).To(5)}),
      Verdict::kLinearizable);
}

TEST(LinearizabilityTest, WriteThatNeverReturnedMayHaveNoEffect) {
  EXPECT_EQ(Judge({Write(1).From(1), Read(0).From(2).To(3)}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, WriteThatNeverReturnedHasItsEffectOnce) {
  EXPECT_EQ(Judge({Write(1).From(1), Read(1).From(2).To(3),
                   Write(2).From(4).To(5), Read(1).From(6).To(7)}),
            Verdict::kNotLinearizable);
}

TEST(LinearizabilityTest, ValueThatNobodyWroteIsNot) {
  EXPECT_EQ(Judge({Write(1).From(1).To(9), Read(7).From(2).To(3)}),
            Verdict::kNotLinearizable);
}

TEST(LinearizabilityTest, LostWriteIsNot) {
  EXPECT_EQ(Judge({Write(1).From(1).To(2), Write(2).From(3).To(4),
                   Read(1).From(5).To(6)}),
            Verdict::kNotLinearizable);
}

TEST(LinearizabilityTest, WritesThatNeverReturnedStandInForEachOther) {
  std::vector<Op> ops;
  for (int i = 1; i <= 40; ++i) ops.push_back(Write(5).From(i));
  // Each of them is needed once: two reads see it come and go.
  uint64_t stamp = 100;
  for (int i = 0; i < 40; ++i) {
    ops.push_back(Read(5).From(stamp).To(stamp + 1));
    ops.push_back(Write(6).From(stamp + 2).To(stamp + 3));
    stamp += 4;
  }
  EXPECT_EQ(Judge(ops), Verdict::kLinearizable);
  ops.push_back(Read(5).From(stamp).To(stamp + 1));
  EXPECT_EQ(Judge(ops), Verdict::kNotLinearizable);
}

TEST(LinearizabilityTest, SearchEndsAtItsBound) {
  std::vector<Op> ops;
  for (int i = 1; i <= 12; ++i) ops.push_back(Write(i).From(i));
  ops.push_back(Read(99).From(100).To(101));
  EXPECT_EQ(Judge(ops, 100), Verdict::kUndecided);
}

// Whatever a real register did must be accepted; a read that is changed
// afterwards to a value nobody wrote must not.
TEST(LinearizabilityTest, AgreesWithARegisterOnRandomHistories) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    base::Random random(seed);
    std::vector<Op> ops;
    uint64_t stamp = 1;
    int value = 0;
    // Rounds of up to four overlapping operations that take effect in order.
    for (int round = 0; round < 10; ++round) {
      const uint64_t count = random.Between(1, 4);
      const size_t first = ops.size();
      for (uint64_t i = 0; i < count; ++i) {
        const bool is_write = random.OneIn(2);
        if (is_write) value = static_cast<int>(random.Below(5));
        ops.push_back((is_write ? Write(value) : Read(value)).From(stamp++));
      }
      for (size_t i = first; i < ops.size(); ++i) ops[i] = ops[i].To(stamp++);
    }
    EXPECT_EQ(Judge(ops), Verdict::kLinearizable) << "seed " << seed;
    ops.push_back(Read(9).From(stamp).To(stamp + 1));
    EXPECT_EQ(Judge(ops), Verdict::kNotLinearizable) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sim
