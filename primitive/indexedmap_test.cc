#include "primitive/indexedmap.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/indexedmap/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/indexedmap_inputs.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::indexedmap::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Commands of a fresh map begin at index 101.
class IndexedMapTest : public ::testing::Test {
 protected:
  // Every answer but Size's and Clear's is an entry, as text; or the status.
  template <class Output>
  static std::string Entry(const Result& result) {
    switch (result.status) {
      case OperationStatus::kOk: {
        const auto output = Harness::Parse<Output>(result);
        EXPECT_TRUE(output.entry().has_value())
            << "drivers use it without looking";
        return ToText(output.entry());
      }
      case OperationStatus::kNotFound:
        return "not found";
      case OperationStatus::kAlreadyExists:
        return "already exists";
      case OperationStatus::kConflict:
        return "conflict";
      case OperationStatus::kInvalid:
        return "invalid";
      default:
        return absl::StrCat("status ", static_cast<int>(result.status));
    }
  }
  std::string Append(const std::string& key, const std::string& value,
                     const Ttl& ttl = {}) {
    return Entry<pb::AppendOutput>(
        map_.Call("Append", AppendOf(key, value, ttl)));
  }
  std::string Update(const Wanted& wanted, const std::string& value,
                     const Ttl& ttl = {}) {
    return Entry<pb::UpdateOutput>(
        map_.Call("Update", UpdateOf(wanted, value, ttl)));
  }
  std::string Remove(const Wanted& wanted) {
    return Entry<pb::RemoveOutput>(map_.Call("Remove", RemoveOf(wanted)));
  }
  std::string Get(const Wanted& wanted) {
    return Entry<pb::GetOutput>(map_.Call("Get", GetOf(wanted)));
  }
  std::string First() {
    return Entry<pb::FirstEntryOutput>(
        map_.Call("FirstEntry", pb::FirstEntryInput()));
  }
  std::string Last() {
    return Entry<pb::LastEntryOutput>(
        map_.Call("LastEntry", pb::LastEntryInput()));
  }
  std::string Next(uint64_t index) {
    return Entry<pb::NextEntryOutput>(map_.Call("NextEntry", NextOf(index)));
  }
  std::string Prev(uint64_t index) {
    return Entry<pb::PrevEntryOutput>(map_.Call("PrevEntry", PrevOf(index)));
  }
  uint32_t Size() {
    return map_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size();
  }
  void Clear() { map_.Ok<pb::ClearOutput>("Clear", pb::ClearInput()); }

  static std::vector<std::string> EntriesToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& bytes : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::EntriesOutput>(bytes).entry()));
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

  Harness map_{IndexedMapType()};
};

// --- Append ------------------------------------------------------------------

TEST_F(IndexedMapTest, AppendGoesBehindTheLast) {
  EXPECT_EQ(Append("b", "1"), "1:b=1@101");
  EXPECT_EQ(Append("a", "2"), "2:a=2@102");
  EXPECT_THAT(List(), ElementsAre("1:b=1@101", "2:a=2@102"));
  EXPECT_EQ(Size(), 2u);
}

TEST_F(IndexedMapTest, AppendOfAKeyThatIsThereChangesNothing) {
  Append("a", "1");
  EXPECT_EQ(Append("a", "2"), "already exists");
  EXPECT_EQ(Get({.key = "a"}), "1:a=1@101");
  EXPECT_EQ(Append("b", "1"), "2:b=1@103") << "no index is used up";
}

TEST_F(IndexedMapTest, AnIndexIsNeverUsedAgain) {
  Append("a", "1");
  Append("b", "1");
  Remove({.key = "b"});
  EXPECT_EQ(Append("b", "2"), "3:b=2@104");
  Clear();
  map_.Restore();
  EXPECT_EQ(Append("a", "3"), "4:a=3@106");
  Remove({.index = 4});
  map_.Restore();
  EXPECT_EQ(Append("a", "4"), "5:a=4@108");
}

TEST_F(IndexedMapTest, TheEmptyKeyIsAKeyThatOnlyItsIndexNames) {
  EXPECT_EQ(Append("", "1"), "1:=1@101");
  EXPECT_EQ(Append("", "2"), "already exists");
  EXPECT_EQ(Get({.index = 1}), "1:=1@101");
  EXPECT_EQ(Get({}), "not found");
  EXPECT_EQ(Update({}, "2"), "invalid");
  EXPECT_EQ(Update({.index = 1}, "2"), "1:=2@104");
  map_.Restore();
  EXPECT_EQ(Remove({.index = 1}), "1:=2@104");
}

// --- Update ------------------------------------------------------------------

TEST_F(IndexedMapTest, UpdateKeepsTheIndexAndTakesANewVersion) {
  Append("a", "1");
  Append("b", "1");
  EXPECT_EQ(Update({.key = "a"}, "2"), "1:a=2@103");
  EXPECT_EQ(Update({.index = 1}, "3"), "1:a=3@104");
  EXPECT_EQ(Update({.key = "a", .index = 1}, "4"), "1:a=4@105");
  EXPECT_THAT(List(), ElementsAre("1:a=4@105", "2:b=1@102"));
}

TEST_F(IndexedMapTest, UpdateWantsAnEntry) {
  EXPECT_EQ(Update({.key = "a"}, "1"), "not found");
  EXPECT_EQ(Update({.index = 1}, "1"), "not found");
  EXPECT_EQ(Update({.key = "a", .index = 1}, "1"), "not found");
  EXPECT_EQ(Update({}, "1"), "invalid") << "it names neither";
}

// semantics.md 5.4, BUGS: a FAULT was harsh.
TEST_F(IndexedMapTest, BugUpdateOfAnIndexWithAnotherKeyIsInvalidNotAFault) {
  Append("a", "1");
  Append("b", "1");
  EXPECT_EQ(Update({.key = "b", .index = 1}, "2"), "invalid");
  EXPECT_EQ(Update({.key = "c", .index = 1}, "2"), "invalid");
  EXPECT_THAT(List(), ElementsAre("1:a=1@101", "2:b=1@102"));
}

TEST_F(IndexedMapTest, UpdateComparesTheVersion) {
  Append("a", "1");
  EXPECT_EQ(Update({.key = "a", .prev_version = 7}, "2"), "conflict");
  EXPECT_EQ(Update({.index = 1, .prev_version = 7}, "1"), "conflict")
      << "before the value";
  EXPECT_EQ(Get({.key = "a"}), "1:a=1@101");
  EXPECT_EQ(Update({.key = "a", .prev_version = 101}, "2"), "1:a=2@104");
}

TEST_F(IndexedMapTest, UpdateWithAnEqualValueChangesNothing) {
  Append("a", "1", Duration(10));
  const auto rows = map_.EncodeRows();
  const CommandKey listener = Listen();
  map_.Watch();
  EXPECT_EQ(Update({.key = "a"}, "1"), "1:a=1@101");
  EXPECT_EQ(Update({.key = "a", .prev_version = 101}, "1", Duration(99)),
            "1:a=1@101");
  EXPECT_EQ(map_.EncodeRows(), rows);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
  map_.Tick(10 * kSecond);
  EXPECT_EQ(Size(), 0u) << "its time to live was not touched";
}

// --- Remove ------------------------------------------------------------------

TEST_F(IndexedMapTest, RemoveReturnsTheEntry) {
  Append("a", "1");
  Append("b", "1");
  EXPECT_EQ(Remove({.key = "a"}), "1:a=1@101");
  EXPECT_EQ(Remove({.index = 2}), "2:b=1@102");
  EXPECT_EQ(Remove({.key = "a"}), "not found");
  EXPECT_EQ(Remove({.index = 2}), "not found");
  EXPECT_EQ(Remove({}), "not found");
  EXPECT_EQ(Size(), 0u);
}

TEST_F(IndexedMapTest, RemoveByIndexDoesNotLookAtTheKey) {
  Append("a", "1");
  Append("b", "1");
  EXPECT_EQ(Remove({.key = "b", .index = 1}), "1:a=1@101");
  EXPECT_EQ(Get({.key = "b"}), "2:b=1@102");
  EXPECT_EQ(Get({.key = "a"}), "not found");
}

TEST_F(IndexedMapTest, RemoveComparesTheVersion) {
  Append("a", "1");
  EXPECT_EQ(Remove({.key = "a", .prev_version = 7}), "conflict");
  EXPECT_EQ(Remove({.index = 1, .prev_version = 7}), "conflict");
  EXPECT_EQ(Remove({.key = "b", .prev_version = 7}), "not found");
  EXPECT_EQ(Remove({.index = 1, .prev_version = 101}), "1:a=1@101");
}

// --- Get and its neighbours --------------------------------------------------

TEST_F(IndexedMapTest, GetIsByIndexIfThereIsOne) {
  Append("a", "1");
  Append("b", "2");
  EXPECT_EQ(Get({.key = "b"}), "2:b=2@102");
  EXPECT_EQ(Get({.index = 1}), "1:a=1@101");
  EXPECT_EQ(Get({.key = "b", .index = 1}), "1:a=1@101");
  EXPECT_EQ(Get({.index = 3}), "not found");
  EXPECT_EQ(Get({.key = "c"}), "not found");
  EXPECT_EQ(Get({}), "not found");
}

TEST_F(IndexedMapTest, FirstAndLastAreOfThePresentEntries) {
  EXPECT_EQ(First(), "not found");
  EXPECT_EQ(Last(), "not found");
  for (const char* key : {"c", "b", "a"}) Append(key, "v");
  EXPECT_EQ(First(), "1:c=v@101");
  EXPECT_EQ(Last(), "3:a=v@103");
  Remove({.index = 1});
  Remove({.index = 3});
  EXPECT_EQ(First(), "2:b=v@102");
  EXPECT_EQ(Last(), "2:b=v@102");
  Clear();
  EXPECT_EQ(First(), "not found");
  EXPECT_EQ(Last(), "not found");
}

// semantics.md 5.4, BUGS: it was a wrong entry, or a crash.
TEST_F(IndexedMapTest, BugNextAndPrevTakeAnIndexThatIsNobodys) {
  EXPECT_EQ(Next(0), "not found");
  EXPECT_EQ(Prev(5), "not found");
  for (const char* key : {"a", "b", "c", "d", "e"}) Append(key, "v");
  Remove({.index = 2});
  Remove({.index = 3});
  EXPECT_EQ(Next(0), "1:a=v@101");
  EXPECT_EQ(Next(1), "4:d=v@104");
  EXPECT_EQ(Next(2), "4:d=v@104");
  EXPECT_EQ(Next(3), "4:d=v@104");
  EXPECT_EQ(Next(4), "5:e=v@105");
  EXPECT_EQ(Next(5), "not found");
  EXPECT_EQ(Next(UINT64_MAX - 1), "not found");
  EXPECT_EQ(Next(UINT64_MAX), "not found");
  EXPECT_EQ(Prev(0), "not found");
  EXPECT_EQ(Prev(1), "not found");
  EXPECT_EQ(Prev(2), "1:a=v@101");
  EXPECT_EQ(Prev(3), "1:a=v@101");
  EXPECT_EQ(Prev(4), "1:a=v@101");
  EXPECT_EQ(Prev(5), "4:d=v@104");
  EXPECT_EQ(Prev(6), "5:e=v@105");
  EXPECT_EQ(Prev(UINT64_MAX), "5:e=v@105");
}

// --- Time to live ------------------------------------------------------------

TEST_F(IndexedMapTest, AnEntryExpiresWhenItsTimeHasCome) {
  for (bool restart : {false, true}) {
    Append("a", "1", Duration(10));
    map_.Tick(10 * kSecond - 1);
    if (restart) map_.Restore();
    EXPECT_EQ(Size(), 1u);
    map_.Tick(1);
    EXPECT_EQ(Size(), 0u);
    EXPECT_EQ(Get({.key = "a"}), "not found");
  }
}

TEST_F(IndexedMapTest, NoTimeToLiveOrLessEndsAtTheNextLaterEntry) {
  Append("a", "1", Duration(0));
  Append("b", "1", Duration(-5, -1));
  map_.Tick(0);
  EXPECT_EQ(Size(), 2u);
  map_.Tick(1);
  EXPECT_EQ(Size(), 0u);
}

TEST_F(IndexedMapTest, AnUpdateReplacesTheTimeToLive) {
  Append("longer", "1", Duration(10));
  Append("none", "1", Duration(10));
  Append("one", "1");
  Update({.key = "longer"}, "2", Duration(20));
  Update({.key = "none"}, "2");
  Update({.key = "one"}, "2", Duration(5));
  map_.Tick(10 * kSecond);
  EXPECT_THAT(List(), ElementsAre("1:longer=2@104", "2:none=2@105"));
  map_.Tick(10 * kSecond);
  EXPECT_THAT(List(), ElementsAre("2:none=2@105"));
  EXPECT_THAT(map_.timers(), IsEmpty());
}

// semantics.md 5.4, BUGS: its time to live went on, and removed whoever had the
// key when it was over.
TEST_F(IndexedMapTest, BugRemoveByIndexCancelsTheTimeToLive) {
  Append("a", "1", Duration(10));
  Append("b", "1", Duration(10));
  Remove({.index = 1});
  Remove({.key = "a", .index = 2});
  EXPECT_THAT(map_.timers(), IsEmpty());
  Append("a", "2");
  Append("b", "2");
  map_.Tick(20 * kSecond);
  EXPECT_THAT(List(), ElementsAre("3:a=2@105", "4:b=2@106"));
}

TEST_F(IndexedMapTest, AClearedEntryDoesNotExpireWhenItsKeyComesBack) {
  Append("a", "1", Duration(10));
  Clear();
  EXPECT_THAT(map_.timers(), IsEmpty());
  Append("a", "2");
  map_.Tick(20 * kSecond);
  EXPECT_EQ(Get({.key = "a"}), "2:a=2@103");
}

// More may be due at once than one entry does (DoDue).
TEST_F(IndexedMapTest, BugACommandNeverSeesAnEntryWhoseTimeIsOver) {
  for (const char* key : {"a", "u", "v", "r", "s", "z"}) {
    Append(key, "1", Duration(10));
  }
  const CommandKey listener = Listen();
  map_.HoldTimers();
  map_.Tick(10 * kSecond);
  EXPECT_EQ(Append("a", "2"), "7:a=2@108");
  EXPECT_EQ(Update({.key = "u"}, "2"), "not found");
  EXPECT_EQ(Update({.index = 3}, "1"), "not found");
  EXPECT_EQ(Remove({.key = "r"}), "not found");
  EXPECT_EQ(Remove({.index = 5}), "not found");
  EXPECT_THAT(
      Events(listener),
      ElementsAre("expire 1:a=1@101", "insert 7:a=2@108", "expire 2:u=1@102",
                  "expire 3:v=1@103", "expire 4:r=1@104", "expire 5:s=1@105"));
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("expire 6:z=1@106", "remove 7:a=2@108"));
  EXPECT_THAT(map_.timers(), IsEmpty());
}

TEST_F(IndexedMapTest, AMalformedTimeToLiveIsRefusedBeforeTheLogAndAfter) {
  const std::string bytes =
      AppendOf("a", "1", Duration(1, -1)).SerializeAsString();
  EXPECT_THAT(
      IndexedMapType().FindOperation(2)->check(bytes, session::Limits()),
      base::testing::StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("input.ttl")));
  EXPECT_EQ(map_.ResultOf(map_.Apply(1, 2, bytes))->status,
            OperationStatus::kInternal);
  EXPECT_EQ(Size(), 0u);
}

// --- Events ------------------------------------------------------------------

// semantics.md 5.4, BUGS: prev_value was never filled.
TEST_F(IndexedMapTest, BugListenersSeeEveryChangeAndWhatItReplaced) {
  Append("before", "0");
  const CommandKey listener = Listen();
  Append("a", "1");
  Append("b", "2", Duration(5));
  Update({.key = "a"}, "3");
  Remove({.index = 2});
  map_.Tick(5 * kSecond);
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("insert 2:a=1@103", "insert 3:b=2@104",
                          "update 2:a=3@105 was 1@103", "remove 2:a=3@105",
                          "expire 3:b=2@104", "remove 1:before=0@101"));
}

TEST_F(IndexedMapTest, FailedCommandsSendNoEvent) {
  Append("a", "1");
  const CommandKey listener = Listen();
  map_.Watch();
  Append("a", "2");
  Update({.key = "b"}, "2");
  Update({.key = "b", .index = 1}, "2");
  Update({.key = "a", .prev_version = 9}, "2");
  Remove({.key = "a", .prev_version = 9});
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(IndexedMapTest, AFilterLetsOneKeyThrough) {
  const CommandKey a = Listen("a");
  Append("b", "1");
  Append("a", "1");
  Update({.index = 1}, "2");
  Update({.index = 2}, "2");
  Clear();
  EXPECT_THAT(Events(a),
              ElementsAre("insert 2:a=1@103", "update 2:a=2@105 was 1@103",
                          "remove 2:a=2@105"));
}

TEST_F(IndexedMapTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen("a")), IsEmpty());
  map_.set_generation(session::Generation::kRsm);
  EXPECT_THAT(Events(Listen("a")), ElementsAre("hello a"));
  EXPECT_EQ(map_.Events(Listen()),
            std::vector<std::string>({std::string("\x0a\x00", 2)}));
}

// --- Entries -----------------------------------------------------------------

TEST_F(IndexedMapTest, AListingIsTheSameInSlicesOfAnySize) {
  for (int i = 0; i < 20; ++i) Append(absl::StrCat(20 - i), "v");
  Remove({.index = 7});
  const auto whole = map_.List("Entries", EntriesOf(), 100);
  EXPECT_EQ(whole.size(), 19u);
  for (size_t rows_max : {1, 2, 3, 18, 19, 20}) {
    EXPECT_EQ(map_.List("Entries", EntriesOf(), rows_max), whole);
  }
}

TEST_F(IndexedMapTest, ASliceOfAListingIsBoundedByBytes) {
  for (int i = 0; i < 9; ++i) Append(absl::StrCat(i), std::string(1000, 'v'));
  session::Listing slice = map_.ListSlice(11, "", "", {10, 2500});
  EXPECT_EQ(slice.outputs.size(), 3u);
  EXPECT_FALSE(slice.done);
  slice = map_.ListSlice(11, "", slice.cursor, {10, 1});
  EXPECT_EQ(slice.outputs.size(), 1u) << "it must get on";
  slice = map_.ListSlice(11, "", slice.cursor, {10, 100'000});
  EXPECT_EQ(slice.outputs.size(), 5u);
  EXPECT_TRUE(slice.done);
}

TEST_F(IndexedMapTest, AListingGoesOnWhereItsCursorWasRemoved) {
  for (const char* key : {"a", "b", "c"}) Append(key, "v");
  const session::Listing slice = map_.ListSlice(11, "", "", {2, 10'000});
  Remove({.key = "b"});
  EXPECT_THAT(EntriesToText(map_.ListSlice(11, "", slice.cursor).outputs),
              ElementsAre("3:c=v@103"));
}

// semantics.md 5.4, BUGS: it ended right after the listing.
TEST_F(IndexedMapTest, BugEntriesWithTheFlagWatch) {
  EXPECT_TRUE(map_.Watches("Entries", EntriesOf(true)));
  EXPECT_FALSE(map_.Watches("Entries", EntriesOf(false)));
}

TEST_F(IndexedMapTest, WatchersGetTheNewEntryAndTheOldOneOfARemoval) {
  map_.Watch();
  Append("a", "1");
  Update({.key = "a"}, "2");
  Remove({.key = "a"});
  Append("b", "3", Duration(1));
  map_.Tick(kSecond);
  Append("c", "4");
  Clear();
  EXPECT_THAT(Changes(),
              ElementsAre("1:a=1@101", "1:a=2@102", "1:a=2@102", "2:b=3@104",
                          "2:b=3@104", "3:c=4@105", "3:c=4@105"));
  EXPECT_FALSE(map_.Interrupted());
}

// --- Clear -------------------------------------------------------------------

TEST_F(IndexedMapTest, ClearReportsEveryEntryInIndexOrder) {
  for (const char* key : {"c", "a", "b"}) Append(key, "v");
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(
      Events(listener),
      ElementsAre("remove 1:c=v@101", "remove 2:a=v@102", "remove 3:b=v@103"));
  EXPECT_EQ(map_.EncodeRows().size(), 1u) << "the last index";
  Clear();
  EXPECT_THAT(Events(listener), IsEmpty());
}

class LargeClearTest : public IndexedMapTest {
 protected:
  static constexpr int kKeys = 2500;

  static std::string Key(int i) { return absl::StrCat("k", i); }
  void Fill() {
    for (int i = 1; i <= kKeys; ++i) {
      Append(Key(i), "v", i % 10 == 0 ? Ttl(Duration(100)) : std::nullopt);
    }
  }
};

TEST_F(LargeClearTest, WithoutListenersAllRowsGoAtOnce) {
  Fill();
  map_.Watch();
  Clear();
  EXPECT_EQ(map_.EncodeRows().size(), 1u);
  EXPECT_THAT(map_.timers(), IsEmpty());
  EXPECT_TRUE(map_.Interrupted()) << "watchers list again";
  EXPECT_EQ(Append(Key(1), "w"), "2501:k1=w@2602");
  EXPECT_EQ(Get({.key = Key(2)}), "not found");
  EXPECT_EQ(Get({.index = 2}), "not found");
  // What it remembers of the old keys goes with later commands.
  for (int i = 0; i < 20; ++i) Remove({.key = "none"});
  EXPECT_THAT(List(), ElementsAre("2501:k1=w@2602"));
}

TEST_F(LargeClearTest, IsEmptyAtOnceAndReportsInSlices) {
  Fill();
  const CommandKey listener = Listen();
  Clear();
  for (bool restart : {false, true}) {
    if (restart) map_.Restore();
    EXPECT_EQ(Size(), 0u);
    EXPECT_EQ(First(), "not found");
    EXPECT_EQ(Last(), "not found");
    EXPECT_EQ(Next(3), "not found");
    EXPECT_EQ(Prev(UINT64_MAX), "not found");
    EXPECT_EQ(Get({.key = Key(2500)}), "not found");
    EXPECT_EQ(Get({.index = 2500}), "not found");
    EXPECT_THAT(List(), IsEmpty());
  }
  std::vector<std::string> expected;
  for (int i = 1; i <= kKeys; ++i) {
    expected.push_back(absl::StrCat("remove ", i, ":", Key(i), "=v@", 100 + i));
  }
  std::vector<std::string> events;
  for (size_t slice : {1000, 1000, 500, 0}) {
    map_.Tick(0);
    const std::vector<std::string> more = Events(listener);
    EXPECT_EQ(more.size(), slice);
    events.insert(events.end(), more.begin(), more.end());
  }
  EXPECT_EQ(events, expected);
  EXPECT_EQ(map_.EncodeRows().size(), 1u);
}

TEST_F(LargeClearTest, AKeyIsReportedRemovedBeforeItIsAppendedAgain) {
  Fill();
  const CommandKey listener = Listen(Key(2000));
  Clear();
  EXPECT_EQ(Update({.key = Key(2000)}, "w"), "not found");
  EXPECT_EQ(Remove({.index = 2000}), "not found");
  EXPECT_EQ(Append(Key(2000), "w"), "2501:k2000=w@2605");
  EXPECT_THAT(Events(listener), ElementsAre("remove 2000:k2000=v@2100",
                                            "insert 2501:k2000=w@2605"));
  EXPECT_EQ(First(), "2501:k2000=w@2605");
  EXPECT_EQ(Prev(2501), "not found");
  for (int i = 0; i < 3; ++i) map_.Tick(0);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_EQ(Get({.key = Key(2000)}), "2501:k2000=w@2605");
  EXPECT_EQ(map_.EncodeRows().size(), 2u);
}

// --- Bytes -------------------------------------------------------------------

TEST(IndexedMapRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  IndexedMapRow{.key = "key", .value = "v", .index = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\xff\xff\xff\xff\xff\xff\xff\xff"
                               "\x00\x00\x00\x03key"
                               "v",
                               25));
  IndexedMapRow row;
  ASSERT_TRUE(IndexedMapRow::Decode(bytes, row));
  EXPECT_EQ(row.key, "key");
  EXPECT_EQ(row.value, "v");
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.expire_ns, session::kNever);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(IndexedMapRow::Decode(bytes.substr(0, 23), row));
  bytes[0] = 2;
  EXPECT_FALSE(IndexedMapRow::Decode(bytes, row)) << "a version of the future";
}

TEST(IndexedMapStateRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  IndexedMapStateRow{.last_index = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02",
                               9));
  IndexedMapStateRow row;
  ASSERT_TRUE(IndexedMapStateRow::Decode(bytes, row));
  EXPECT_EQ(row.last_index, 0x0102u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(IndexedMapStateRow::Decode(bytes + "x", row));
  bytes[0] = 2;
  EXPECT_FALSE(IndexedMapStateRow::Decode(bytes, row));
}

TEST(IndexedMapCheckTest, KeysValuesAndTimesToLiveAreChecked) {
  const session::Limits limits = {.key_bytes_max = 3, .value_bytes_max = 4};
  const auto check = [&](uint32_t operation, const auto& input) {
    return IndexedMapType()
        .FindOperation(operation)
        ->check(input.SerializeAsString(), limits)
        .code();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(check(2, AppendOf("123", "1234")), absl::StatusCode::kOk);
  EXPECT_EQ(check(2, AppendOf("1234", "1")), invalid);
  EXPECT_EQ(check(2, AppendOf("1", "12345")), invalid);
  EXPECT_EQ(check(2, AppendOf("1", "1", Duration(1, -1))), invalid);
  EXPECT_EQ(check(3, UpdateOf({.key = "1234"}, "1")), invalid);
  EXPECT_EQ(check(3, UpdateOf({.key = "1"}, "12345")), invalid);
  EXPECT_EQ(check(3, UpdateOf({.key = "1"}, "1", Duration(1, -1))), invalid);
  EXPECT_EQ(check(4, GetOf({.key = "1234"})), invalid);
  EXPECT_EQ(check(9, RemoveOf({.key = "1234"})), invalid);
  EXPECT_EQ(check(12, EventsOf("1234")), invalid);
}

TEST_F(IndexedMapTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 11u, 13u, UINT32_MAX}) {
    EXPECT_EQ(map_.ResultOf(map_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(map_.Query(2, "").status, OperationStatus::kNotSupported);
  EXPECT_THAT(map_.ListSlice(1, "", "").outputs, IsEmpty());
}

TEST(IndexedMapFuzzTest, NoBytesCrash) {
  const auto append = AppendOf("a", "1", Duration(3, 5));
  const auto update = UpdateOf({.key = "a", .index = 1}, "2", Duration(3));
  const auto remove = RemoveOf({.index = 1, .prev_version = 101});
  const auto next = NextOf(1);
  FuzzOperations(IndexedMapType(), {&append, &update, &remove, &next});
}

}  // namespace
}  // namespace primitive
