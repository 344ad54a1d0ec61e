#include "primitive/value.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/value/v1/fsm.pb.h"
#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::value::v1;
using ::primitive::testing::Duration;
using ::primitive::testing::FuzzOperations;
using ::primitive::testing::Harness;
using ::primitive::testing::kSecond;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Ttl = std::optional<google::protobuf::Duration>;

template <class Input>
Input Storing(const std::string& value, const Ttl& ttl) {
  Input input;
  input.set_value(value);
  if (ttl.has_value()) *input.mutable_ttl() = *ttl;
  return input;
}
pb::SetInput SetTo(const std::string& value, const Ttl& ttl = {}) {
  return Storing<pb::SetInput>(value, ttl);
}
pb::InsertInput InsertOf(const std::string& value, const Ttl& ttl = {}) {
  return Storing<pb::InsertInput>(value, ttl);
}
pb::UpdateInput UpdateTo(const std::string& value, uint64_t prev_index = 0,
                         const Ttl& ttl = {}) {
  auto input = Storing<pb::UpdateInput>(value, ttl);
  input.set_prev_index(prev_index);
  return input;
}
pb::DeleteInput DeleteOf(uint64_t prev_index = 0) {
  pb::DeleteInput input;
  input.set_prev_index(prev_index);
  return input;
}

std::string ToText(const pb::IndexedValue& value) {
  return absl::StrCat(value.value(), "@", value.index());
}
std::string ToText(const pb::EventsOutput& output) {
  const pb::Event& event = output.event();
  switch (event.event_case()) {
    case pb::Event::kCreated:
      return "create " + ToText(event.created().value());
    case pb::Event::kUpdated:
      return "update " + ToText(event.updated().value()) + " was " +
             ToText(event.updated().prev_value());
    case pb::Event::kDeleted:
      return (event.deleted().expired() ? "expire " : "delete ") +
             ToText(event.deleted().value());
    case pb::Event::EVENT_NOT_SET:
      return "hello";
  }
  return "";
}

class ValueTest : public ::testing::Test {
 protected:
  pb::SetOutput Set(const std::string& value, const Ttl& ttl = {}) {
    return value_.Ok<pb::SetOutput>("Set", SetTo(value, ttl));
  }
  // "value@index", or "-".
  std::string Get() {
    const session::Result result = value_.Call("Get", pb::GetInput());
    if (result.status == OperationStatus::kNotFound) return "-";
    const auto output = Harness::Parse<pb::GetOutput>(result);
    EXPECT_TRUE(output.has_value()) << "drivers use it without looking";
    return ToText(output.value());
  }
  static std::vector<std::string> WatchToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& bytes : outputs) {
      const auto output = Harness::Parse<pb::WatchOutput>(bytes);
      EXPECT_TRUE(output.has_value()) << "drivers use it without looking";
      texts.push_back(ToText(output.value()));
    }
    return texts;
  }
  CommandKey Listen() { return value_.Start(1, "Events", pb::EventsInput()); }
  std::vector<std::string> Events(CommandKey listener) {
    std::vector<std::string> texts;
    for (const auto& event : value_.ParsedEvents<pb::EventsOutput>(listener)) {
      texts.push_back(ToText(event));
    }
    return texts;
  }

  Harness value_{ValueType()};
};

TEST_F(ValueTest, SetAlwaysWrites) {
  const pb::SetOutput first = Set("1");
  EXPECT_EQ(first.index(), 101u);
  EXPECT_FALSE(first.has_prev_value());
  const pb::SetOutput second = Set("1");
  EXPECT_EQ(second.index(), 102u) << "an equal value too";
  EXPECT_EQ(ToText(second.prev_value()), "1@101");
  EXPECT_EQ(Get(), "1@102");
}

TEST_F(ValueTest, InsertWritesWhereThereIsNone) {
  EXPECT_EQ(value_.Ok<pb::InsertOutput>("Insert", InsertOf("1")).index(), 101u);
  EXPECT_EQ(value_.Status("Insert", InsertOf("2")),
            OperationStatus::kAlreadyExists);
  EXPECT_EQ(Get(), "1@101");
}

TEST_F(ValueTest, UpdateWantsAValueAndThePreviousIndex) {
  EXPECT_EQ(value_.Status("Update", UpdateTo("1")), OperationStatus::kNotFound);
  Set("1");
  const auto output = value_.Ok<pb::UpdateOutput>("Update", UpdateTo("2", 102));
  EXPECT_EQ(output.index(), 103u);
  EXPECT_EQ(ToText(output.prev_value()), "1@102");
  EXPECT_EQ(value_.Ok<pb::UpdateOutput>("Update", UpdateTo("3")).index(), 104u);
}

TEST_F(ValueTest, AWrongPreviousIndexChangesNothing) {
  Set("1");
  const CommandKey listener = Listen();
  value_.Watch();
  EXPECT_EQ(value_.Status("Update", UpdateTo("2", 7)),
            OperationStatus::kConflict);
  EXPECT_EQ(value_.Status("Delete", DeleteOf(7)), OperationStatus::kConflict);
  EXPECT_EQ(Get(), "1@101");
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(value_.Changes(), IsEmpty());
}

TEST_F(ValueTest, GetWithoutAValueIsNotFound) {
  EXPECT_EQ(value_.Status("Get", pb::GetInput()), OperationStatus::kNotFound);
}

TEST_F(ValueTest, DeleteReturnsTheDeletedValue) {
  EXPECT_EQ(value_.Status("Delete", DeleteOf()), OperationStatus::kNotFound);
  Set("1");
  EXPECT_EQ(
      ToText(value_.Ok<pb::DeleteOutput>("Delete", DeleteOf(102)).value()),
      "1@102");
  EXPECT_EQ(Get(), "-");
  EXPECT_TRUE(value_.EncodeRows().empty());
}

TEST_F(ValueTest, AnEmptyValueIsAValue) {
  Set("");
  EXPECT_EQ(Get(), "@101");
  value_.Restore();
  EXPECT_EQ(value_.Status("Insert", InsertOf("")),
            OperationStatus::kAlreadyExists);
}

TEST_F(ValueTest, ItExpiresWhenItsTimeHasCome) {
  for (bool restart : {false, true}) {
    Set("1", Duration(10));
    value_.Tick(10 * kSecond - 1);
    if (restart) value_.Restore();
    EXPECT_NE(Get(), "-");
    value_.Tick(1);
    EXPECT_EQ(Get(), "-");
  }
}

// More may be due at once than one entry does (DoDue).
TEST_F(ValueTest, BugACommandNeverSeesAValueWhoseTimeIsOver) {
  value_.HoldTimers();
  const auto expired = [&] {
    value_.Call("Set", SetTo("1", Duration(10)));
    value_.Tick(10 * kSecond);
  };
  expired();
  EXPECT_FALSE(Set("2").has_prev_value());
  expired();
  EXPECT_EQ(value_.Status("Insert", InsertOf("2")), OperationStatus::kOk);
  expired();
  EXPECT_EQ(value_.Status("Update", UpdateTo("2")), OperationStatus::kNotFound);
  expired();
  EXPECT_EQ(value_.Status("Delete", DeleteOf()), OperationStatus::kNotFound);
  EXPECT_EQ(Get(), "-");
  EXPECT_THAT(value_.timers(), IsEmpty());
}

TEST_F(ValueTest, NoTimeToLiveOrLessEndsAtTheNextLaterEntry) {
  for (const auto& ttl : {Duration(0), Duration(-1)}) {
    Set("1", ttl);
    value_.Tick(0);
    EXPECT_NE(Get(), "-");
    value_.Tick(1);
    EXPECT_EQ(Get(), "-");
  }
}

TEST_F(ValueTest, EveryWriteReplacesTheTimeToLive) {
  Set("1", Duration(10));
  Set("1");
  EXPECT_THAT(value_.timers(), IsEmpty());
  value_.Ok<pb::UpdateOutput>("Update", UpdateTo("2", 0, Duration(20)));
  value_.Tick(10 * kSecond);
  EXPECT_EQ(Get(), "2@103");
  value_.Tick(10 * kSecond);
  EXPECT_EQ(Get(), "-");
  Set("3", Duration(10));
  value_.Call("Delete", DeleteOf());
  Set("4", Duration(315'576'000'000));
  EXPECT_THAT(value_.timers(), IsEmpty());
}

TEST_F(ValueTest, ListenersSeeEveryChange) {
  Set("0");
  const CommandKey listener = Listen();
  value_.Call("Delete", DeleteOf());
  value_.Call("Insert", InsertOf("1"));
  Set("1");
  value_.Call("Update", UpdateTo("2", 0, Duration(1)));
  value_.Tick(kSecond);
  EXPECT_THAT(
      Events(listener),
      ElementsAre("delete 0@101", "create 1@104", "update 1@105 was 1@104",
                  "update 2@106 was 1@105", "expire 2@106"));
}

TEST_F(ValueTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen()), IsEmpty());
  value_.set_generation(session::Generation::kRsm);
  EXPECT_THAT(value_.Events(Listen()), ElementsAre(std::string("\x0a\x00", 2)));
}

TEST_F(ValueTest, WatchStartsWithTheValueIfThereIsOne) {
  EXPECT_TRUE(value_.Watches("Watch", pb::WatchInput()));
  EXPECT_THAT(value_.List("Watch", pb::WatchInput()), IsEmpty());
  Set("1");
  EXPECT_THAT(WatchToText(value_.List("Watch", pb::WatchInput())),
              ElementsAre("1@101"));
}

TEST_F(ValueTest, WatchersGetTheNewValueAndTheOldOneOfADeletion) {
  value_.Watch();
  Set("1");
  Set("2", Duration(1));
  value_.Tick(kSecond);
  Set("3");
  value_.Call("Delete", DeleteOf());
  EXPECT_THAT(WatchToText(value_.Changes()),
              ElementsAre("1@101", "2@102", "2@102", "3@103", "3@103"));
}

TEST_F(ValueTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 6u, 8u, UINT32_MAX}) {
    EXPECT_EQ(value_.ResultOf(value_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(value_.Query(2, "").status, OperationStatus::kNotSupported);
  EXPECT_THAT(value_.ListSlice(1, "", "").outputs, IsEmpty());
}

TEST(ValueRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  ValueRow{.value = "v", .index = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\xff\xff\xff\xff\xff\xff\xff\xff"
                               "v",
                               18));
  ValueRow row;
  ASSERT_TRUE(ValueRow::Decode(bytes, row));
  EXPECT_EQ(row.value, "v");
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.expire_ns, session::kNever);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(ValueRow::Decode(bytes.substr(0, 16), row));
  bytes[0] = 2;
  EXPECT_FALSE(ValueRow::Decode(bytes, row)) << "a version of the future";
}

TEST(ValueCheckTest, ValuesAndTimesToLiveAreChecked) {
  const session::Limits limits = {.value_bytes_max = 4};
  const auto check = [&](uint32_t operation, const auto& input) {
    return ValueType()
        .FindOperation(operation)
        ->check(input.SerializeAsString(), limits)
        .code();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(check(2, SetTo("1234")), absl::StatusCode::kOk);
  EXPECT_EQ(check(2, SetTo("12345")), invalid);
  EXPECT_EQ(check(3, InsertOf("12345")), invalid);
  EXPECT_EQ(check(4, UpdateTo("12345")), invalid);
  EXPECT_EQ(check(2, SetTo("1", Duration(1, -1))), invalid);
  EXPECT_EQ(check(3, InsertOf("1", Duration(1, -1))), invalid);
  EXPECT_EQ(check(4, UpdateTo("1", 0, Duration(1, -1))), invalid);
}

TEST(ValueFuzzTest, NoBytesCrash) {
  const auto set = SetTo("1", Duration(3, 5));
  const auto update = UpdateTo("2", 101, Duration(3));
  FuzzOperations(ValueType(), {&set, &update});
}

// What a value is, and what its listeners were told.
struct Model {
  struct Present {
    std::string value;
    uint64_t index = 0;
    uint64_t expire_ns = session::kNever;
  };

  std::string Text() const {
    return present.has_value()
               ? absl::StrCat(present->value, "@", present->index)
               : "-";
  }
  void Store(Present row) {
    const std::string old = Text();
    const bool created = !present.has_value();
    present = std::move(row);
    events.push_back(created ? "create " + Text()
                             : "update " + Text() + " was " + old);
  }
  void Erase(const std::string& how) {
    events.push_back(how + Text());
    present.reset();
  }
  // What an Update or Delete with this precondition answers.
  OperationStatus Expect(uint64_t prev_index) const {
    if (!present.has_value()) return OperationStatus::kNotFound;
    return prev_index > 0 && prev_index != present->index
               ? OperationStatus::kConflict
               : OperationStatus::kOk;
  }

  std::optional<Present> present;
  std::vector<std::string> events;
};

// One replica is restored once in `restore_in` commands, the other never.
void CompareWithModel(int commands, uint64_t restore_in) {
  base::Random random(restore_in);
  Harness replica(ValueType());
  Harness restored(ValueType());
  replica.Watch();
  const CommandKey listener = replica.Start(1, "Events", pb::EventsInput());
  ASSERT_EQ(restored.Start(1, "Events", pb::EventsInput()), listener);
  Model model;
  for (int i = 0; i < commands; ++i) {
    const std::string value = absl::StrCat("v", random.Below(3));
    Ttl ttl;
    Model::Present row{.value = value, .index = replica.index() + 1};
    if (random.OneIn(2)) {
      const uint64_t seconds = random.Below(5);
      ttl = Duration(static_cast<int64_t>(seconds));
      row.expire_ns = replica.time_ns() + (seconds > 0 ? seconds * kSecond : 1);
    }
    uint64_t prev_index = 0;
    if (random.OneIn(3)) prev_index = random.Between(1, 200);
    if (random.OneIn(3) && model.present) prev_index = model.present->index;

    auto call = [&](const char* rpc, const auto& input) {
      const session::Result result = replica.Call(rpc, input);
      EXPECT_EQ(result, restored.Call(rpc, input));
      return result.status;
    };
    switch (random.Below(6)) {
      case 0:
        EXPECT_EQ(call("Set", SetTo(value, ttl)), OperationStatus::kOk);
        model.Store(row);
        break;
      case 1:
        EXPECT_EQ(call("Insert", InsertOf(value, ttl)),
                  model.present ? OperationStatus::kAlreadyExists
                                : OperationStatus::kOk);
        if (!model.present) model.Store(row);
        break;
      case 2: {
        const OperationStatus status = model.Expect(prev_index);
        EXPECT_EQ(call("Update", UpdateTo(value, prev_index, ttl)), status);
        if (status == OperationStatus::kOk) model.Store(row);
        break;
      }
      case 3: {
        const OperationStatus status = model.Expect(prev_index);
        EXPECT_EQ(call("Delete", DeleteOf(prev_index)), status);
        if (status == OperationStatus::kOk) model.Erase("delete ");
        break;
      }
      default: {
        const uint64_t step = random.Below(2 * kSecond);
        replica.Tick(step);
        restored.Tick(step);
        if (model.present && model.present->expire_ns <= replica.time_ns()) {
          model.Erase("expire ");
        }
      }
    }
    if (random.OneIn(restore_in)) restored.Restore();
    ASSERT_EQ(replica.EncodeRows(), restored.EncodeRows());

    const session::Result got = restored.Call("Get", pb::GetInput());
    ASSERT_EQ(got.status == OperationStatus::kOk
                  ? ToText(Harness::Parse<pb::GetOutput>(got).value())
                  : "-",
              model.Text());
    std::vector<std::string> events;
    for (const auto& event : replica.ParsedEvents<pb::EventsOutput>(listener)) {
      events.push_back(ToText(event));
    }
    ASSERT_EQ(replica.Changes().size(), events.size());
    ASSERT_EQ(restored.Events(listener).size(), events.size());
    ASSERT_EQ(events, std::exchange(model.events, {}));
  }
}

TEST(ValueModelTest, ThousandsOfCommands) { CompareWithModel(5000, 50); }
TEST(ValueModelTest, RestoreAtEveryIndex) { CompareWithModel(500, 1); }

}  // namespace
}  // namespace primitive
