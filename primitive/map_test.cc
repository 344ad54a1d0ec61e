#include "primitive/map.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/lock_rpcs.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/map_inputs.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::base::testing::StatusIs;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MapTest : public ::testing::Test {
 protected:
  pb::PutOutput Put(const std::string& key, const std::string& value,
                    const Stored& stored = {}) {
    return map_.Ok<pb::PutOutput>("Put", PutOf(key, value, stored));
  }
  pb::UpdateOutput Update(const std::string& key, const std::string& value,
                          const Stored& stored = {}) {
    return map_.Ok<pb::UpdateOutput>("Update", UpdateOf(key, value, stored));
  }
  void Clear() { map_.Ok<pb::ClearOutput>("Clear", pb::ClearInput()); }
  uint32_t Size() {
    return map_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size();
  }
  // "value@index", or "-".
  std::string Get(const std::string& key) {
    const session::Result result = map_.Call("Get", GetOf(key));
    if (result.status == OperationStatus::kNotFound) return "-";
    return ToText(Harness::Parse<pb::GetOutput>(result).value());
  }
  static std::vector<std::string> EntriesToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      const auto entry = Harness::Parse<pb::EntriesOutput>(output).entry();
      EXPECT_TRUE(entry.has_value()) << "drivers use it without looking";
      texts.push_back(entry.key() + " " + ToText(entry.value()));
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

  Harness map_{MapType()};
};

// --- Put ---------------------------------------------------------------------

TEST_F(MapTest, PutStoresAtTheIndexOfItsCommand) {
  const pb::PutOutput output = Put("a", "1");
  EXPECT_EQ(output.index(), map_.index());
  EXPECT_FALSE(output.has_prev_value());
  EXPECT_EQ(Get("a"), "1@101");
}

TEST_F(MapTest, PutReturnsTheValueItReplaces) {
  Put("a", "1");
  const pb::PutOutput output = Put("a", "2");
  EXPECT_EQ(output.index(), 102u);
  EXPECT_EQ(ToText(output.prev_value()), "1@101");
  EXPECT_EQ(Get("a"), "2@102");
}

TEST_F(MapTest, PutOfAnEqualValueChangesNothing) {
  Put("a", "1", {.ttl = Duration(10)});
  const auto rows = map_.EncodeRows();
  const CommandKey listener = Listen();
  map_.Watch();
  const pb::PutOutput output = Put("a", "1");
  EXPECT_EQ(output.index(), 101u);
  EXPECT_FALSE(output.has_prev_value());
  EXPECT_EQ(map_.EncodeRows(), rows);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
  map_.Tick(10 * kSecond);
  EXPECT_EQ(Get("a"), "-") << "its time to live was not touched";
}

TEST_F(MapTest, PutWithAPreviousIndexStoresIfItIsTheValues) {
  Put("a", "1");
  EXPECT_EQ(Put("a", "2", {.prev_index = 101}).index(), 102u);
  EXPECT_EQ(map_.Status("Put", PutOf("a", "3", {.prev_index = 101})),
            OperationStatus::kConflict);
  EXPECT_EQ(Get("a"), "2@102");
}

TEST_F(MapTest, PutWithAPreviousIndexOfAnAbsentKeyIsAConflict) {
  EXPECT_EQ(map_.Status("Put", PutOf("a", "1", {.prev_index = 7})),
            OperationStatus::kConflict);
  EXPECT_EQ(Size(), 0u);
}

TEST_F(MapTest, PutComparesThePreviousIndexBeforeTheValue) {
  Put("a", "1");
  EXPECT_EQ(map_.Status("Put", PutOf("a", "1", {.prev_index = 7})),
            OperationStatus::kConflict);
  EXPECT_EQ(Put("a", "1", {.prev_index = 101}).index(), 101u);
}

TEST_F(MapTest, BothGenerationsCompareThePreviousIndex) {
  map_.set_generation(session::Generation::kRsm);
  EXPECT_EQ(map_.Status("Put", PutOf("a", "1", {.prev_index = 7})),
            OperationStatus::kConflict);
}

TEST_F(MapTest, EmptyKeysAndValuesAreLegal) {
  Put("", "");
  EXPECT_EQ(Get(""), "@101");
  EXPECT_EQ(Put("", "x").prev_value().index(), 101u);
  Put("a", "1");
  EXPECT_THAT(List(), ElementsAre(" x@102", "a 1@103"));
  map_.Restore();
  EXPECT_EQ(Get(""), "x@102");
}

// --- Insert, Update, Get, Remove, Size ---------------------------------------

TEST_F(MapTest, InsertStoresAnAbsentKeyOnly) {
  EXPECT_EQ(map_.Ok<pb::InsertOutput>("Insert", InsertOf("a", "1")).index(),
            101u);
  EXPECT_EQ(map_.Status("Insert", InsertOf("a", "1")),
            OperationStatus::kAlreadyExists);
  EXPECT_EQ(Get("a"), "1@101");
}

TEST_F(MapTest, UpdateAlsoStoresAnEqualValue) {
  Put("a", "1");
  const pb::UpdateOutput output = Update("a", "1");
  EXPECT_EQ(output.index(), 102u);
  EXPECT_EQ(ToText(output.prev_value()), "1@101");
  EXPECT_EQ(Get("a"), "1@102");
}

TEST_F(MapTest, UpdateWantsTheKeyAndThePreviousIndex) {
  EXPECT_EQ(map_.Status("Update", UpdateOf("a", "1")),
            OperationStatus::kNotFound);
  EXPECT_EQ(map_.Status("Update", UpdateOf("a", "1", {.prev_index = 5})),
            OperationStatus::kNotFound);
  Put("a", "1");
  EXPECT_EQ(map_.Status("Update", UpdateOf("a", "2", {.prev_index = 5})),
            OperationStatus::kConflict);
  EXPECT_EQ(Get("a"), "1@103");
  EXPECT_EQ(Update("a", "2", {.prev_index = 103}).index(), 105u);
}

TEST_F(MapTest, GetOfAnAbsentKeyIsNotFound) {
  EXPECT_EQ(map_.Status("Get", GetOf("a")), OperationStatus::kNotFound);
}

TEST_F(MapTest, RemoveReturnsTheRemovedValue) {
  Put("a", "1");
  EXPECT_EQ(map_.Status("Remove", RemoveOf("a", 7)),
            OperationStatus::kConflict);
  EXPECT_EQ(Get("a"), "1@101");
  EXPECT_EQ(
      ToText(map_.Ok<pb::RemoveOutput>("Remove", RemoveOf("a", 101)).value()),
      "1@101");
  EXPECT_EQ(map_.Status("Remove", RemoveOf("a")), OperationStatus::kNotFound);
  EXPECT_EQ(Get("a"), "-");
}

TEST_F(MapTest, SizeCountsKeys) {
  EXPECT_EQ(Size(), 0u);
  Put("a", "1");
  Put("b", "1");
  Put("a", "2");
  EXPECT_EQ(Size(), 2u);
  map_.Call("Remove", RemoveOf("a"));
  EXPECT_EQ(Size(), 1u);
  Clear();
  EXPECT_EQ(Size(), 0u);
}

// --- Time to live ------------------------------------------------------------

TEST_F(MapTest, AValueExpiresWhenItsTimeHasCome) {
  Put("a", "1", {.ttl = Duration(10)});
  map_.Tick(10 * kSecond - 1);
  EXPECT_EQ(Get("a"), "1@101");
  map_.Tick(1);
  EXPECT_EQ(Get("a"), "-");
  EXPECT_EQ(Size(), 0u);
}

TEST_F(MapTest, NoTimeToLiveOrLessEndsAtTheNextLaterEntry) {
  Put("a", "1", {.ttl = Duration(0)});
  Put("b", "1", {.ttl = Duration(-5, -1)});
  map_.Tick(0);
  EXPECT_EQ(Size(), 2u);
  map_.Tick(1);
  EXPECT_EQ(Size(), 0u);
}

TEST_F(MapTest, ATimeToLiveBeyondLogTimeNeverEnds) {
  Put("a", "1", {.ttl = Duration(315'576'000'000, 999'999'999)});
  EXPECT_THAT(map_.timers(), IsEmpty());
  map_.Restore();
  EXPECT_EQ(Get("a"), "1@101");
}

TEST_F(MapTest, AMalformedTimeToLiveIsRefusedBeforeTheLogAndAfter) {
  const pb::PutInput put = PutOf("a", "1", {.ttl = Duration(1, -1)});
  const std::string bytes = put.SerializeAsString();
  EXPECT_THAT(
      MapType().FindOperation(2)->check(bytes, session::Limits()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.ttl")));
  EXPECT_EQ(map_.ResultOf(map_.Apply(1, 2, bytes))->status,
            OperationStatus::kInternal);
  EXPECT_EQ(Size(), 0u);
}

TEST_F(MapTest, AWriteThatStoresReplacesTheTimeToLive) {
  Put("put", "1", {.ttl = Duration(10)});
  Put("update", "1", {.ttl = Duration(10)});
  Put("shorter", "1", {.ttl = Duration(10)});
  Put("none", "1");
  Put("put", "2");
  Update("update", "1", {.ttl = Duration(20)});
  Update("shorter", "1", {.ttl = Duration(5)});
  Update("none", "1", {.ttl = Duration(5)});
  map_.Tick(5 * kSecond);
  EXPECT_THAT(List(), ElementsAre("put 2@105", "update 1@106"));
  map_.Tick(15 * kSecond);
  EXPECT_THAT(List(), ElementsAre("put 2@105"));
  EXPECT_THAT(map_.timers(), IsEmpty());
}

TEST_F(MapTest, ARemovedKeyDoesNotExpireWhenItComesBack) {
  Put("a", "1", {.ttl = Duration(10)});
  map_.Call("Remove", RemoveOf("a"));
  EXPECT_THAT(map_.timers(), IsEmpty());
  Put("a", "2");
  map_.Tick(20 * kSecond);
  EXPECT_EQ(Get("a"), "2@103");
}

TEST_F(MapTest, AClearedKeyDoesNotExpireWhenItComesBack) {
  Put("a", "1", {.ttl = Duration(10)});
  Clear();
  EXPECT_THAT(map_.timers(), IsEmpty());
  Put("a", "2");
  map_.Tick(20 * kSecond);
  EXPECT_EQ(Get("a"), "2@103");
}

TEST_F(MapTest, ARestartDoesNotProlongATimeToLive) {
  Put("a", "1", {.ttl = Duration(10)});
  map_.Tick(9 * kSecond);
  map_.Restore();
  map_.Tick(kSecond - 1);
  EXPECT_EQ(Get("a"), "1@101");
  map_.Tick(1);
  EXPECT_EQ(Get("a"), "-");
}

TEST_F(MapTest, ExpiryComesBeforeTheEntrysOwnEffect) {
  const CommandKey listener = Listen();
  Put("a", "1", {.ttl = Duration(10)});
  map_.Tick(10 * kSecond);
  EXPECT_FALSE(Put("a", "1").has_prev_value());
  EXPECT_THAT(Events(listener), ElementsAre("insert a 1@102", "expire a 1@102",
                                            "insert a 1@103"));
}

// More may be due at once than one entry does (DoDue).
TEST_F(MapTest, BugACommandNeverSeesAValueWhoseTimeIsOver) {
  for (const char* key : {"p", "q", "i", "u", "r"}) {
    Put(key, "1", {.ttl = Duration(10)});
  }
  const CommandKey listener = Listen();
  map_.HoldTimers();
  map_.Tick(10 * kSecond);
  EXPECT_FALSE(Put("p", "2").has_prev_value());
  const uint64_t put_index = Put("q", "1").index();
  EXPECT_EQ(put_index, map_.index()) << "nothing is equal to it";
  map_.Ok<pb::InsertOutput>("Insert", InsertOf("i", "2"));
  EXPECT_EQ(map_.Status("Update", UpdateOf("u", "2")),
            OperationStatus::kNotFound);
  EXPECT_EQ(map_.Status("Remove", RemoveOf("r")), OperationStatus::kNotFound);
  EXPECT_THAT(Events(listener),
              ElementsAre("expire p 1@101", "insert p 2@107", "expire q 1@102",
                          "insert q 1@108", "expire i 1@103", "insert i 2@109",
                          "expire u 1@104", "expire r 1@105"));
  EXPECT_THAT(map_.timers(), IsEmpty());
}

TEST_F(MapTest, BugASmallClearTellsThatATimeWasOver) {
  Put("a", "1", {.ttl = Duration(10)});
  Put("b", "1");
  const CommandKey listener = Listen();
  map_.HoldTimers();
  map_.Tick(10 * kSecond);
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("expire a 1@101", "remove b 1@102"));
}

// --- Events ------------------------------------------------------------------

TEST_F(MapTest, ListenersSeeEveryChangeInOrder) {
  Put("before", "0");
  const CommandKey listener = Listen();
  Put("a", "1");
  map_.Call("Insert", InsertOf("b", "2", {.ttl = Duration(5)}));
  Put("a", "3");
  Update("a", "3");
  map_.Call("Remove", RemoveOf("a"));
  map_.Tick(5 * kSecond);
  Clear();
  EXPECT_THAT(
      Events(listener),
      ElementsAre("insert a 1@103", "insert b 2@104",
                  "update a 3@105 was 1@103", "update a 3@106 was 3@105",
                  "remove a 3@106", "expire b 2@104", "remove before 0@101"));
}

TEST_F(MapTest, FailedCommandsSendNoEvent) {
  Put("a", "1");
  const CommandKey listener = Listen();
  map_.Watch();
  map_.Call("Insert", InsertOf("a", "2"));
  map_.Call("Update", UpdateOf("b", "2"));
  map_.Call("Put", PutOf("a", "2", {.prev_index = 9}));
  map_.Call("Remove", RemoveOf("a", 9));
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(MapTest, AFilterLetsOneKeyThrough) {
  const CommandKey a = Listen("a");
  const CommandKey all = Listen("");
  Put("b", "1");
  Put("a", "1");
  Clear();
  EXPECT_THAT(Events(a), ElementsAre("insert a 1@104", "remove a 1@104"));
  EXPECT_EQ(Events(all).size(), 4u);
}

TEST_F(MapTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen("a")), IsEmpty());
  map_.set_generation(session::Generation::kRsm);
  const CommandKey listener = Listen("a");
  Put("a", "1");
  EXPECT_THAT(Events(listener), ElementsAre("hello a", "insert a 1@103"));
  const CommandKey all = Listen();
  const auto outputs = map_.Events(all);
  EXPECT_EQ(outputs, std::vector<std::string>({std::string("\x0a\x00", 2)}));
}

// --- Entries -----------------------------------------------------------------

TEST_F(MapTest, EntriesAreListedInBytewiseKeyOrder) {
  for (const char* key : {"b", "a", "\xc3\xa9", "ab", "", "Z"}) Put(key, "v");
  EXPECT_THAT(List(), ElementsAre(" v@105", "Z v@106", "a v@102", "ab v@104",
                                  "b v@101", "\xc3\xa9 v@103"));
}

TEST_F(MapTest, AListingIsTheSameInSlicesOfAnySize) {
  for (int i = 0; i < 20; ++i) Put(absl::StrCat(i), "v");
  const auto whole = map_.List("Entries", EntriesOf(), 100);
  EXPECT_EQ(whole.size(), 20u);
  for (size_t rows_max : {1, 2, 3, 19, 20, 21}) {
    EXPECT_EQ(map_.List("Entries", EntriesOf(), rows_max), whole);
  }
}

TEST_F(MapTest, ASliceOfAListingIsBoundedByBytes) {
  for (int i = 0; i < 9; ++i) Put(absl::StrCat(i), std::string(1000, 'v'));
  session::Listing slice = map_.ListSlice(10, "", "", {10, 2500});
  EXPECT_EQ(slice.outputs.size(), 3u);
  EXPECT_FALSE(slice.done);
  slice = map_.ListSlice(10, "", slice.cursor, {10, 1});
  EXPECT_EQ(slice.outputs.size(), 1u) << "it must get on";
  slice = map_.ListSlice(10, "", slice.cursor, {10, 100'000});
  EXPECT_EQ(slice.outputs.size(), 5u);
  EXPECT_TRUE(slice.done);
}

TEST_F(MapTest, AListingGoesOnWhereItsCursorWasRemoved) {
  for (const char* key : {"a", "b", "c"}) Put(key, "v");
  session::Listing slice = map_.ListSlice(10, "", "");
  EXPECT_TRUE(slice.done);
  map_.Call("Remove", RemoveOf("b"));
  EXPECT_THAT(EntriesToText(map_.ListSlice(10, "", "kb").outputs),
              ElementsAre("c v@103"));
  EXPECT_THAT(EntriesToText(map_.ListSlice(10, "", "k").outputs),
              ElementsAre("a v@101", "c v@103"));
}

TEST_F(MapTest, OnlyEntriesWithTheFlagWatch) {
  EXPECT_TRUE(map_.Watches("Entries", EntriesOf(true)));
  EXPECT_FALSE(map_.Watches("Entries", EntriesOf(false)));
}

TEST_F(MapTest, WatchersGetTheNewValueAndTheOldOneOfARemoval) {
  map_.Watch();
  Put("a", "1");
  Put("a", "2");
  map_.Call("Remove", RemoveOf("a"));
  Put("b", "3", {.ttl = Duration(1)});
  map_.Tick(kSecond);
  Put("c", "4");
  Clear();
  EXPECT_THAT(Changes(), ElementsAre("a 1@101", "a 2@102", "a 2@102", "b 3@104",
                                     "b 3@104", "c 4@105", "c 4@105"));
  EXPECT_FALSE(map_.Interrupted());
}

TEST_F(MapTest, WatchersDoNotChangeTheState) {
  Harness watched(MapType());
  watched.Watch();
  for (Harness* map : {&map_, &watched}) {
    for (int i = 0; i < 5; ++i) map->Call("Put", PutOf(absl::StrCat(i), "v"));
    map->Call("Clear", pb::ClearInput());
    map->Call("Put", PutOf("a", "v"));
  }
  EXPECT_EQ(map_.EncodeRows(), watched.EncodeRows());
}

// --- Clear -------------------------------------------------------------------

TEST_F(MapTest, ClearOfAnEmptyMapChangesNothing) {
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(MapTest, ClearReportsEveryKeyInKeyOrder) {
  for (const char* key : {"c", "a", "b"}) Put(key, "v");
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener), ElementsAre("remove a v@102", "remove b v@103",
                                            "remove c v@101"));
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(MapTest, AnOldClearIsNotSeenByALoad) {
  Put("a", "1");
  map_.Restore();
  Clear();
  Put("b", "2");
  map_.Restore();
  EXPECT_THAT(List(), ElementsAre("b 2@103"));
}

// --- Clear of more keys than one entry may report
// ------------------------------

class LargeClearTest : public MapTest {
 protected:
  static constexpr int kKeys = 2500;

  static std::string Key(int i) { return absl::StrCat("k", 10'000 + i); }
  void Fill(int keys = kKeys) {
    for (int i = 0; i < keys; ++i) {
      Put(Key(i), "v",
          {.ttl = i % 10 == 0 ? std::optional(Duration(100)) : std::nullopt});
    }
  }
};

TEST_F(LargeClearTest, WithoutListenersAllRowsGoAtOnce) {
  Fill();
  map_.Watch();
  Clear();
  EXPECT_TRUE(map_.EncodeRows().empty());
  EXPECT_THAT(map_.timers(), IsEmpty());
  EXPECT_TRUE(map_.Interrupted()) << "watchers list again";
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(LargeClearTest, IsEmptyAtOnceAndReportsInSlices) {
  Fill();
  const CommandKey listener = Listen();
  map_.Watch();
  Clear();
  EXPECT_EQ(Size(), 0u);
  EXPECT_EQ(Get(Key(0)), "-");
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_TRUE(map_.Interrupted());

  std::vector<std::string> expected;
  for (int i = 0; i < kKeys; ++i) {
    expected.push_back(absl::StrCat("remove ", Key(i), " v@", 101 + i));
  }
  std::vector<std::string> events;
  for (size_t slice : {1000, 1000, 500, 0}) {
    map_.Tick(0);
    const std::vector<std::string> more = Events(listener);
    EXPECT_EQ(more.size(), slice);
    EXPECT_EQ(map_.charged(), slice);
    events.insert(events.end(), more.begin(), more.end());
  }
  EXPECT_EQ(events, expected);
  EXPECT_TRUE(map_.EncodeRows().empty());
  EXPECT_THAT(map_.timers(), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty()) << "who lists now never saw these";
}

TEST_F(LargeClearTest, AKeyIsReportedRemovedBeforeItIsWrittenAgain) {
  Fill();
  const CommandKey listener = Listen(Key(2000));
  Clear();
  // The entry sends the first slice before this effect of its own.
  EXPECT_FALSE(Put(Key(2000), "v").has_prev_value());
  EXPECT_THAT(Events(listener),
              ElementsAre("remove k12000 v@2101", "insert k12000 v@2603"));
  EXPECT_EQ(Size(), 1u);
  for (int i = 0; i < 3; ++i) map_.Tick(0);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(List(), ElementsAre("k12000 v@2603"));
}

TEST_F(LargeClearTest, CommandsDoNotSeeTheRowsThatAreLeft) {
  Fill();
  Listen();
  Clear();
  EXPECT_EQ(map_.Status("Update", UpdateOf(Key(2498), "x")),
            OperationStatus::kNotFound);
  EXPECT_EQ(map_.Status("Put", PutOf(Key(2499), "v", {.prev_index = 2600})),
            OperationStatus::kConflict);
  EXPECT_GT(map_.EncodeRows().size(), 400u);
  EXPECT_EQ(Size(), 0u);
}

TEST_F(LargeClearTest, ARowWrittenAgainMayBeTheLastOneLeft) {
  for (int i = 0; i < 1001; ++i) Put(Key(i), "v");
  const CommandKey listener = Listen();
  Clear();
  Put(Key(1000), "w");
  EXPECT_EQ(Events(listener).size(), 1002u);
  EXPECT_THAT(map_.timers(), IsEmpty());
  EXPECT_EQ(map_.EncodeRows().size(), 1u);
}

TEST_F(LargeClearTest, ALaterListenerHearsNothingOfIt) {
  Fill();
  const CommandKey early = Listen();
  Clear();
  const CommandKey late = Listen();
  Put("k20000", "x");
  map_.Tick(0);
  EXPECT_EQ(Events(early).size(), kKeys + 1u);
  EXPECT_THAT(Events(late), ElementsAre("insert k20000 x@2604"));
}

TEST_F(LargeClearTest, ASecondClearMeanwhileReportsItsOwnKeysToWhoCameBetween) {
  Fill();
  const CommandKey early = Listen();
  Clear();
  const CommandKey between = Listen();
  Put("z", "x");
  Clear();
  EXPECT_EQ(Size(), 0u);
  const CommandKey late = Listen();
  for (int i = 0; i < 4; ++i) map_.Tick(0);
  EXPECT_EQ(Events(early).size(), 2502u);
  EXPECT_THAT(Events(between),
              ElementsAre("insert z x@2604", "remove z x@2604"));
  EXPECT_THAT(Events(late), IsEmpty());
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(LargeClearTest, ASecondClearReapsWhatLiesBehindTheFirstOnesCursor) {
  Fill();
  const CommandKey listener = Listen();
  Clear();
  map_.Tick(0);
  Put("a", "x");  // Below every key that was reaped.
  Clear();
  for (int i = 0; i < 5; ++i) map_.Tick(0);
  EXPECT_EQ(Events(listener).size(), kKeys + 2u);
  EXPECT_EQ(Size(), 0u);
  EXPECT_TRUE(map_.EncodeRows().empty());
  EXPECT_THAT(map_.timers(), IsEmpty());
}

// A timer that was left behind would cost a replica work that another, which
// loaded the map from its rows, has not: then they reclaim at different
// entries.
TEST_F(LargeClearTest, WhenNobodyListensAnyMoreTheRestGoesAtOnce) {
  Fill(6000);
  const CommandKey listener = Listen();
  Clear();
  map_.Tick(0);
  map_.Cancel(listener);
  Put("a", "1");
  ASSERT_FALSE(map_.timers().empty());
  ASSERT_GT(map_.EncodeRows().size(), 1u) << "rows are left to the Clear";
  Clear();
  EXPECT_TRUE(map_.EncodeRows().empty());
  EXPECT_THAT(map_.timers(), IsEmpty());
}

TEST_F(LargeClearTest, GoesOnAfterARestart) {
  Fill();
  const CommandKey listener = Listen();
  Clear();
  size_t events = 0;
  for (int i = 0; i < 4; ++i) {
    map_.Restore();
    EXPECT_EQ(Size(), i < 2 ? 0u : 1u);
    map_.Tick(0);
    if (i == 1) Put("a", "1");
    events += Events(listener).size();
  }
  EXPECT_EQ(events, 2501u);
  EXPECT_THAT(List(), ElementsAre("a 1@2603"));
}

TEST_F(LargeClearTest, KeepsLocksAndTheirTimeouts) {
  Fill();
  Listen();
  map_.Call(1, "Lock", LockOf({"a"}));
  const CommandKey waiter = map_.Start(2, "Lock", LockOf({"a"}, Duration(10)));
  Clear();
  map_.Tick(10 * kSecond);
  EXPECT_EQ(map_.ResultOf(waiter)->status, OperationStatus::kConflict);
}

// --- Bytes -------------------------------------------------------------------

TEST(MapRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  MapRow{.value = "v", .index = 0x0102, .expire_ns = 3}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\x00\x00\x00\x00\x00\x00\x00\x03"
                               "v",
                               18));
  MapRow row;
  ASSERT_TRUE(MapRow::Decode(bytes, row));
  EXPECT_EQ(row.value, "v");
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.expire_ns, 3u);
  EXPECT_EQ(row.size_bytes(), bytes.size());

  EXPECT_TRUE(MapRow::Decode(bytes.substr(0, 17), row));
  EXPECT_EQ(row.value, "");
  EXPECT_FALSE(MapRow::Decode(bytes.substr(0, 16), row));
  EXPECT_FALSE(MapRow::Decode("", row));
  bytes[0] = 2;
  EXPECT_FALSE(MapRow::Decode(bytes, row)) << "a version of the future";
}

TEST(MapRowTest, WithoutATimeToLiveTheBytesSayNever) {
  std::string bytes;
  MapRow{.value = "", .index = 1}.Encode(bytes);
  EXPECT_EQ(bytes.substr(9), std::string(8, '\xff'));
}

TEST(ClearRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  ClearRow().Encode(bytes);
  EXPECT_EQ(bytes, "\x01");
  ClearRow row;
  EXPECT_TRUE(ClearRow::Decode(bytes, row));
  EXPECT_FALSE(ClearRow::Decode("\x02", row));
  EXPECT_FALSE(ClearRow::Decode("\x01x", row));
}

// --- Bad input ---------------------------------------------------------------

absl::Status Check(uint32_t operation, const google::protobuf::Message& input,
                   const session::Limits& limits) {
  return MapType().FindOperation(operation)->check(input.SerializeAsString(),
                                                   limits);
}

TEST(MapCheckTest, KeysAndValuesHaveLimits) {
  const session::Limits limits = {.key_bytes_max = 3, .value_bytes_max = 4};
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_OK(Check(2, PutOf("abc", "1234"), limits));
  EXPECT_THAT(Check(2, PutOf("abcd", "1"), limits),
              StatusIs(invalid, HasSubstr("input.key")));
  EXPECT_THAT(Check(2, PutOf("a", "12345"), limits),
              StatusIs(invalid, HasSubstr("input.value")));
  EXPECT_THAT(Check(3, InsertOf("abcd", "1"), limits), StatusIs(invalid));
  EXPECT_THAT(Check(4, UpdateOf("a", "12345"), limits), StatusIs(invalid));
  EXPECT_THAT(Check(5, GetOf("abcd"), limits), StatusIs(invalid));
  EXPECT_THAT(Check(6, RemoveOf("abcd"), limits), StatusIs(invalid));
  EXPECT_THAT(Check(11, EventsOf("abcd"), limits), StatusIs(invalid));
  EXPECT_THAT(Check(8, LockOf({"a", "abcd"}), limits),
              StatusIs(invalid, HasSubstr("input.keys")));
  EXPECT_THAT(Check(9, UnlockOf({"abcd"}), limits), StatusIs(invalid));
}

TEST(MapCheckTest, ALockNamesAtMostSoManyKeys) {
  std::vector<std::string> keys(kLockKeysMax, "k");
  EXPECT_OK(Check(8, LockOf(keys), session::Limits()));
  keys.push_back("k");
  EXPECT_THAT(Check(8, LockOf(keys), session::Limits()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("257 keys, at most 256")));
  EXPECT_THAT(Check(9, UnlockOf(keys), session::Limits()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      Check(8, LockOf({}, Duration(0, -2'000'000'000)), {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.timeout")));
}

TEST_F(MapTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 5u, 10u, 16u, UINT32_MAX}) {
    EXPECT_EQ(map_.ResultOf(map_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(map_.Query(2, "").status, OperationStatus::kNotSupported);
  EXPECT_TRUE(map_.ListSlice(2, "", "").done);
}

TEST(MapFuzzTest, NoBytesCrash) {
  const auto put = PutOf("a", "1", {.ttl = Duration(3, 5), .prev_index = 101});
  const auto remove = RemoveOf("a");
  const auto lock = LockOf({"a", "b"}, Duration(3));
  const auto events = EventsOf("a");
  FuzzOperations(MapType(), {&put, &remove, &lock, &events});
}

}  // namespace
}  // namespace primitive
