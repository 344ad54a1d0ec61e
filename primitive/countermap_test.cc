#include "primitive/countermap.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/countermap/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/lock_rpcs.h"
#include "primitive/testing/countermap_inputs.h"
#include "primitive/testing/harness.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::countermap::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::base::testing::StatusIs;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CounterMapTest : public ::testing::Test {
 protected:
  // Each returns prev_value.
  int64_t Set(const std::string& key, int64_t value) {
    return map_.Ok<pb::SetOutput>("Set", SetOf(key, value)).prev_value();
  }
  int64_t Increment(const std::string& key, int64_t delta) {
    return map_.Ok<pb::IncrementOutput>("Increment", IncrementOf(key, delta))
        .prev_value();
  }
  int64_t Decrement(const std::string& key, int64_t delta) {
    return map_.Ok<pb::DecrementOutput>("Decrement", DecrementOf(key, delta))
        .prev_value();
  }
  OperationStatus Insert(const std::string& key, int64_t value) {
    return map_.Status("Insert", InsertOf(key, value));
  }
  OperationStatus Update(const std::string& key, int64_t value,
                         int64_t prev_value) {
    return map_.Status("Update", UpdateOf(key, value, prev_value));
  }
  OperationStatus Remove(const std::string& key, int64_t prev_value) {
    return map_.Status("Remove", RemoveOf(key, prev_value));
  }
  void Clear() { map_.Ok<pb::ClearOutput>("Clear", pb::ClearInput()); }
  uint32_t Size() {
    return map_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size();
  }
  // The value, or "-".
  std::string Get(const std::string& key) {
    const session::Result result = map_.Call("Get", GetOf(key));
    if (result.status == OperationStatus::kNotFound) return "-";
    return absl::StrCat(Harness::Parse<pb::GetOutput>(result).value());
  }
  static std::vector<std::string> EntriesToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::EntriesOutput>(output)));
    }
    return texts;
  }
  std::vector<std::string> List() {
    return EntriesToText(map_.List("Entries", EntriesOf()));
  }
  std::vector<std::string> Changes() { return EntriesToText(map_.Changes()); }
  CommandKey Listen(const std::string& filter = "") {
    return map_.Start(1, "Events", EventsOf(filter));
  }
  std::vector<std::string> Events(CommandKey listener) {
    std::vector<std::string> texts;
    for (const auto& event : map_.ParsedEvents<pb::EventsOutput>(listener)) {
      texts.push_back(ToText(event));
    }
    return texts;
  }

  Harness map_{CounterMapType()};
};

// --- Set, Insert, Update -----------------------------------------------------

TEST_F(CounterMapTest, SetReturnsWhatItReplacesAndZeroForAnAbsentKey) {
  EXPECT_EQ(Set("a", 5), 0);
  EXPECT_EQ(Set("a", -7), 5);
  EXPECT_EQ(Set("a", INT64_MIN), -7);
  EXPECT_EQ(Get("a"), absl::StrCat(INT64_MIN));
}

TEST_F(CounterMapTest, SetOfAnEqualValueIsAnUpdateToo) {
  const CommandKey listener = Listen();
  Set("a", 5);
  EXPECT_EQ(Set("a", 5), 5);
  EXPECT_THAT(Events(listener), ElementsAre("insert a 5", "update a 5 was 5"));
}

TEST_F(CounterMapTest, InsertStoresAnAbsentKeyOnly) {
  EXPECT_EQ(Insert("a", 1), OperationStatus::kOk);
  EXPECT_EQ(Insert("a", 2), OperationStatus::kAlreadyExists);
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(CounterMapTest, UpdateAlwaysComparesThePreviousValue) {
  EXPECT_EQ(Update("a", 1, 0), OperationStatus::kNotFound)
      << "an absent key is not 0";
  Set("a", 5);
  EXPECT_EQ(Update("a", 6, 0), OperationStatus::kConflict)
      << "0 is a value, not the lack of a condition";
  EXPECT_EQ(
      map_.Ok<pb::UpdateOutput>("Update", UpdateOf("a", 6, 5)).prev_value(), 5);
  EXPECT_EQ(Get("a"), "6");
  Set("a", 0);
  EXPECT_EQ(Update("a", 1, 0), OperationStatus::kOk);
}

TEST_F(CounterMapTest, TheEmptyKeyIsLegal) {
  Set("", 3);
  EXPECT_EQ(Get(""), "3");
  EXPECT_THAT(List(), ElementsAre(" 3"));
  EXPECT_EQ(Remove("", 3), OperationStatus::kOk);
}

// --- Increment, Decrement ----------------------------------------------------

TEST_F(CounterMapTest, IncrementReturnsTheValueBefore) {
  EXPECT_EQ(Increment("a", 5), 0);
  EXPECT_EQ(Increment("a", -2), 5);
  EXPECT_EQ(Get("a"), "3");
}

TEST_F(CounterMapTest, DecrementReturnsTheValueBefore) {
  EXPECT_EQ(Decrement("a", 5), 0);
  EXPECT_EQ(Decrement("a", -2), -5);
  EXPECT_EQ(Get("a"), "-3");
}

TEST_F(CounterMapTest, ADeltaOfZeroMeansOne) {
  Increment("a", 0);
  EXPECT_EQ(Get("a"), "1");
  Decrement("b", 0);
  EXPECT_EQ(Get("b"), "-1");
}

TEST_F(CounterMapTest, AnIncrementMakesTheKey) {
  const CommandKey listener = Listen();
  Increment("a", 2);
  Decrement("b", 2);
  Increment("a", 1);
  Decrement("b", 1);
  EXPECT_THAT(Events(listener),
              ElementsAre("insert a 2", "insert b -2", "update a 3 was 2",
                          "update b -3 was -2"));
}

TEST_F(CounterMapTest, ArithmeticWrapsAround) {
  Set("a", INT64_MAX);
  EXPECT_EQ(Increment("a", 1), INT64_MAX);
  EXPECT_EQ(Get("a"), absl::StrCat(INT64_MIN));
  EXPECT_EQ(Decrement("a", 1), INT64_MIN);
  EXPECT_EQ(Get("a"), absl::StrCat(INT64_MAX));
  Set("b", 0);
  Decrement("b", INT64_MIN);
  EXPECT_EQ(Get("b"), absl::StrCat(INT64_MIN));
  Decrement("b", INT64_MIN);
  EXPECT_EQ(Get("b"), "0");
  Increment("b", INT64_MIN);
  EXPECT_EQ(Get("b"), absl::StrCat(INT64_MIN));
}

// --- Get, Remove, Size -------------------------------------------------------

TEST_F(CounterMapTest, GetOfAnAbsentKeyIsNotFound) {
  EXPECT_EQ(map_.Status("Get", GetOf("a")), OperationStatus::kNotFound);
}

TEST_F(CounterMapTest, RemoveAlwaysComparesThePreviousValue) {
  EXPECT_EQ(Remove("a", 0), OperationStatus::kNotFound);
  Set("a", 5);
  EXPECT_EQ(Remove("a", 0), OperationStatus::kConflict)
      << "0 is a value, not the lack of a condition";
  EXPECT_EQ(Get("a"), "5");
  EXPECT_EQ(map_.Ok<pb::RemoveOutput>("Remove", RemoveOf("a", 5)).value(), 5);
  EXPECT_EQ(Get("a"), "-");
  Set("a", 0);
  EXPECT_EQ(Remove("a", 0), OperationStatus::kOk);
}

TEST_F(CounterMapTest, ARemovedKeyStartsFromZeroAgain) {
  Set("a", 5);
  Remove("a", 5);
  EXPECT_EQ(Increment("a", 1), 0);
}

TEST_F(CounterMapTest, SizeCountsKeys) {
  EXPECT_EQ(Size(), 0u);
  Set("a", 0);
  Increment("b", 1);
  Increment("b", 1);
  EXPECT_EQ(Size(), 2u);
  Remove("a", 0);
  EXPECT_EQ(Size(), 1u);
  Clear();
  EXPECT_EQ(Size(), 0u);
}

// --- Events and entries ------------------------------------------------------

TEST_F(CounterMapTest, ListenersSeeEveryChangeInOrder) {
  const CommandKey listener = Listen();
  Insert("a", 1);
  Update("a", 2, 1);
  Set("b", 1);
  Remove("a", 2);
  EXPECT_THAT(Events(listener), ElementsAre("insert a 1", "update a 2 was 1",
                                            "insert b 1", "remove a 2"));
}

TEST_F(CounterMapTest, FailedCommandsTellNobody) {
  Set("a", 5);
  const CommandKey listener = Listen();
  map_.Watch();
  Insert("a", 1);
  Update("a", 1, 0);
  Update("z", 1, 0);
  Remove("a", 0);
  Remove("z", 0);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_THAT(List(), ElementsAre("a 5"));
}

TEST_F(CounterMapTest, AFilterLetsOneKeyThrough) {
  const CommandKey listener = Listen("b");
  Set("a", 1);
  Set("b", 2);
  Clear();
  EXPECT_THAT(Events(listener), ElementsAre("insert b 2", "remove b 2"));
}

TEST_F(CounterMapTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen()), IsEmpty());
  map_.set_generation(session::Generation::kRsm);
  EXPECT_THAT(Events(Listen("k")), ElementsAre("hello k"));
}

// The first generation's server sent watchers the delta.
TEST_F(CounterMapTest, WatchersOfAnIncrementGetTheNewValueNotTheDelta) {
  Set("a", 10);
  map_.Watch();
  Increment("a", 5);
  Decrement("a", 3);
  Increment("b", 0);
  EXPECT_THAT(Changes(), ElementsAre("a 15", "a 12", "b 1"));
}

TEST_F(CounterMapTest, WatchersGetOneMessageForEachChange) {
  map_.Watch();
  Insert("a", 1);
  Set("a", 2);
  Update("a", 3, 2);
  Remove("a", 3);
  EXPECT_THAT(Changes(), ElementsAre("a 1", "a 2", "a 3", "a 3"));
  Set("b", 1);
  Set("c", 2);
  Changes();
  Clear();
  EXPECT_THAT(Changes(), ElementsAre("b 1", "c 2"));
}

TEST_F(CounterMapTest, EntriesAreListedInBytewiseKeyOrder) {
  for (const char* key : {"b", "", "a", "aa", "\xc3\xa4", "B"}) Set(key, 1);
  EXPECT_THAT(List(),
              ElementsAre(" 1", "B 1", "a 1", "aa 1", "b 1", "\xc3\xa4 1"));
}

TEST_F(CounterMapTest, OnlyEntriesWithTheFlagWatch) {
  EXPECT_TRUE(map_.Watches("Entries", EntriesOf(true)));
  EXPECT_FALSE(map_.Watches("Entries", EntriesOf(false)));
  EXPECT_FALSE(map_.Watches("Size", pb::SizeInput()));
}

// --- Clear -------------------------------------------------------------------

TEST_F(CounterMapTest, ClearOfAnEmptyMapChangesNothing) {
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(CounterMapTest, ClearReportsEveryKeyInKeyOrder) {
  Set("b", 2);
  Set("a", 1);
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener), ElementsAre("remove a 1", "remove b 2"));
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(CounterMapTest, ALargeClearIsEmptyAtOnceAndReportsInSlices) {
  std::vector<std::string> expected;
  for (int i = 0; i < 2500; ++i) {
    const std::string key = absl::StrCat("k", 10'000 + i);
    Set(key, i);
    expected.push_back(absl::StrCat("remove ", key, " ", i));
  }
  const CommandKey listener = Listen();
  Clear();
  EXPECT_EQ(Size(), 0u);
  EXPECT_EQ(Get("k10000"), "-");
  EXPECT_THAT(List(), IsEmpty());

  std::vector<std::string> events;
  for (size_t slice : {1000, 1000, 500, 0}) {
    map_.Restore();
    map_.Tick(0);
    const std::vector<std::string> more = Events(listener);
    EXPECT_EQ(more.size(), slice);
    events.insert(events.end(), more.begin(), more.end());
  }
  EXPECT_EQ(events, expected);
  EXPECT_TRUE(map_.EncodeRows().empty());
  EXPECT_THAT(map_.timers(), IsEmpty());
}

TEST_F(CounterMapTest, AClearedKeyStartsFromZeroBeforeItsRowHasGone) {
  for (int i = 0; i < 1500; ++i) Set(absl::StrCat("k", 10'000 + i), 7);
  const CommandKey listener = Listen("k11499");
  Clear();
  EXPECT_EQ(Increment("k11499", 3), 0);
  EXPECT_EQ(Remove("k11498", 7), OperationStatus::kNotFound);
  EXPECT_THAT(Events(listener),
              ElementsAre("remove k11499 7", "insert k11499 3"));
}

// --- Lock and Unlock: key_locks_test.cc has the rest -------------------------

TEST_F(CounterMapTest, KeysAreLockedTogetherAndInTurn) {
  map_.Ok<pb::LockOutput>("Lock", LockOf({"a", "b"}));
  const CommandKey waiter = map_.Start(2, "Lock", LockOf({"b", "c"}));
  EXPECT_TRUE(map_.IsOpen(waiter));
  EXPECT_EQ(map_.Call(2, "Unlock", UnlockOf({"b"})).status,
            OperationStatus::kConflict);
  map_.Restore();
  map_.Ok<pb::UnlockOutput>("Unlock", UnlockOf({"b"}));
  EXPECT_EQ(map_.ResultOf(waiter)->status, OperationStatus::kOk);
}

TEST_F(CounterMapTest, UnlockWithoutKeysGivesBackAll) {
  map_.Ok<pb::LockOutput>("Lock", LockOf({"a", "b"}));
  map_.Ok<pb::LockOutput>("Lock", LockOf({"c"}));
  map_.Ok<pb::UnlockOutput>("Unlock", UnlockOf({}));
  EXPECT_EQ(map_.Call(2, "Lock", LockOf({"a", "b", "c"})).status,
            OperationStatus::kOk);
}

TEST_F(CounterMapTest, AWaitEndsWithItsTimeItsClientOrItsSession) {
  map_.Ok<pb::LockOutput>("Lock", LockOf({"a"}));
  EXPECT_EQ(map_.Call(2, "Lock", LockOf({"a"}, Duration(0))).status,
            OperationStatus::kConflict);
  const CommandKey timed = map_.Start(2, "Lock", LockOf({"a"}, Duration(10)));
  const CommandKey given_up = map_.Start(3, "Lock", LockOf({"a"}));
  const CommandKey dead = map_.Start(4, "Lock", LockOf({"a"}));
  const CommandKey last = map_.Start(5, "Lock", LockOf({"a"}));
  map_.Tick(10 * kSecond);
  EXPECT_EQ(map_.ResultOf(timed)->status, OperationStatus::kConflict);
  map_.Cancel(given_up);
  map_.EndSession(4);
  EXPECT_FALSE(map_.ResultOf(dead).has_value());
  map_.EndSession(1);
  EXPECT_EQ(map_.ResultOf(last)->status, OperationStatus::kOk);
}

TEST_F(CounterMapTest, LocksKeepNobodyFromCounting) {
  map_.Ok<pb::LockOutput>("Lock", LockOf({"a"}));
  EXPECT_EQ(map_.Call(2, "Increment", IncrementOf("a", 1)).status,
            OperationStatus::kOk);
}

// --- Bytes -------------------------------------------------------------------

TEST(CounterMapRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  CounterMapRow{.value = -2, .index = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\xff\xff\xff\xff\xff\xff\xff\xfe",
                               17));
  CounterMapRow row;
  ASSERT_TRUE(CounterMapRow::Decode(bytes, row));
  EXPECT_EQ(row.value, -2);
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.size_bytes(), bytes.size());

  EXPECT_FALSE(CounterMapRow::Decode(bytes.substr(0, 16), row));
  EXPECT_FALSE(CounterMapRow::Decode(bytes + "x", row));
  EXPECT_FALSE(CounterMapRow::Decode("", row));
  bytes[0] = 2;
  EXPECT_FALSE(CounterMapRow::Decode(bytes, row)) << "a version of the future";
}

TEST_F(CounterMapTest, RowsAreByKeyInTheirOwnTables) {
  Set("k", 1);
  map_.Ok<pb::LockOutput>("Lock", LockOf({"a"}));
  map_.Start(2, "Lock", LockOf({"a"}));
  std::vector<int> tables;
  for (const auto& [key, bytes] : map_.EncodeRows()) {
    tables.push_back(static_cast<int>(key.first));
  }
  EXPECT_THAT(tables, ElementsAre(24, 26, 27)) << "on disk";
}

// --- Bad input ---------------------------------------------------------------

absl::Status Check(uint32_t operation, const google::protobuf::Message& input,
                   const session::Limits& limits) {
  return CounterMapType().FindOperation(operation)->check(
      input.SerializeAsString(), limits);
}

TEST(CounterMapCheckTest, KeysHaveALimit) {
  const session::Limits limits = {.key_bytes_max = 3};
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_OK(Check(2, SetOf("abc", 1), limits));
  EXPECT_THAT(Check(2, SetOf("abcd", 1), limits),
              StatusIs(invalid, HasSubstr("input.key")));
  EXPECT_THAT(Check(3, InsertOf("abcd", 1), limits), StatusIs(invalid));
  EXPECT_THAT(Check(4, UpdateOf("abcd", 1, 0), limits), StatusIs(invalid));
  EXPECT_THAT(Check(5, IncrementOf("abcd", 1), limits), StatusIs(invalid));
  EXPECT_THAT(Check(6, DecrementOf("abcd", 1), limits), StatusIs(invalid));
  EXPECT_THAT(Check(7, GetOf("abcd"), limits), StatusIs(invalid));
  EXPECT_THAT(Check(8, RemoveOf("abcd", 0), limits), StatusIs(invalid));
  EXPECT_THAT(Check(10, LockOf({"a", "abcd"}), limits),
              StatusIs(invalid, HasSubstr("input.keys")));
  EXPECT_THAT(Check(11, UnlockOf({"abcd"}), limits), StatusIs(invalid));
  EXPECT_THAT(Check(13, EventsOf("abcd"), limits), StatusIs(invalid));
}

TEST(CounterMapCheckTest, ALockNamesAtMostSoManyKeysAndAProperTimeout) {
  std::vector<std::string> keys(kLockKeysMax, "k");
  EXPECT_OK(Check(10, LockOf(keys), {}));
  keys.push_back("k");
  EXPECT_THAT(Check(10, LockOf(keys), {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("257 keys, at most 256")));
  EXPECT_THAT(Check(11, UnlockOf(keys), {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      Check(10, LockOf({}, Duration(0, -2'000'000'000)), {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.timeout")));
}

TEST_F(CounterMapTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 7u, 12u, 14u, UINT32_MAX}) {
    EXPECT_EQ(map_.ResultOf(map_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(map_.Query(2, "").status, OperationStatus::kNotSupported);
  EXPECT_TRUE(map_.ListSlice(2, "", "").done);
}

TEST(CounterMapFuzzTest, NoBytesCrash) {
  const auto update = UpdateOf("a", 3, -1);
  const auto increment = IncrementOf("a", INT64_MIN);
  const auto remove = RemoveOf("a", 0);
  const auto lock = LockOf({"a", "b"}, Duration(3));
  const auto events = EventsOf("a");
  FuzzOperations(CounterMapType(),
                 {&update, &increment, &remove, &lock, &events});
}

}  // namespace
}  // namespace primitive
