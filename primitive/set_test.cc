#include "primitive/set.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/set/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/set_inputs.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::set::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::base::testing::StatusIs;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SetTest : public ::testing::Test {
 protected:
  void Add(const std::string& element, const Ttl& ttl = {}) {
    EXPECT_EQ(set_.Call("Add", AddOf(element, ttl)), session::Ok(""));
  }
  void Clear() { set_.Ok<pb::ClearOutput>("Clear", pb::ClearInput()); }
  uint32_t Size() {
    return set_.Ok<pb::SizeOutput>("Size", pb::SizeInput()).size();
  }
  bool Contains(const std::string& element) {
    return set_.Ok<pb::ContainsOutput>("Contains", ContainsOf(element))
        .contains();
  }
  static std::vector<std::string> ElementsToText(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& output : outputs) {
      const auto parsed = Harness::Parse<pb::ElementsOutput>(output);
      EXPECT_TRUE(parsed.has_element()) << "drivers use it without looking";
      texts.push_back(parsed.element().value());
    }
    return texts;
  }
  std::vector<std::string> List() {
    return ElementsToText(set_.List("Elements", ElementsOf()));
  }
  std::vector<std::string> Changes() { return ElementsToText(set_.Changes()); }
  CommandKey Listen() { return set_.Start(1, "Events", pb::EventsInput()); }
  std::vector<std::string> Events(CommandKey listener) {
    std::vector<std::string> texts;
    for (const auto& event : set_.ParsedEvents<pb::EventsOutput>(listener)) {
      texts.push_back(ToText(event));
    }
    return texts;
  }

  Harness set_{SetType()};
};

// --- Add, Remove, Contains, Size ---------------------------------------------

TEST_F(SetTest, AddPutsAnElementIn) {
  EXPECT_FALSE(Contains("a"));
  Add("a");
  EXPECT_TRUE(Contains("a"));
  EXPECT_FALSE(Contains("b"));
  EXPECT_THAT(List(), ElementsAre("a"));
}

TEST_F(SetTest, AddOfAnElementThatIsThereAlreadyExists) {
  Add("a");
  EXPECT_EQ(set_.Status("Add", AddOf("a")), OperationStatus::kAlreadyExists);
  EXPECT_EQ(Size(), 1u);
}

TEST_F(SetTest, RemoveTakesAnElementOut) {
  Add("a");
  Add("b");
  EXPECT_EQ(set_.Call("Remove", RemoveOf("a")), session::Ok(""));
  EXPECT_FALSE(Contains("a"));
  EXPECT_THAT(List(), ElementsAre("b"));
}

TEST_F(SetTest, RemoveOfAnElementThatIsNotThereIsNotFound) {
  Add("a");
  EXPECT_EQ(set_.Status("Remove", RemoveOf("b")), OperationStatus::kNotFound);
  EXPECT_EQ(Size(), 1u);
}

// The second generation says in its outputs what the first says by statuses:
// AddOutput {added=1 bool}, RemoveOutput {removed=1 bool}.
TEST_F(SetTest, TheSecondGenerationAnswersWhetherItChangedTheSet) {
  set_.set_generation(session::Generation::kRsm);
  const session::Result yes = session::Ok("\x08\x01");
  const session::Result no = session::Ok("");
  EXPECT_EQ(set_.Call("Add", AddOf("a")), yes);
  EXPECT_EQ(set_.Call("Add", AddOf("a")), no);
  EXPECT_EQ(set_.Call("Remove", RemoveOf("a")), yes);
  EXPECT_EQ(set_.Call("Remove", RemoveOf("a")), no);
}

TEST_F(SetTest, SizeCountsElements) {
  EXPECT_EQ(Size(), 0u);
  Add("a");
  Add("b");
  EXPECT_EQ(Size(), 2u);
  set_.Call("Remove", RemoveOf("a"));
  EXPECT_EQ(Size(), 1u);
  Clear();
  EXPECT_EQ(Size(), 0u);
}

TEST_F(SetTest, TheEmptyStringIsAnElement) {
  Add("");
  EXPECT_TRUE(Contains(""));
  // So is one that the request leaves out.
  EXPECT_TRUE(
      set_.Ok<pb::ContainsOutput>("Contains", pb::ContainsInput()).contains());
  set_.Restore();
  EXPECT_THAT(List(), ElementsAre(""));
  EXPECT_EQ(set_.Call("Remove", pb::RemoveInput()), session::Ok(""));
  EXPECT_EQ(Size(), 0u);
}

// --- Time to live ------------------------------------------------------------

TEST_F(SetTest, AnElementExpiresWhenItsTimeHasCome) {
  Add("a", Duration(10));
  set_.Tick(10 * kSecond - 1);
  EXPECT_TRUE(Contains("a"));
  set_.Tick(1);
  EXPECT_FALSE(Contains("a"));
  EXPECT_EQ(Size(), 0u);
}

TEST_F(SetTest, NoTimeToLiveOrLessEndsAtTheNextLaterEntry) {
  Add("a", Duration(0));
  Add("b", Duration(-5, -1));
  set_.Tick(0);
  EXPECT_EQ(Size(), 2u);
  set_.Tick(1);
  EXPECT_EQ(Size(), 0u);
}

TEST_F(SetTest, ATimeToLiveBeyondLogTimeNeverEnds) {
  Add("a", Duration(315'576'000'000, 999'999'999));
  EXPECT_THAT(set_.timers(), IsEmpty());
  set_.Restore();
  EXPECT_TRUE(Contains("a"));
}

TEST_F(SetTest, AddOfAnElementThatIsThereDoesNotTouchItsTimeToLive) {
  Add("a", Duration(10));
  Add("b");
  const auto rows = set_.EncodeRows();
  for (const Ttl& ttl : {Ttl(Duration(100)), Ttl(Duration(1)), Ttl()}) {
    EXPECT_EQ(set_.Status("Add", AddOf("a", ttl)),
              OperationStatus::kAlreadyExists);
    EXPECT_EQ(set_.Status("Add", AddOf("b", ttl)),
              OperationStatus::kAlreadyExists);
  }
  EXPECT_EQ(set_.EncodeRows(), rows);
  set_.Tick(10 * kSecond);
  EXPECT_THAT(List(), ElementsAre("b"));
}

TEST_F(SetTest, ARemovedElementDoesNotExpireWhenItComesBack) {
  Add("a", Duration(10));
  Add("b", Duration(10));
  set_.Call("Remove", RemoveOf("a"));
  Add("a");
  Clear();
  EXPECT_THAT(set_.timers(), IsEmpty());
  Add("b");
  set_.Tick(20 * kSecond);
  EXPECT_THAT(List(), ElementsAre("b"));
}

TEST_F(SetTest, ARestartDoesNotProlongATimeToLive) {
  Add("a", Duration(10));
  set_.Tick(9 * kSecond);
  set_.Restore();
  set_.Tick(kSecond - 1);
  EXPECT_TRUE(Contains("a"));
  set_.Tick(1);
  EXPECT_FALSE(Contains("a"));
}

TEST_F(SetTest, ExpiryComesBeforeTheEntrysOwnEffect) {
  const CommandKey listener = Listen();
  Add("a", Duration(10));
  set_.Tick(10 * kSecond);
  Add("a");
  EXPECT_THAT(Events(listener), ElementsAre("add a", "expire a", "add a"));
}

TEST_F(SetTest, AMalformedTimeToLiveIsRefusedBeforeTheLogAndAfter) {
  const std::string bytes = AddOf("a", Duration(1, -1)).SerializeAsString();
  EXPECT_THAT(
      SetType().FindOperation(3)->check(bytes, session::Limits()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("input.ttl")));
  EXPECT_EQ(set_.ResultOf(set_.Apply(1, 3, bytes))->status,
            OperationStatus::kInternal);
  EXPECT_EQ(Size(), 0u);
}

// More may be due at once than one entry does (DoDue).
TEST_F(SetTest, BugACommandNeverSeesAnElementWhoseTimeIsOver) {
  Add("a", Duration(10));
  Add("b", Duration(10));
  Add("c", Duration(10));
  const CommandKey listener = Listen();
  set_.HoldTimers();
  set_.Tick(10 * kSecond);
  Add("a");
  EXPECT_EQ(set_.Status("Remove", RemoveOf("b")), OperationStatus::kNotFound);
  EXPECT_THAT(Events(listener), ElementsAre("expire a", "add a", "expire b"));
  Clear();
  EXPECT_THAT(Events(listener), ElementsAre("remove a", "expire c"));
  EXPECT_THAT(set_.timers(), IsEmpty());
}

// --- Events and watches ------------------------------------------------------

TEST_F(SetTest, ListenersSeeEveryChangeInOrder) {
  Add("before");
  const CommandKey listener = Listen();
  Add("b");
  Add("a", Duration(5));
  set_.Call("Remove", RemoveOf("b"));
  Add("c");
  set_.Tick(5 * kSecond);
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("add b", "add a", "remove b", "add c", "expire a",
                          "remove before", "remove c"));
}

TEST_F(SetTest, CommandsThatChangeNothingSayNothing) {
  Add("a");
  const CommandKey listener = Listen();
  set_.Watch();
  for (const auto generation :
       {session::Generation::kMultiRaft, session::Generation::kRsm}) {
    set_.set_generation(generation);
    set_.Call("Add", AddOf("a"));
    set_.Call("Remove", RemoveOf("b"));
  }
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(SetTest, OnlyTheSecondGenerationIsGreeted) {
  EXPECT_THAT(Events(Listen()), IsEmpty());
  set_.set_generation(session::Generation::kRsm);
  EXPECT_THAT(set_.Events(Listen()), ElementsAre(std::string("\x0a\x00", 2)));
}

TEST_F(SetTest, ElementsAreListedInBytewiseOrder) {
  for (const char* element : {"b", "a", "\xc3\xa9", "ab", "", "Z"}) {
    Add(element);
  }
  EXPECT_THAT(List(), ElementsAre("", "Z", "a", "ab", "b", "\xc3\xa9"));
}

TEST_F(SetTest, AListingIsTheSameInSlicesOfAnySize) {
  for (int i = 0; i < 20; ++i) Add(absl::StrCat(i));
  const auto whole = set_.List("Elements", ElementsOf(), 100);
  EXPECT_EQ(whole.size(), 20u);
  for (size_t rows_max : {1, 2, 3, 19, 20, 21}) {
    EXPECT_EQ(set_.List("Elements", ElementsOf(), rows_max), whole);
  }
}

TEST_F(SetTest, OnlyElementsWithTheFlagWatches) {
  EXPECT_TRUE(set_.Watches("Elements", ElementsOf(true)));
  EXPECT_FALSE(set_.Watches("Elements", ElementsOf(false)));
}

TEST_F(SetTest, WatchersGetAnElementOnceForEachChange) {
  set_.Watch();
  Add("a");
  set_.Call("Remove", RemoveOf("a"));
  Add("b", Duration(1));
  set_.Tick(kSecond);
  Add("d");
  Add("c");
  Clear();
  EXPECT_THAT(Changes(), ElementsAre("a", "a", "b", "b", "d", "c", "c", "d"));
  EXPECT_FALSE(set_.Interrupted());
}

// --- Clear -------------------------------------------------------------------

TEST_F(SetTest, ClearOfAnEmptySetChangesNothing) {
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_TRUE(set_.EncodeRows().empty());
}

// Go's order was another on each replica (BUG).
TEST_F(SetTest, ClearReportsEveryElementInOrder) {
  for (const char* element : {"c", "a", "b"}) Add(element);
  const CommandKey listener = Listen();
  Clear();
  EXPECT_THAT(Events(listener),
              ElementsAre("remove a", "remove b", "remove c"));
  EXPECT_TRUE(set_.EncodeRows().empty());
}

TEST_F(SetTest, AnOldClearIsNotSeenByALoad) {
  Add("a");
  set_.Restore();
  Clear();
  Add("b");
  set_.Restore();
  EXPECT_THAT(List(), ElementsAre("b"));
}

TEST_F(SetTest, ALargeClearIsAtOnceAndReportsInSlices) {
  std::vector<std::string> expected;
  for (int i = 10'000; i < 12'500; ++i) {
    Add(absl::StrCat(i), i % 10 == 0 ? Ttl(Duration(100)) : Ttl());
    expected.push_back(absl::StrCat("remove ", i));
  }
  const CommandKey listener = Listen();
  set_.Watch();
  Clear();
  EXPECT_EQ(Size(), 0u);
  EXPECT_FALSE(Contains("10000"));
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_EQ(set_.Status("Remove", RemoveOf("12499")),
            OperationStatus::kNotFound);
  EXPECT_TRUE(set_.Interrupted()) << "watchers list again";

  std::vector<std::string> events = Events(listener);
  while (!set_.timers().empty()) {
    set_.Restore();
    set_.Tick(0);
    for (std::string& event : Events(listener)) events.push_back(event);
  }
  std::sort(events.begin(), events.end());
  EXPECT_EQ(events, expected);
  EXPECT_TRUE(set_.EncodeRows().empty());
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(SetTest, AnElementIsReportedRemovedBeforeItIsAddedAgain) {
  for (int i = 10'000; i < 12'500; ++i) Add(absl::StrCat(i));
  const CommandKey listener = Listen();
  Clear();
  Add("12400");
  const auto events = Events(listener);
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events[events.size() - 2], "remove 12400");
  EXPECT_EQ(events.back(), "add 12400");
  EXPECT_THAT(List(), ElementsAre("12400"));
}

// --- Bytes and bad input -----------------------------------------------------

// The first generation's snapshots lost the elements (BUG).
TEST_F(SetTest, ElementsAndTheirTimesAreInTheImage) {
  Add("a");
  Add("b", Duration(10));
  set_.Restore();
  EXPECT_THAT(List(), ElementsAre("a", "b"));
  set_.Tick(10 * kSecond);
  EXPECT_THAT(List(), ElementsAre("a"));
}

TEST(SetRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  SetRow{.index = 0x0102, .expire_ns = 3}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\x00\x00\x00\x00\x00\x00\x00\x03",
                               17));
  SetRow row;
  ASSERT_TRUE(SetRow::Decode(bytes, row));
  EXPECT_EQ(row.index, 0x0102u);
  EXPECT_EQ(row.expire_ns, 3u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(SetRow::Decode(bytes.substr(0, 16), row));
  EXPECT_FALSE(SetRow::Decode(bytes + "x", row));
  bytes[0] = 2;
  EXPECT_FALSE(SetRow::Decode(bytes, row)) << "a version of the future";
}

TEST_F(SetTest, RowKeysAreTheElements) {
  Add("\x01z");
  EXPECT_EQ(set_.EncodeRows().begin()->first,
            std::make_pair(session::TableId::kSet, std::string("\x01z")));
  EXPECT_EQ(static_cast<int>(session::TableId::kSet), 32);
  EXPECT_EQ(static_cast<int>(session::TableId::kSetClear), 33);
}

TEST(SetCheckTest, ElementsHaveALimit) {
  const session::Limits limits = {.key_bytes_max = 3};
  const auto check = [&](uint32_t operation, const auto& input) {
    return SetType().FindOperation(operation)->check(input.SerializeAsString(),
                                                     limits);
  };
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("input.element.value: 4 bytes"));
  EXPECT_OK(check(3, AddOf("abc")));
  EXPECT_THAT(check(3, AddOf("abcd")), refused);
  EXPECT_THAT(check(2, ContainsOf("abcd")), refused);
  EXPECT_THAT(check(4, RemoveOf("abcd")), refused);
}

TEST_F(SetTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 1u, 2u, 6u, 8u, UINT32_MAX}) {
    EXPECT_EQ(set_.ResultOf(set_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(set_.Query(3, "").status, OperationStatus::kNotSupported);
  EXPECT_TRUE(set_.ListSlice(1, "", "").done);
  EXPECT_THAT(set_.ListSlice(1, "", "").outputs, IsEmpty());
}

TEST(SetFuzzTest, NoBytesCrash) {
  const auto add = AddOf("a", Duration(3, 5));
  const auto remove = RemoveOf("a");
  const auto elements = ElementsOf(true);
  FuzzOperations(SetType(), {&add, &remove, &elements});
}

}  // namespace
}  // namespace primitive
