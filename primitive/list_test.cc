#include "primitive/list.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/list/v1/fsm.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/list_inputs.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::list::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;
using ::session::TableId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ListTest : public ::testing::Test {
 protected:
  void Append(const std::string& value) {
    list_.Ok<pb::AppendOutput>("Append", AppendOf(value));
  }
  void Fill(const std::string& letters) {
    for (char letter : letters) Append(std::string(1, letter));
  }
  // The item that was answered, as text, or "out of range".
  template <class Output>
  static std::string Item(const Result& result) {
    if (result.status == OperationStatus::kInvalid) return "out of range";
    return ToText(Harness::Parse<Output>(result).item());
  }
  std::string Insert(uint32_t index, const std::string& value) {
    return Item<pb::InsertOutput>(list_.Call("Insert", InsertOf(index, value)));
  }
  std::string Set(uint32_t index, const std::string& value) {
    return Item<pb::SetOutput>(list_.Call("Set", SetOf(index, value)));
  }
  std::string Remove(uint32_t index) {
    return Item<pb::RemoveOutput>(list_.Call("Remove", RemoveOf(index)));
  }
  std::string Get(uint32_t index) {
    return Item<pb::GetOutput>(list_.Call("Get", GetOf(index)));
  }
  void Clear() { list_.Ok<pb::ClearOutput>("Clear", pb::ClearInput()); }
  uint32_t Size() {
    return list_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size();
  }

  static std::vector<std::string> ItemsToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& bytes : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::ItemsOutput>(bytes).item()));
    }
    return texts;
  }
  std::vector<std::string> Items() {
    return ItemsToText(list_.List("Items", ItemsOf()));
  }
  std::vector<std::string> Changes() { return ItemsToText(list_.Changes()); }
  CommandKey Listen() { return list_.Start(1, "Events", pb::EventsInput()); }
  std::vector<std::string> Events(CommandKey listener) {
    std::vector<std::string> texts;
    for (const auto& event : list_.ParsedEvents<pb::EventsOutput>(listener)) {
      texts.push_back(ToText(event));
    }
    return texts;
  }
  size_t RowsOf(TableId table) {
    size_t rows = 0;
    for (const auto& [key, row] : list_.EncodeRows())
      rows += key.first == table;
    return rows;
  }

  Harness list_{ListType()};
};

// --- Commands ----------------------------------------------------------------

TEST_F(ListTest, AppendAddsAtTheEnd) {
  EXPECT_EQ(Size(), 0u);
  Append("a");
  Append("b");
  Append("a");
  EXPECT_THAT(Items(), ElementsAre("0=a", "1=b", "2=a"));
  EXPECT_EQ(Size(), 3u);
}

TEST_F(ListTest, InsertMovesWhatIsBehindIt) {
  EXPECT_EQ(Insert(0, "c"), "0=c");
  EXPECT_EQ(Insert(0, "a"), "0=a");
  EXPECT_EQ(Insert(1, "b"), "1=b");
  EXPECT_EQ(Insert(3, "d"), "3=d") << "at the end";
  EXPECT_THAT(Items(), ElementsAre("0=a", "1=b", "2=c", "3=d"));
  EXPECT_EQ(Insert(5, "e"), "out of range");
  EXPECT_EQ(Insert(UINT32_MAX, "e"), "out of range");
  EXPECT_EQ(Size(), 4u);
}

TEST_F(ListTest, SetReplacesOneItem) {
  Fill("abc");
  EXPECT_EQ(Set(1, "B"), "1=B");
  EXPECT_EQ(Set(3, "D"), "out of range");
  EXPECT_THAT(Items(), ElementsAre("0=a", "1=B", "2=c"));
}

TEST_F(ListTest, GetIsByPosition) {
  EXPECT_EQ(Get(0), "out of range");
  Fill("ab");
  EXPECT_EQ(Get(0), "0=a");
  EXPECT_EQ(Get(1), "1=b");
  EXPECT_EQ(Get(2), "out of range");
  EXPECT_EQ(Get(UINT32_MAX), "out of range");
}

TEST_F(ListTest, RemoveMovesWhatIsBehindIt) {
  EXPECT_EQ(Remove(0), "out of range");
  Fill("abcd");
  EXPECT_EQ(Remove(1), "1=b");
  EXPECT_EQ(Remove(2), "2=d");
  EXPECT_EQ(Remove(0), "0=a");
  EXPECT_EQ(Remove(1), "out of range");
  EXPECT_THAT(Items(), ElementsAre("0=c"));
  list_.Restore();
  EXPECT_EQ(Remove(0), "0=c");
  EXPECT_EQ(RowsOf(TableId::kList), 0u);
}

TEST_F(ListTest, ClearEmptiesIt) {
  Clear();
  EXPECT_THAT(list_.EncodeRows(), IsEmpty());
  Fill("abc");
  Clear();
  EXPECT_EQ(Size(), 0u);
  EXPECT_EQ(RowsOf(TableId::kList), 0u);
  list_.Restore();
  Fill("d");
  EXPECT_THAT(Items(), ElementsAre("0=d"));
}

TEST_F(ListTest, ARestartKeepsTheOrder) {
  Fill("ae");
  Insert(1, "d");
  Insert(1, "b");
  Insert(2, "c");
  Insert(0, "_");
  list_.Restore();
  EXPECT_THAT(Items(), ElementsAre("0=_", "1=a", "2=b", "3=c", "4=d", "5=e"));
  Append("f");
  Insert(3, "x");
  list_.Restore();
  EXPECT_THAT(Items(), ElementsAre("0=_", "1=a", "2=b", "3=x", "4=c", "5=d",
                                   "6=e", "7=f"));
}

TEST_F(ListTest, ValuesMayBeEmptyOrAbsent) {
  Append("");
  list_.Call("Append", pb::AppendInput());
  list_.Call("Insert", pb::InsertInput());
  EXPECT_THAT(Items(), ElementsAre("0=", "1=", "2="));
}

// In the middle of a long list, too, two rows change and the state.
TEST_F(ListTest, AnInsertionAnywhereWritesFewRows) {
  for (int i = 0; i < 3000; ++i) Append(absl::StrCat(i));
  const auto before = list_.EncodeRows();
  Insert(1500, "x");
  const auto after = list_.EncodeRows();
  size_t changed = 0;
  for (const auto& [key, row] : after) {
    const auto it = before.find(key);
    if (it == before.end() || it->second != row) ++changed;
  }
  EXPECT_EQ(changed, 3u);
  EXPECT_EQ(Get(1501), "1501=1500");
}

// --- Events ------------------------------------------------------------------

TEST_F(ListTest, ListenersSeeEveryChange) {
  Append("before");
  const CommandKey listener = Listen();
  Append("a");
  Insert(0, "b");
  Set(1, "c");
  Set(1, "c");
  Remove(0);
  Append("d");
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("append 1=a", "insert 0=b", "update 1=c was before",
                          "update 1=c was c", "remove 0=b", "append 2=d",
                          "remove 2=d", "remove 1=a", "remove 0=c"));
}

TEST_F(ListTest, FailedCommandsSendNoEvent) {
  Append("a");
  const CommandKey listener = Listen();
  list_.Watch();
  Insert(2, "x");
  Set(1, "x");
  Remove(1);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(ListTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen()), IsEmpty());
  list_.set_generation(session::Generation::kRsm);
  EXPECT_THAT(Events(Listen()), ElementsAre("hello"));
}

// --- Items -------------------------------------------------------------------

TEST_F(ListTest, AListingIsTheSameInSlicesOfAnySize) {
  for (int i = 0; i < 200; ++i) Insert(i / 2, absl::StrCat(i));
  const auto whole = list_.List("Items", ItemsOf(), 1000);
  EXPECT_THAT(whole, SizeIs(200));
  for (size_t rows_max : {1, 2, 3, 64, 199, 200, 201}) {
    EXPECT_EQ(list_.List("Items", ItemsOf(), rows_max), whole);
  }
}

TEST_F(ListTest, ASliceOfAListingIsBoundedByBytes) {
  for (int i = 0; i < 9; ++i) Append(std::string(1000, 'v'));
  session::Listing slice = list_.ListSlice(9, "", "", {10, 2500});
  EXPECT_THAT(slice.outputs, SizeIs(3));
  EXPECT_FALSE(slice.done);
  slice = list_.ListSlice(9, "", slice.cursor, {10, 1});
  EXPECT_THAT(slice.outputs, SizeIs(1)) << "it must get on";
  slice = list_.ListSlice(9, "", slice.cursor, {10, 100'000});
  EXPECT_THAT(slice.outputs, SizeIs(5));
  EXPECT_TRUE(slice.done);
}

TEST_F(ListTest, OnlyItemsWithTheFlagWatch) {
  EXPECT_TRUE(list_.Watches("Items", ItemsOf(true)));
  EXPECT_FALSE(list_.Watches("Items", ItemsOf(false)));
}

TEST_F(ListTest, WatchersGetTheNewItemAndTheOldOneOfARemoval) {
  list_.Watch();
  Append("a");
  Insert(0, "b");
  Set(1, "c");
  Remove(0);
  Append("d");
  Clear();
  EXPECT_THAT(Changes(),
              ElementsAre("0=a", "0=b", "1=c", "0=b", "1=d", "1=d", "0=c"));
  EXPECT_FALSE(list_.Interrupted());
}

TEST_F(ListTest, WatchersDoNotChangeTheState) {
  Harness watched(ListType());
  watched.Watch();
  for (Harness* list : {&list_, &watched}) {
    for (int i = 0; i < 5; ++i) list->Call("Append", AppendOf("v"));
    list->Call("Remove", RemoveOf(2));
    list->Call("Clear", pb::ClearInput());
    list->Call("Insert", InsertOf(0, "w"));
  }
  EXPECT_EQ(list_.EncodeRows(), watched.EncodeRows());
}

// --- Clear of more items than one entry may report ---------------------------

class LargeListClearTest : public ListTest {
 protected:
  static constexpr int kItems = 2500;

  void FillMany() {
    for (int i = 0; i < kItems; ++i) Append(absl::StrCat(i));
  }
};

TEST_F(LargeListClearTest, WithoutListenersAllRowsGoAtOnce) {
  FillMany();
  list_.Watch();
  Clear();
  EXPECT_EQ(RowsOf(TableId::kList), 0u);
  EXPECT_THAT(list_.timers(), IsEmpty());
  EXPECT_TRUE(list_.Interrupted()) << "watchers list again";
  EXPECT_THAT(Changes(), IsEmpty());
  Fill("ab");
  EXPECT_THAT(Items(), ElementsAre("0=a", "1=b"));
}

TEST_F(LargeListClearTest, IsEmptyAtOnceAndReportsInSlicesFromTheEnd) {
  FillMany();
  const CommandKey listener = Listen();
  list_.Watch();
  Clear();
  EXPECT_TRUE(list_.Interrupted());
  EXPECT_THAT(Events(listener), IsEmpty());
  for (bool restart : {false, true}) {
    if (restart) list_.Restore();
    EXPECT_EQ(Size(), 0u);
    EXPECT_EQ(Get(0), "out of range");
    EXPECT_THAT(Items(), IsEmpty());
  }
  std::vector<std::string> expected;
  for (int i = kItems - 1; i >= 0; --i) {
    expected.push_back(absl::StrCat("remove ", i, "=", i));
  }
  std::vector<std::string> events;
  for (size_t slice : {1000, 1000, 500, 0}) {
    list_.Tick(0);
    EXPECT_EQ(list_.charged(), slice);
    list_.Restore();
    const std::vector<std::string> more = Events(listener);
    EXPECT_THAT(more, SizeIs(slice));
    events.insert(events.end(), more.begin(), more.end());
  }
  EXPECT_EQ(events, expected);
  EXPECT_EQ(list_.EncodeRows().size(), 1u);
  EXPECT_THAT(list_.timers(), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty()) << "who lists now never saw these";
}

TEST_F(LargeListClearTest, WhatComesMeanwhileStandsBeforeWhatIsLeft) {
  FillMany();
  const CommandKey early = Listen();
  Clear();
  const CommandKey late = Listen();
  // Each entry tells of a slice before its own effect.
  Append("a");
  Append("b");
  const std::vector<std::string> events = Events(early);
  ASSERT_THAT(events, SizeIs(kItems + 2u));
  EXPECT_EQ(events[0], "remove 2499=2499");
  EXPECT_EQ(events[1999], "remove 500=500");
  EXPECT_EQ(events[2000], "insert 0=a") << "not at the end of that copy";
  EXPECT_EQ(events[2001], "remove 500=499");
  EXPECT_EQ(events[2500], "remove 1=0");
  EXPECT_EQ(events[2501], "append 1=b");
  EXPECT_THAT(Events(late), ElementsAre("insert 0=a", "append 1=b"));
}

TEST_F(LargeListClearTest, ASecondClearMeanwhileReportsItsOwnItems) {
  FillMany();
  const CommandKey early = Listen();
  Clear();
  const CommandKey between = Listen();
  Append("x");
  Clear();
  EXPECT_EQ(Size(), 0u);
  list_.Restore();
  for (int i = 0; i < 3; ++i) list_.Tick(0);
  EXPECT_THAT(Events(early), SizeIs(kItems + 2u));
  EXPECT_THAT(Events(between), ElementsAre("insert 0=x", "remove 0=x"));
  EXPECT_EQ(list_.EncodeRows().size(), 1u);
}

TEST_F(LargeListClearTest, WithTheLastListenerWhatIsLeftGoesAtTheNextClear) {
  FillMany();
  const CommandKey listener = Listen();
  Clear();
  Append("x");
  list_.Cancel(listener);
  Clear();
  EXPECT_EQ(list_.EncodeRows().size(), 1u);
  EXPECT_THAT(list_.timers(), IsEmpty());
  list_.Restore();
  Fill("a");
  EXPECT_THAT(Items(), ElementsAre("0=a"));
}

// --- Bytes -------------------------------------------------------------------

TEST(ListRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  ListRow{.value = "v", .next = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "v",
                               10));
  ListRow row;
  ASSERT_TRUE(ListRow::Decode(bytes, row));
  EXPECT_EQ(row.value, "v");
  EXPECT_EQ(row.next, 0x0102u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(ListRow::Decode(bytes.substr(0, 8), row));
  bytes[0] = 2;
  EXPECT_FALSE(ListRow::Decode(bytes, row)) << "a version of the future";
}

TEST(ListStateRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  ListStateRow{.last_number = 0x0102, .first = 3}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\x00\x00\x00\x00\x00\x00\x00\x03",
                               17));
  ListStateRow row;
  ASSERT_TRUE(ListStateRow::Decode(bytes, row));
  EXPECT_EQ(row.last_number, 0x0102u);
  EXPECT_EQ(row.first, 3u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(ListStateRow::Decode(bytes + "x", row));
  bytes[0] = 2;
  EXPECT_FALSE(ListStateRow::Decode(bytes, row));
}

TEST(ListClearRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  ListClearRow{.first = 0x0102, .count = 3}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\x00\x00\x00\x00\x00\x00\x00\x03",
                               17));
  ListClearRow row;
  ASSERT_TRUE(ListClearRow::Decode(bytes, row));
  EXPECT_EQ(row.first, 0x0102u);
  EXPECT_EQ(row.count, 3u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(ListClearRow::Decode(bytes + "x", row));
  bytes[0] = 2;
  EXPECT_FALSE(ListClearRow::Decode(bytes, row));
}

TEST(ListCheckTest, ValuesAreChecked) {
  const session::Limits limits = {.value_bytes_max = 4};
  const auto check = [&](uint32_t operation, const auto& input) {
    return ListType()
        .FindOperation(operation)
        ->check(input.SerializeAsString(), limits)
        .code();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(check(2, AppendOf("1234")), absl::StatusCode::kOk);
  EXPECT_EQ(check(2, AppendOf("12345")), invalid);
  EXPECT_EQ(check(3, InsertOf(0, "12345")), invalid);
  EXPECT_EQ(check(5, SetOf(0, "12345")), invalid);
}

TEST_F(ListTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 4u, 9u, 10u, UINT32_MAX}) {
    EXPECT_EQ(list_.ResultOf(list_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(list_.Query(2, "").status, OperationStatus::kNotSupported);
  EXPECT_THAT(list_.ListSlice(1, "", "").outputs, IsEmpty());
}

TEST(ListFuzzTest, NoBytesCrash) {
  const auto append = AppendOf("a");
  const auto insert = InsertOf(1, "b");
  const auto remove = RemoveOf(1);
  FuzzOperations(ListType(), {&append, &insert, &remove});
}

}  // namespace
}  // namespace primitive
