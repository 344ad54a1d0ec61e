#include "primitive/counter.h"

#include <cstdint>
#include <limits>
#include <string>

#include "atomix/multiraft/counter/v1/fsm.pb.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::counter::v1;
using ::primitive::testing::FuzzOperations;
using ::primitive::testing::Harness;
using ::session::OperationStatus;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

pb::SetInput SetTo(int64_t value) {
  pb::SetInput input;
  input.set_value(value);
  return input;
}
pb::UpdateInput UpdateTo(int64_t compare, int64_t update) {
  pb::UpdateInput input;
  input.set_compare(compare);
  input.set_update(update);
  return input;
}
pb::IncrementInput IncrementBy(int64_t delta) {
  pb::IncrementInput input;
  input.set_delta(delta);
  return input;
}
pb::DecrementInput DecrementBy(int64_t delta) {
  pb::DecrementInput input;
  input.set_delta(delta);
  return input;
}

class CounterTest : public ::testing::Test {
 protected:
  int64_t Set(int64_t value) {
    return counter_.Ok<pb::SetOutput>("Set", SetTo(value)).value();
  }
  int64_t Update(int64_t compare, int64_t update) {
    return counter_.Ok<pb::UpdateOutput>("Update", UpdateTo(compare, update))
        .value();
  }
  int64_t Increment(int64_t delta) {
    return counter_.Ok<pb::IncrementOutput>("Increment", IncrementBy(delta))
        .value();
  }
  int64_t Decrement(int64_t delta) {
    return counter_.Ok<pb::DecrementOutput>("Decrement", DecrementBy(delta))
        .value();
  }
  int64_t Get() {
    return counter_.Ok<pb::GetOutput>("Get", pb::GetInput()).value();
  }

  Harness counter_{CounterType()};
};

TEST_F(CounterTest, IsZeroAtFirst) {
  EXPECT_EQ(Get(), 0);
  EXPECT_TRUE(counter_.EncodeRows().empty());
}

TEST_F(CounterTest, SetReturnsTheNewValue) {
  EXPECT_EQ(Set(7), 7);
  EXPECT_EQ(Get(), 7);
  EXPECT_EQ(Set(-9), -9);
  EXPECT_EQ(Set(0), 0);
  EXPECT_EQ(Get(), 0);
}

TEST_F(CounterTest, UpdateStoresIfTheValueIsTheExpected) {
  EXPECT_EQ(Update(0, 5), 5);
  EXPECT_EQ(Update(5, 5), 5);
  EXPECT_EQ(Update(5, -1), -1);
  EXPECT_EQ(Get(), -1);
}

TEST_F(CounterTest, UpdateOfAnotherValueIsAConflictAndChangesNothing) {
  Set(5);
  EXPECT_EQ(counter_.Status("Update", UpdateTo(4, 6)),
            OperationStatus::kConflict);
  EXPECT_EQ(counter_.Call("Update", UpdateTo(0, 6)).message,
            "value is 5, not 0");
  EXPECT_EQ(Get(), 5);
}

TEST_F(CounterTest, IncrementAndDecrementReturnTheNewValue) {
  EXPECT_EQ(Increment(3), 3);
  EXPECT_EQ(Increment(0), 3);
  EXPECT_EQ(Increment(-5), -2);
  EXPECT_EQ(Decrement(4), -6);
  EXPECT_EQ(Decrement(0), -6);
  EXPECT_EQ(Decrement(-10), 4);
  EXPECT_EQ(Get(), 4);
}

TEST_F(CounterTest, ArithmeticWrapsAround) {
  Set(kMax);
  EXPECT_EQ(Increment(1), kMin);
  EXPECT_EQ(Decrement(1), kMax);
  EXPECT_EQ(Increment(kMax), -2);
  Set(kMin);
  EXPECT_EQ(Increment(kMin), 0);
  EXPECT_EQ(Decrement(kMin), kMin);
}

TEST_F(CounterTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 3u, 6u, UINT32_MAX}) {
    EXPECT_EQ(counter_.ResultOf(counter_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(counter_.Query(4, "").status, OperationStatus::kNotSupported);
}

TEST_F(CounterTest, ACommittedInputThatDoesNotDecodeIsAnInternalError) {
  EXPECT_EQ(counter_.ResultOf(counter_.Apply(1, 4, "\x08"))->status,
            OperationStatus::kInternal);
  EXPECT_EQ(Get(), 0);
}

TEST(CounterRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  CounterRow{.value = -2}.Encode(bytes);
  EXPECT_EQ(bytes, "\x01\xff\xff\xff\xff\xff\xff\xff\xfe");
  CounterRow row;
  ASSERT_TRUE(CounterRow::Decode(bytes, row));
  EXPECT_EQ(row.value, -2);

  EXPECT_FALSE(CounterRow::Decode("", row));
  EXPECT_FALSE(CounterRow::Decode(bytes.substr(0, 8), row));
  EXPECT_FALSE(CounterRow::Decode(bytes + "x", row));
  bytes[0] = 2;
  EXPECT_FALSE(CounterRow::Decode(bytes, row)) << "a version of the future";
}

// One replica is restored from its rows once in `restore_in` commands, the
// other never; both must be what plain arithmetic says.
void CompareWithModel(int commands, uint64_t restore_in) {
  base::Random random(restore_in);
  Harness replica(CounterType());
  Harness restored(CounterType());
  uint64_t model = 0;
  for (int i = 0; i < commands; ++i) {
    const uint64_t operand = random.OneIn(3) ? random.Next() : random.Below(4);
    const auto signed_operand = static_cast<int64_t>(operand);
    const auto signed_model = static_cast<int64_t>(model);
    auto call = [&](const char* rpc, const auto& input) {
      const session::Result result = replica.Call(rpc, input);
      EXPECT_EQ(result, restored.Call(rpc, input));
      return result;
    };
    switch (random.Below(4)) {
      case 0:
        model += operand;
        call("Increment", IncrementBy(signed_operand));
        break;
      case 1:
        model -= operand;
        call("Decrement", DecrementBy(signed_operand));
        break;
      case 2:
        model = operand;
        call("Set", SetTo(signed_operand));
        break;
      default: {
        const bool matches = random.OneIn(2);
        const int64_t compare = matches ? signed_model : signed_operand;
        const bool stores = compare == signed_model;
        EXPECT_EQ(call("Update", UpdateTo(compare, 17)).status,
                  stores ? OperationStatus::kOk : OperationStatus::kConflict);
        if (stores) model = 17;
      }
    }
    if (random.OneIn(restore_in)) {
      restored.Restore();
      ASSERT_EQ(replica.EncodeRows(), restored.EncodeRows());
    }
    ASSERT_EQ(static_cast<uint64_t>(
                  restored.Ok<pb::GetOutput>("Get", pb::GetInput()).value()),
              model);
  }
}

TEST(CounterModelTest, ThousandsOfCommands) { CompareWithModel(5000, 100); }
TEST(CounterModelTest, RestoreAtEveryIndex) { CompareWithModel(200, 1); }

TEST(CounterFuzzTest, NoBytesCrash) {
  const pb::SetInput set = SetTo(-1);
  const pb::UpdateInput update = UpdateTo(0, 300);
  FuzzOperations(CounterType(), {&set, &update});
}

}  // namespace
}  // namespace primitive
