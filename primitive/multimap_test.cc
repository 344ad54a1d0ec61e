#include "primitive/multimap.h"

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/multimap/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/multimap_inputs.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::multimap::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::base::testing::StatusIs;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MultiMapTest : public ::testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    EXPECT_EQ(map_.Call("Put", PutOf(key, value)), session::Ok(""));
  }
  bool PutAll(const std::string& key, const Values& values) {
    return map_.Ok<pb::PutAllOutput>("PutAll", PutAllOf(key, values)).updated();
  }
  bool PutEntries(const KeyValues& entries) {
    return map_.Ok<pb::PutEntriesOutput>("PutEntries", PutEntriesOf(entries))
        .updated();
  }
  Values Replace(const std::string& key, const Values& values) {
    const auto output =
        map_.Ok<pb::ReplaceOutput>("Replace", ReplaceOf(key, values));
    return {output.prev_values().begin(), output.prev_values().end()};
  }
  bool RemoveAll(const std::string& key, const Values& values) {
    return map_.Ok<pb::RemoveAllOutput>("RemoveAll", RemoveAllOf(key, values))
        .updated();
  }
  bool RemoveEntries(const KeyValues& entries) {
    return map_
        .Ok<pb::RemoveEntriesOutput>("RemoveEntries", RemoveEntriesOf(entries))
        .updated();
  }
  void Clear() { map_.Ok<pb::ClearOutput>("Clear", pb::ClearInput()); }
  uint32_t Size() {
    return map_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size();
  }
  bool Contains(const std::string& key, const std::string& value) {
    return map_.Ok<pb::ContainsOutput>("Contains", ContainsOf(key, value))
        .result();
  }
  Values Get(const std::string& key) {
    const auto output = map_.Ok<pb::GetOutput>("Get", GetOf(key));
    return {output.values().begin(), output.values().end()};
  }
  static std::vector<std::string> EntriesToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      const auto parsed = Harness::Parse<pb::EntriesOutput>(output);
      EXPECT_TRUE(parsed.has_entry()) << "drivers use it without looking";
      texts.push_back(ToText(parsed));
    }
    return texts;
  }
  std::vector<std::string> List() {
    return EntriesToText(map_.List("Entries", EntriesOf(), 100));
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

  Harness map_{MultiMapType()};
};

// --- Put, PutAll, PutEntries -------------------------------------------------

TEST_F(MultiMapTest, PutAddsAValueToAKey) {
  Put("a", "1");
  Put("a", "2");
  Put("b", "1");
  EXPECT_THAT(List(), ElementsAre("a=1,2", "b=1"));
}

TEST_F(MultiMapTest, PutOfAPairThatIsThereAlreadyExists) {
  Put("a", "1");
  EXPECT_EQ(map_.Status("Put", PutOf("a", "1")),
            OperationStatus::kAlreadyExists);
  EXPECT_THAT(List(), ElementsAre("a=1"));
}

TEST_F(MultiMapTest, PutAllAddsWhatIsMissing) {
  EXPECT_TRUE(PutAll("a", {"2", "1", "2"}));
  EXPECT_TRUE(PutAll("a", {"3", "1"}));
  EXPECT_FALSE(PutAll("a", {"3", "1"}));
  EXPECT_THAT(List(), ElementsAre("a=1,2,3"));
}

// Go made a key without values, which counted (BUG).
TEST_F(MultiMapTest, PutAllOfNoValuesMakesNoKey) {
  EXPECT_FALSE(PutAll("a", {}));
  EXPECT_FALSE(PutEntries({{"a", {}}, {"b", {}}}));
  EXPECT_EQ(Size(), 0u);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_TRUE(map_.EncodeRows().empty());
  Put("a", "1");
  EXPECT_FALSE(PutAll("a", {}));
  EXPECT_THAT(List(), ElementsAre("a=1"));
}

TEST_F(MultiMapTest, PutEntriesAddsWhatIsMissingToEachKey) {
  Put("a", "1");
  EXPECT_TRUE(PutEntries({{"a", {"1", "2"}}, {"b", {"1"}}, {"a", {"3"}}}));
  EXPECT_THAT(List(), ElementsAre("a=1,2,3", "b=1"));
  EXPECT_FALSE(PutEntries({{"a", {"1", "2"}}, {"b", {"1"}}}));
  EXPECT_FALSE(PutEntries({}));
}

// --- Replace -----------------------------------------------------------------

TEST_F(MultiMapTest, ReplaceSetsTheValuesAndReturnsThoseBefore) {
  EXPECT_THAT(Replace("a", {"2", "1"}), IsEmpty());
  EXPECT_THAT(Replace("a", {"3", "2"}), ElementsAre("1", "2"));
  EXPECT_THAT(List(), ElementsAre("a=2,3"));
}

TEST_F(MultiMapTest, ReplaceTellsOfNewValuesFirstAndThenOfLostOnes) {
  PutAll("a", {"1", "2", "3"});
  const CommandKey listener = Listen();
  Replace("a", {"9", "2", "4", "9"});
  EXPECT_THAT(Events(listener),
              ElementsAre("add a=9", "add a=4", "remove a=1", "remove a=3"));
}

// Go left an empty key behind (BUG).
TEST_F(MultiMapTest, ReplaceByNoValuesRemovesTheKey) {
  PutAll("a", {"1", "2"});
  EXPECT_THAT(Replace("a", {}), ElementsAre("1", "2"));
  EXPECT_EQ(Size(), 0u);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(Replace("a", {}), IsEmpty());
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(MultiMapTest, ReplaceByTheSameValuesChangesNothing) {
  PutAll("a", {"1", "2"});
  const auto rows = map_.EncodeRows();
  const CommandKey listener = Listen();
  map_.Watch();
  EXPECT_THAT(Replace("a", {"2", "1", "2"}), ElementsAre("1", "2"));
  EXPECT_EQ(map_.EncodeRows(), rows);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
}

// --- Remove, RemoveAll, RemoveEntries ----------------------------------------

TEST_F(MultiMapTest, RemoveTakesAPairOutAndWithTheLastOneTheKey) {
  PutAll("a", {"1", "2"});
  // Its `values` were never filled.
  EXPECT_EQ(map_.Call("Remove", RemoveOf("a", "1")), session::Ok(""));
  EXPECT_THAT(List(), ElementsAre("a=2"));
  EXPECT_EQ(map_.Call("Remove", RemoveOf("a", "2")), session::Ok(""));
  EXPECT_EQ(Size(), 0u);
  EXPECT_TRUE(map_.EncodeRows().empty());
}

TEST_F(MultiMapTest, RemoveOfAnAbsentKeyOrValueIsNotFound) {
  EXPECT_EQ(map_.Status("Remove", RemoveOf("a", "1")),
            OperationStatus::kNotFound);
  Put("a", "1");
  EXPECT_EQ(map_.Status("Remove", RemoveOf("a", "2")),
            OperationStatus::kNotFound);
  EXPECT_THAT(List(), ElementsAre("a=1"));
}

TEST_F(MultiMapTest, RemoveAllRemovesThoseThatAreThere) {
  PutAll("a", {"1", "2", "3"});
  EXPECT_TRUE(RemoveAll("a", {"3", "9", "1", "3"}));
  EXPECT_THAT(List(), ElementsAre("a=2"));
  EXPECT_FALSE(RemoveAll("a", {"9"}));
  EXPECT_FALSE(RemoveAll("a", {}));
  EXPECT_TRUE(RemoveAll("a", {"2"}));
  EXPECT_EQ(Size(), 0u);
}

TEST_F(MultiMapTest, RemoveAllOfAnAbsentKeyIsNotFoundWhileGetOfItIsEmpty) {
  EXPECT_EQ(map_.Status("RemoveAll", RemoveAllOf("a", {"1"})),
            OperationStatus::kNotFound);
  EXPECT_EQ(map_.Status("RemoveAll", RemoveAllOf("a", {})),
            OperationStatus::kNotFound);
  EXPECT_THAT(Get("a"), IsEmpty());
}

TEST_F(MultiMapTest, RemoveEntriesSkipsWhatIsNotThere) {
  PutAll("a", {"1", "2"});
  PutAll("b", {"1"});
  EXPECT_TRUE(RemoveEntries({{"a", {"9", "2"}}, {"c", {"1"}}, {"b", {"1"}}}));
  EXPECT_THAT(List(), ElementsAre("a=1"));
  EXPECT_FALSE(RemoveEntries({{"a", {"2"}}, {"b", {"1"}}, {"a", {}}}));
}

// --- Queries -----------------------------------------------------------------

TEST_F(MultiMapTest, SizeCountsKeys) {
  EXPECT_EQ(Size(), 0u);
  PutAll("a", {"1", "2"});
  PutAll("b", {"1"});
  EXPECT_EQ(Size(), 2u);
  RemoveAll("a", {"1"});
  EXPECT_EQ(Size(), 2u);
  RemoveAll("a", {"2"});
  EXPECT_EQ(Size(), 1u);
}

TEST_F(MultiMapTest, ContainsAsksForAPair) {
  Put("a", "1");
  EXPECT_TRUE(Contains("a", "1"));
  EXPECT_FALSE(Contains("a", ""));
  EXPECT_FALSE(Contains("a", "2"));
  EXPECT_FALSE(Contains("b", "1"));
}

TEST_F(MultiMapTest, GetHasTheValuesOfOneKeyInBytewiseOrder) {
  PutAll("a", {"b", "\xc3\xa9", "", "Z", "a"});
  PutAll("", {"1"});
  PutAll("aa", {"2"});
  PutAll(std::string("a\0", 2), {"3"});
  EXPECT_THAT(Get("a"), ElementsAre("", "Z", "a", "b", "\xc3\xa9"));
  EXPECT_THAT(Get(""), ElementsAre("1"));
}

TEST_F(MultiMapTest, EmptyKeysAndValuesAreLegal) {
  Put("", "");
  EXPECT_TRUE(Contains("", ""));
  EXPECT_EQ(Size(), 1u);
  map_.Restore();
  EXPECT_THAT(List(), ElementsAre("="));
  EXPECT_EQ(map_.Call("Remove", pb::RemoveInput()), session::Ok(""));
  EXPECT_EQ(Size(), 0u);
}

TEST_F(MultiMapTest, EntriesHaveAllValuesOfAKeyInOneMessage) {
  PutEntries({{"b", {"2", "1"}}, {"", {"x"}}, {"a", {"1"}}, {"Z", {"1"}}});
  EXPECT_THAT(List(), ElementsAre("=x", "Z=1", "a=1", "b=1,2"));
}

TEST_F(MultiMapTest, AListingIsTheSameInSlicesOfAnySize) {
  for (int i = 0; i < 20; ++i) {
    Values values;
    for (int v = 0; v <= i % 5; ++v) values.push_back(absl::StrCat(v));
    PutAll(absl::StrCat(i), values);
  }
  const auto whole = map_.List("Entries", EntriesOf(), 1000);
  EXPECT_EQ(whole.size(), 20u);
  for (size_t rows_max : {1, 2, 3, 19, 20, 21}) {
    EXPECT_EQ(map_.List("Entries", EntriesOf(), rows_max), whole);
  }
  EXPECT_EQ(map_.ListSlice(10, "", "", {100, 1}).outputs.size(), 1u);
}

TEST_F(MultiMapTest, AListingGoesOnWhereItsCursorWasRemoved) {
  for (const char* key : {"a", "b", "c"}) Put(key, "1");
  RemoveAll("b", {"1"});
  EXPECT_THAT(EntriesToText(map_.ListSlice(10, "", "kb").outputs),
              ElementsAre("c=1"));
}

// --- Events and watches ------------------------------------------------------

TEST_F(MultiMapTest, ListenersSeeEveryChangeInTheOrderOfTheRequest) {
  Put("before", "0");
  const CommandKey listener = Listen();
  Put("a", "2");
  PutAll("a", {"3", "2", "1", "3"});
  PutEntries({{"c", {"2", "1"}}, {"a", {"0"}}, {"c", {"3"}}});
  RemoveAll("a", {"3", "9", "0"});
  RemoveEntries({{"c", {"3"}}, {"a", {"2"}}, {"c", {"1"}}});
  map_.Call("Remove", RemoveOf("a", "1"));
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("add a=2", "add a=3", "add a=1", "add c=2", "add c=1",
                          "add a=0", "add c=3", "remove a=3", "remove a=0",
                          "remove c=3", "remove a=2", "remove c=1",
                          "remove a=1", "remove before=0", "remove c=2"));
}

TEST_F(MultiMapTest, AFilterLetsOneKeyThrough) {
  const CommandKey a = Listen("a");
  const CommandKey all = Listen("");
  PutEntries({{"a", {"1"}}, {"b", {"1"}}});
  Clear();
  EXPECT_THAT(Events(a), ElementsAre("add a=1", "remove a=1"));
  EXPECT_EQ(Events(all).size(), 4u);
}

TEST_F(MultiMapTest, CommandsThatChangeNothingSayNothing) {
  PutAll("a", {"1", "2"});
  const CommandKey listener = Listen();
  map_.Watch();
  map_.Call("Put", PutOf("a", "1"));
  PutAll("a", {"1"});
  PutEntries({{"a", {"2"}}});
  map_.Call("Remove", RemoveOf("a", "3"));
  RemoveAll("a", {"3"});
  RemoveEntries({{"a", {"3"}}, {"b", {"1"}}});
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(MultiMapTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen("a")), IsEmpty());
  map_.set_generation(session::Generation::kRsm);
  EXPECT_THAT(Events(Listen("a")), ElementsAre("hello a"));
  EXPECT_THAT(map_.Events(Listen()), ElementsAre(std::string("\x0a\x00", 2)));
}

TEST_F(MultiMapTest, OnlyEntriesWithTheFlagWatch) {
  EXPECT_TRUE(map_.Watches("Entries", EntriesOf(true)));
  EXPECT_FALSE(map_.Watches("Entries", EntriesOf(false)));
}

TEST_F(MultiMapTest, WatchersGetTheWholeListOncePerCommandAndKey) {
  map_.Watch();
  Put("a", "1");
  PutAll("a", {"3", "2"});
  PutEntries({{"b", {"1"}}, {"a", {"0"}}, {"b", {"2"}}});
  Replace("a", {"1", "9"});
  map_.Call("Remove", RemoveOf("a", "9"));
  RemoveEntries({{"b", {"1", "2"}}, {"a", {"5"}}});
  EXPECT_THAT(Changes(), ElementsAre("a=1", "a=1,2,3", "b=1,2", "a=0,1,2,3",
                                     "a=1,9", "a=1", "b="));
  Put("c", "1");
  Clear();
  EXPECT_THAT(Changes(), ElementsAre("c=1", "a=", "c="));
  EXPECT_FALSE(map_.Interrupted());
}

TEST_F(MultiMapTest, WatchersGetTheListsBetweenOfARemoveAll) {
  PutAll("a", {"1", "2", "3"});
  map_.Watch();
  RemoveAll("a", {"3", "9", "1", "2"});
  EXPECT_THAT(Changes(), ElementsAre("a=1,2", "a=2", "a="));
}

TEST_F(MultiMapTest, ListsBetweenThatWouldBeTooLongAreLeftOut) {
  Values values;
  for (int i = 0; i < 2000; ++i) values.push_back(absl::StrCat(i));
  PutAll("a", values);
  map_.Watch();
  values.pop_back();
  RemoveAll("a", values);
  EXPECT_THAT(Changes(), ElementsAre("a=1999"));
}

// One command can touch thousands of keys, each with a list of a megabyte.
TEST_F(MultiMapTest, BugListsThatAreTooLongTogetherInterruptTheWatchers) {
  Values values;
  for (char c = 'a'; c < 'j'; ++c) values.push_back(std::string(1 << 16, c));
  PutAll("a", values);
  PutAll("b", values);
  map_.Watch();
  EXPECT_TRUE(PutEntries({{"a", {"1"}}, {"b", {"1"}}}));
  EXPECT_TRUE(map_.Interrupted()) << "watchers list again";
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_TRUE(RemoveEntries({{"a", {"1"}}, {"b", {"1"}}}));
  EXPECT_TRUE(map_.Interrupted());
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_TRUE(PutEntries({{"a", {"1"}}, {"c", {"1"}}}));
  EXPECT_EQ(Changes().size(), 2u);
  EXPECT_FALSE(map_.Interrupted());
}

TEST_F(MultiMapTest, TheListOfOneKeyIsNeverTooLong) {
  Values values;
  for (char c = 'a'; c < 'q'; ++c) values.push_back(std::string(1 << 16, c));
  map_.Watch();
  PutAll("a", values);
  EXPECT_EQ(Changes().size(), 1u);
  EXPECT_FALSE(map_.Interrupted());
}

TEST_F(MultiMapTest, WatchersDoNotChangeTheState) {
  Harness watched(MultiMapType());
  watched.Watch();
  for (Harness* map : {&map_, &watched}) {
    for (int i = 0; i < 5; ++i) {
      map->Call("PutAll", PutAllOf(absl::StrCat(i), {"1", "2"}));
    }
    map->Call("Clear", pb::ClearInput());
    map->Call("Put", PutOf("a", "1"));
  }
  EXPECT_EQ(map_.EncodeRows(), watched.EncodeRows());
}

// --- Clear -------------------------------------------------------------------

TEST_F(MultiMapTest, ClearOfAnEmptyMapChangesNothing) {
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_TRUE(map_.EncodeRows().empty());
}

// Go's order was another on each replica (BUG).
TEST_F(MultiMapTest, ClearReportsEveryPairInOrder) {
  PutEntries({{"b", {"2", "1"}}, {"a", {"1"}}});
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("remove a=1", "remove b=1", "remove b=2"));
  EXPECT_EQ(Size(), 0u);
  EXPECT_TRUE(map_.EncodeRows().empty());
}

// What a Clear leaves is freed at least as fast as new keys come.
TEST_F(MultiMapTest, BugClearsDoNotLeakTheKeys) {
  constexpr int kKeys = 5000;
  pb::PutEntriesInput input;
  for (int i = 0; i < kKeys; ++i) {
    pb::Entry& entry = *input.add_entries();
    entry.set_key(absl::StrCat("a key that is not short at all ", i));
    entry.add_values("v");
  }
  const auto round = [&] {
    map_.Call("PutEntries", input);
    Clear();
    map_.EncodeRows();
    return mallinfo2().uordblks;
  };
  for (int i = 0; i < 3; ++i) round();
  const size_t before = round();
  size_t after = 0;
  for (int i = 0; i < 20; ++i) after = round();
  EXPECT_LT(after, before + 5 * kKeys * 32) << "20 rounds, less than 5 of them";
}

class MultiMapLargeClearTest : public MultiMapTest {
 protected:
  // 50 keys of 50 values each.
  void Fill() {
    Values values;
    for (int i = 10; i < 60; ++i) values.push_back(absl::StrCat(i));
    for (int i = 10; i < 60; ++i) PutAll(absl::StrCat(i), values);
  }
};

TEST_F(MultiMapLargeClearTest, IsEmptyAtOnceAndReportsInSlices) {
  Fill();
  const CommandKey listener = Listen();
  map_.Watch();
  Clear();
  EXPECT_EQ(Size(), 0u);
  EXPECT_THAT(Get("59"), IsEmpty());
  EXPECT_FALSE(Contains("59", "59"));
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_EQ(map_.Status("RemoveAll", RemoveAllOf("59", {"59"})),
            OperationStatus::kNotFound);
  EXPECT_EQ(map_.Status("Remove", RemoveOf("59", "59")),
            OperationStatus::kNotFound);
  EXPECT_TRUE(map_.Interrupted()) << "watchers list again";

  std::vector<std::string> events = Events(listener);
  while (!map_.timers().empty()) {
    map_.Restore();
    EXPECT_EQ(Size(), 0u);
    map_.Tick(0);
    for (std::string& event : Events(listener)) events.push_back(event);
  }
  std::sort(events.begin(), events.end());
  ASSERT_EQ(events.size(), 2500u);
  EXPECT_EQ(std::unique(events.begin(), events.end()), events.end());
  EXPECT_TRUE(map_.EncodeRows().empty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(MultiMapLargeClearTest, APairIsReportedRemovedBeforeItIsAddedAgain) {
  Fill();
  const CommandKey listener = Listen("59");
  Clear();
  EXPECT_TRUE(PutAll("59", {"59", "60"}));
  EXPECT_THAT(Events(listener),
              ElementsAre("remove 59=59", "add 59=59", "add 59=60"));
  EXPECT_THAT(Get("59"), ElementsAre("59", "60"));
  EXPECT_THAT(Replace("59", {"58"}), ElementsAre("59", "60"));
  EXPECT_THAT(Events(listener), ElementsAre("remove 59=58", "add 59=58",
                                            "remove 59=59", "remove 59=60"));
  map_.Restore();
  EXPECT_THAT(List(), ElementsAre("59=58"));
  for (int i = 0; i < 3; ++i) map_.Tick(0);
  EXPECT_EQ(Events(listener).size(), 48u);
  EXPECT_THAT(List(), ElementsAre("59=58"));
}

// --- Bounds of a key ---------------------------------------------------------

TEST_F(MultiMapTest, AKeyHasAtMostSoManyValues) {
  Values values;
  for (size_t i = 0; i < MultiMap::kKeyValuesMax; ++i) {
    values.push_back(absl::StrCat(i));
  }
  EXPECT_TRUE(PutAll("a", values));
  const auto rows = map_.EncodeRows();
  const CommandKey listener = Listen();
  EXPECT_EQ(map_.Status("Put", PutOf("a", "x")), OperationStatus::kInvalid);
  EXPECT_EQ(map_.Status("PutAll", PutAllOf("a", {"1", "x"})),
            OperationStatus::kInvalid);
  EXPECT_EQ(
      map_.Status("PutEntries", PutEntriesOf({{"b", {"1"}}, {"a", {"x"}}})),
      OperationStatus::kInvalid);
  EXPECT_EQ(map_.EncodeRows(), rows) << "all or nothing";
  EXPECT_THAT(Events(listener), IsEmpty());

  map_.Restore();
  EXPECT_EQ(map_.Status("Put", PutOf("a", "x")), OperationStatus::kInvalid);
  EXPECT_FALSE(PutAll("a", {"1", "2"})) << "they are there";
  RemoveAll("a", {"1"});
  Put("a", "x");
  EXPECT_EQ(Replace("a", {"y"}).size(), MultiMap::kKeyValuesMax);
}

TEST_F(MultiMapTest, TheValuesOfAKeyHaveAtMostSoManyBytes) {
  const auto large = [](char c) { return std::string(1 << 16, c); };
  Values values;
  for (char c = 'a'; c < 'q'; ++c) values.push_back(large(c));
  EXPECT_TRUE(PutAll("a", values));
  EXPECT_EQ(map_.Status("Put", PutOf("a", "x")), OperationStatus::kInvalid);
  Put("a", "");
  values.push_back("x");
  EXPECT_EQ(map_.Status("Replace", ReplaceOf("b", values)),
            OperationStatus::kInvalid);
  EXPECT_EQ(Size(), 1u);
  values.push_back(values.front());
  values.erase(values.begin() + 1);
  EXPECT_EQ(Replace("a", values).size(), 17u);
  EXPECT_EQ(map_.Status("Put", PutOf("a", large('z'))),
            OperationStatus::kInvalid);
}

// --- Bytes and bad input -----------------------------------------------------

TEST(MultiMapRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  MultiMapRow{.index = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02",
                               9));
  MultiMapRow row;
  ASSERT_TRUE(MultiMapRow::Decode(bytes, row));
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(MultiMapRow::Decode(bytes.substr(0, 8), row));
  EXPECT_FALSE(MultiMapRow::Decode(bytes + "x", row));
  bytes[0] = 2;
  EXPECT_FALSE(MultiMapRow::Decode(bytes, row)) << "a version of the future";
}

TEST_F(MultiMapTest, RowKeysAreKeyAndValue) {
  Put(std::string("a\0", 2), "v");
  // An ordered string (docs/formats.md), then the rest.
  EXPECT_EQ(map_.EncodeRows().begin()->first,
            std::make_pair(session::TableId::kMultiMap,
                           std::string("a\x00\xff\x00\x01v", 6)));
  EXPECT_EQ(static_cast<int>(session::TableId::kMultiMap), 34);
  EXPECT_EQ(static_cast<int>(session::TableId::kMultiMapClear), 35);
}

absl::Status Check(uint32_t operation, const google::protobuf::Message& input,
                   const session::Limits& limits) {
  return MultiMapType().FindOperation(operation)->check(
      input.SerializeAsString(), limits);
}

TEST(MultiMapCheckTest, KeysAndValuesHaveALimit) {
  const session::Limits limits = {.key_bytes_max = 3};
  const auto refused = [](const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    HasSubstr(absl::StrCat("input.", field, ": 4 bytes")));
  };
  EXPECT_OK(Check(2, PutOf("abc", "123"), limits));
  EXPECT_THAT(Check(2, PutOf("abcd", "1"), limits), refused("key"));
  EXPECT_THAT(Check(2, PutOf("a", "1234"), limits), refused("value"));
  EXPECT_THAT(Check(5, ContainsOf("abcd", "1"), limits), refused("key"));
  EXPECT_THAT(Check(5, ContainsOf("a", "1234"), limits), refused("value"));
  EXPECT_THAT(Check(7, RemoveOf("abcd", "1"), limits), refused("key"));
  EXPECT_THAT(Check(7, RemoveOf("a", "1234"), limits), refused("value"));
  EXPECT_THAT(Check(6, GetOf("abcd"), limits), refused("key"));
  EXPECT_THAT(Check(11, EventsOf("abcd"), limits), refused("key"));
  EXPECT_THAT(Check(3, PutAllOf("abcd", {}), limits), refused("key"));
  EXPECT_THAT(Check(3, PutAllOf("a", {"1", "1234"}), limits),
              refused("values"));
  EXPECT_THAT(Check(4, ReplaceOf("a", {"1234"}), limits), refused("values"));
  EXPECT_THAT(Check(8, RemoveAllOf("a", {"1234"}), limits), refused("values"));
  EXPECT_THAT(Check(12, PutEntriesOf({{"a", {}}, {"abcd", {}}}), limits),
              refused("entries.key"));
  EXPECT_THAT(Check(12, PutEntriesOf({{"a", {"1", "1234"}}}), limits),
              refused("entries.values"));
  EXPECT_THAT(Check(13, RemoveEntriesOf({{"abcd", {}}}), limits),
              refused("entries.key"));
}

TEST(MultiMapCheckTest, ACommandNamesAtMostSoManyEntriesAndValues) {
  const auto refused = [](const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    HasSubstr(absl::StrCat("input.", field, ": more than")));
  };
  Values values(MultiMap::kRequestItemsMax, "v");
  EXPECT_OK(Check(3, PutAllOf("a", values), {}));
  values.push_back("v");
  EXPECT_THAT(Check(3, PutAllOf("a", values), {}), refused("values"));
  EXPECT_THAT(Check(4, ReplaceOf("a", values), {}), refused("values"));
  EXPECT_THAT(Check(8, RemoveAllOf("a", values), {}), refused("values"));
  values.resize(values.size() - 3);
  EXPECT_OK(Check(12, PutEntriesOf({{"a", values}, {"b", {}}}), {}));
  EXPECT_THAT(Check(12, PutEntriesOf({{"a", values}, {"b", {"v"}}}), {}),
              refused("entries"));
  EXPECT_THAT(Check(13, RemoveEntriesOf({{"a", values}, {"b", {"v"}}}), {}),
              refused("entries"));
}

TEST_F(MultiMapTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 5u, 6u, 10u, 14u, UINT32_MAX}) {
    EXPECT_EQ(map_.ResultOf(map_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(map_.Query(2, "").status, OperationStatus::kNotSupported);
  EXPECT_TRUE(map_.ListSlice(2, "", "").done);
}

TEST(MultiMapFuzzTest, NoBytesCrash) {
  const auto put = PutOf("a", "1");
  const auto values = PutAllOf("a", {"1", "2", ""});
  const auto entries = PutEntriesOf({{"a", {"1", "3"}}, {"", {"2"}}});
  FuzzOperations(MultiMapType(), {&put, &values, &entries});
}

}  // namespace
}  // namespace primitive
