#include "primitive/election.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "atomix/multiraft/election/v1/fsm.pb.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/testing/harness.h"
#include "session/limits.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::election::v1;
using ::base::testing::StatusIs;
using ::primitive::testing::FuzzOperations;
using ::primitive::testing::Harness;
using ::session::OperationStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class Input>
Input Of(const std::string& candidate) {
  Input input;
  input.set_candidate(candidate);
  return input;
}

// "1 a: b c": in term 1 a leads, then come b and c.
std::string ToText(const pb::Term& term) {
  return absl::StrCat(term.index(), " ", term.leader(), ":",
                      term.candidates().empty() ? "" : " ",
                      absl::StrJoin(term.candidates(), " "));
}

class ElectionTest : public ::testing::Test {
 protected:
  template <class Input, class Output>
  std::string Call(uint64_t session, const char* rpc,
                   const std::string& candidate) {
    return ToText(Harness::Parse<Output>(
                      election_.Call(session, rpc, Of<Input>(candidate)))
                      .term());
  }
  // Each returns the term.
  std::string Enter(const std::string& candidate, uint64_t session = 1) {
    return Call<pb::EnterInput, pb::EnterOutput>(session, "Enter", candidate);
  }
  std::string Withdraw(const std::string& candidate, uint64_t session = 1) {
    return Call<pb::WithdrawInput, pb::WithdrawOutput>(session, "Withdraw",
                                                       candidate);
  }
  std::string Anoint(const std::string& candidate) {
    return Call<pb::AnointInput, pb::AnointOutput>(9, "Anoint", candidate);
  }
  std::string Promote(const std::string& candidate) {
    return Call<pb::PromoteInput, pb::PromoteOutput>(9, "Promote", candidate);
  }
  std::string Demote(const std::string& candidate) {
    return Call<pb::DemoteInput, pb::DemoteOutput>(9, "Demote", candidate);
  }
  std::string Evict(const std::string& candidate) {
    return Call<pb::EvictInput, pb::EvictOutput>(9, "Evict", candidate);
  }
  std::string Term() {
    return ToText(
        election_.Ok<pb::GetTermOutput>("GetTerm", pb::GetTermInput()).term());
  }
  // Of WatchOutputs.
  static std::vector<std::string> Terms(
      const std::vector<std::string>& outputs) {
    std::vector<std::string> texts;
    for (const std::string& bytes : outputs) {
      texts.push_back(ToText(Harness::Parse<pb::WatchOutput>(bytes).term()));
    }
    return texts;
  }
  std::vector<std::string> Changes() { return Terms(election_.Changes()); }

  Harness election_{ElectionType()};
};

// --- Enter -------------------------------------------------------------------

TEST_F(ElectionTest, AtFirstNobodyLeadsInTermZero) { EXPECT_EQ(Term(), "0 :"); }

TEST_F(ElectionTest, TheFirstToEnterLeadsAndTheOthersQueue) {
  EXPECT_EQ(Enter("a", 1), "1 a:");
  EXPECT_EQ(Enter("b", 2), "1 a: b");
  EXPECT_EQ(Enter("c", 1), "1 a: b c");
  EXPECT_EQ(Term(), "1 a: b c");
}

// The first two generations' servers queued it a second time.
TEST_F(ElectionTest, EnterOfTheLeaderChangesNothing) {
  Enter("a");
  Enter("b");
  election_.Watch();
  EXPECT_EQ(Enter("a"), "1 a: b");
  EXPECT_EQ(Enter("a", 2), "1 a: b");
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(ElectionTest, EnterOfAQueuedCandidateChangesNothing) {
  Enter("a");
  Enter("b", 2);
  election_.Watch();
  EXPECT_EQ(Enter("b", 3), "1 a: b");
  EXPECT_THAT(Changes(), IsEmpty());
  election_.EndSession(3);
  EXPECT_EQ(Term(), "1 a: b") << "it is still the second session's";
}

TEST_F(ElectionTest, WithoutANameNobodyEnters) {
  EXPECT_EQ(Enter(""), "0 :");
  Enter("a");
  EXPECT_EQ(Enter(""), "1 a:");
}

TEST_F(ElectionTest, ALineHasAnEnd) {
  for (size_t i = 0; i < Election::kCandidatesMax; ++i) {
    election_.Ok<pb::EnterOutput>("Enter",
                                  Of<pb::EnterInput>(absl::StrCat("c", i)));
  }
  EXPECT_EQ(election_.Status("Enter", Of<pb::EnterInput>("d")),
            OperationStatus::kConflict);
  EXPECT_EQ(election_.Status("Enter", Of<pb::EnterInput>("c7")),
            OperationStatus::kOk)
      << "it is there already";
  Evict("c7");
  EXPECT_EQ(election_.Status("Enter", Of<pb::EnterInput>("d")),
            OperationStatus::kOk);
}

TEST_F(ElectionTest, NamesTogetherHaveALimit) {
  const size_t half = Election::kNameBytesMax / 2;
  for (const char* name : {"a", "b"}) {
    // Unchecked: longer than a key may be.
    EXPECT_EQ(election_
                  .ResultOf(election_.Apply(
                      1, 1,
                      Of<pb::EnterInput>(name + std::string(half - 1, 'x'))
                          .SerializeAsString()))
                  ->status,
              OperationStatus::kOk);
  }
  EXPECT_EQ(election_.Status("Enter", Of<pb::EnterInput>("c")),
            OperationStatus::kConflict);
  election_.Restore();
  EXPECT_EQ(election_.Status("Enter", Of<pb::EnterInput>("c")),
            OperationStatus::kConflict);
  election_.Apply(
      1, 5,
      Of<pb::EvictInput>("a" + std::string(half - 1, 'x')).SerializeAsString());
  EXPECT_EQ(election_.Status("Enter", Of<pb::EnterInput>("c")),
            OperationStatus::kOk);
}

// --- Withdraw, Evict ---------------------------------------------------------

TEST_F(ElectionTest, WhenTheLeaderWithdrawsTheNextLeadsInANewTerm) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 3);
  EXPECT_EQ(Withdraw("a", 1), "2 b: c");
}

TEST_F(ElectionTest, WhenTheLastWithdrawsNobodyLeadsAndTheTermStays) {
  Enter("a");
  EXPECT_EQ(Withdraw("a"), "1 :");
  EXPECT_EQ(Enter("b"), "2 b:");
}

// The first generation's server ignored the name: it took the session's leader.
TEST_F(ElectionTest, WithdrawTakesTheCandidateItNames) {
  Enter("a", 1);
  Enter("b", 1);
  Enter("c", 2);
  EXPECT_EQ(Withdraw("b", 1), "1 a: c");
  EXPECT_EQ(Withdraw("zzz", 1), "1 a: c");
}

TEST_F(ElectionTest, WithdrawTakesOnlyCandidatesOfItsSession) {
  Enter("a", 1);
  Enter("b", 2);
  election_.Watch();
  EXPECT_EQ(Withdraw("a", 2), "1 a: b");
  EXPECT_EQ(Withdraw("b", 1), "1 a: b");
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(ElectionTest, EvictTakesAnyCandidateOut) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 3);
  EXPECT_EQ(Evict("b"), "1 a: c");
  EXPECT_EQ(Evict("b"), "1 a: c");
  EXPECT_EQ(Evict("a"), "2 c:");
  EXPECT_EQ(Evict("c"), "2 :");
  EXPECT_EQ(Evict("c"), "2 :");
}

// --- Anoint, Promote, Demote -------------------------------------------------

// The first two generations' servers installed the last in the queue.
TEST_F(ElectionTest, AnointMakesTheOneItNamesLeadAndTheOldLeaderNext) {
  for (const char* name : {"a", "b", "c", "d"}) Enter(name);
  EXPECT_EQ(Anoint("c"), "2 c: a b d");
  EXPECT_EQ(Anoint("d"), "3 d: c a b");
}

// The first generation's server dropped the old leader.
TEST_F(ElectionTest, PromoteOfTheFirstInTheQueueChangesPlacesWithTheLeader) {
  for (const char* name : {"a", "b", "c"}) Enter(name);
  EXPECT_EQ(Promote("b"), "2 b: a c");
}

// This ended the first generation's server.
TEST_F(ElectionTest, PromoteOfALaterOneMovesItOnePlaceForward) {
  for (const char* name : {"a", "b", "c", "d"}) Enter(name);
  EXPECT_EQ(Promote("d"), "1 a: b d c");
  EXPECT_EQ(Promote("d"), "1 a: d b c");
  EXPECT_EQ(Promote("d"), "2 d: a b c");
}

// This, too.
TEST_F(ElectionTest, DemoteOfAQueuedOneMovesItOnePlaceBack) {
  for (const char* name : {"a", "b", "c", "d"}) Enter(name);
  EXPECT_EQ(Demote("b"), "1 a: c b d");
  EXPECT_EQ(Demote("b"), "1 a: c d b");
  EXPECT_EQ(Demote("b"), "1 a: c d b") << "the last has no place behind it";
}

// This did nothing.
TEST_F(ElectionTest, DemoteOfTheLeaderChangesPlacesWithTheFirstInTheQueue) {
  for (const char* name : {"a", "b", "c"}) Enter(name);
  EXPECT_EQ(Demote("a"), "2 b: a c");
}

TEST_F(ElectionTest, DemoteOfALeaderWithoutAQueueChangesNothing) {
  Enter("a");
  EXPECT_EQ(Demote("a"), "1 a:");
}

TEST_F(ElectionTest, TheLeaderCannotRiseNorWhoIsNotThere) {
  Enter("a");
  Enter("b");
  election_.Watch();
  EXPECT_EQ(Anoint("a"), "1 a: b");
  EXPECT_EQ(Promote("a"), "1 a: b");
  EXPECT_EQ(Anoint("z"), "1 a: b");
  EXPECT_EQ(Promote("z"), "1 a: b");
  EXPECT_EQ(Demote("z"), "1 a: b");
  EXPECT_EQ(Evict("z"), "1 a: b");
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(ElectionTest, AnEmptyElectionTakesEveryCommand) {
  EXPECT_EQ(Withdraw("a"), "0 :");
  EXPECT_EQ(Anoint("a"), "0 :");
  EXPECT_EQ(Promote("a"), "0 :");
  EXPECT_EQ(Demote("a"), "0 :");
  EXPECT_EQ(Evict("a"), "0 :");
  EXPECT_TRUE(election_.EncodeRows().empty());
}

// Who moved is still of the session that entered it.
TEST_F(ElectionTest, WhoMovesStaysWithItsSession) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 3);
  Anoint("c");   // c: a b
  Promote("b");  // c: b a
  Demote("c");   // b: c a
  election_.EndSession(3);
  EXPECT_EQ(Term(), "3 b: a");
  election_.EndSession(2);
  EXPECT_EQ(Term(), "4 a:");
}

// --- Sessions ----------------------------------------------------------------

TEST_F(ElectionTest, ASessionThatEndsTakesAllItsCandidatesAlong) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 1);
  Enter("d", 3);
  election_.EndSession(1);
  EXPECT_EQ(Term(), "2 b: d");
}

// The first generation's server watched only the first leader's session.
TEST_F(ElectionTest, ALaterLeadersSessionThatEndsIsNoticed) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 3);
  election_.EndSession(1);
  election_.EndSession(2);
  EXPECT_EQ(Term(), "3 c:");
}

TEST_F(ElectionTest, AQueuedCandidateOfADeadSessionNeverLeads) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 3);
  election_.EndSession(2);
  EXPECT_EQ(Term(), "1 a: c");
  election_.EndSession(1);
  EXPECT_EQ(Term(), "2 c:");
}

// This ended the first generation's server.
TEST_F(ElectionTest,
       TheEndOfTheLeadersSessionWithAnEmptiedQueueLeavesNoLeader) {
  Enter("a", 1);
  Enter("b", 2);
  Withdraw("b", 2);
  election_.EndSession(1);
  EXPECT_EQ(Term(), "1 :");
  EXPECT_EQ(Enter("c", 3), "2 c:");
}

// The second generation's server told nobody when the last leader vanished.
TEST_F(ElectionTest, WatchersLearnThatASessionEnded) {
  Enter("a", 1);
  Enter("b", 2);
  Enter("c", 3);
  election_.Watch();
  election_.EndSession(2);
  election_.EndSession(1);
  election_.EndSession(3);
  EXPECT_THAT(Changes(), ElementsAre("1 a: c", "2 c:", "2 :"));
}

TEST_F(ElectionTest, TheEndOfASessionIsOneChange) {
  Enter("a", 1);
  Enter("b", 1);
  Enter("c", 2);
  Enter("d", 1);
  election_.Watch();
  election_.EndSession(1);
  EXPECT_THAT(Changes(), ElementsAre("2 c:"));
}

TEST_F(ElectionTest, ASessionThatIsNotInItEndsWithoutAChange) {
  Enter("a", 1);
  election_.Watch();
  EXPECT_EQ(election_.EndSession(2), 1u);
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(ElectionTest, ASessionLeavesInSlicesAndNeverLeadsMeanwhile) {
  Enter("a", 1);
  Enter("b", 1);
  Enter("c", 2);
  Enter("d", 1);
  election_.Watch();
  EXPECT_EQ(election_.EndSession(1, /*items_max=*/1), 3u);
  EXPECT_THAT(Changes(), ElementsAre("1 a: b c", "1 a: c", "2 c:"));
  EXPECT_EQ(election_.charged(), 1u);
}

// --- Watch -------------------------------------------------------------------

TEST_F(ElectionTest, WatchersGetTheWholeTermAtEachChange) {
  election_.Watch();
  Enter("a");
  Enter("b");
  Enter("c");
  Promote("c");
  Demote("c");
  Anoint("c");
  Evict("b");
  Withdraw("c");
  Evict("a");
  EXPECT_THAT(Changes(),
              ElementsAre("1 a:", "1 a: b", "1 a: b c", "1 a: c b", "1 a: b c",
                          "2 c: a b", "2 c: a", "3 a:", "3 :"));
}

TEST_F(ElectionTest, TheFirstGenerationsWatchersAreNotToldThePresentTerm) {
  Enter("a");
  EXPECT_TRUE(election_.Watches("Watch", pb::WatchInput()));
  EXPECT_THAT(election_.List("Watch", pb::WatchInput()), IsEmpty());
  EXPECT_FALSE(election_.Watches("GetTerm", pb::GetTermInput()));
}

TEST_F(ElectionTest, TheSecondGenerationsWatchersAreToldThePresentTermFirst) {
  election_.set_generation(session::Generation::kRsm);
  EXPECT_TRUE(election_.Watches("Watch", pb::WatchInput()));
  EXPECT_THAT(election_.List("Watch", pb::WatchInput()), IsEmpty());
  Enter("a");
  Enter("b");
  EXPECT_THAT(Terms(election_.List("Watch", pb::WatchInput())),
              ElementsAre("1 a: b"));
  // Nobody leads, but there was a term.
  Evict("b");
  Evict("a");
  EXPECT_THAT(Terms(election_.List("Watch", pb::WatchInput())),
              ElementsAre("1 :"));
}

// --- Bytes -------------------------------------------------------------------

TEST(ElectionRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  ElectionRow{.term = 0x0102}.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01\x00\x00\x00\x00\x00\x00\x01\x02", 9));
  ElectionRow row;
  ASSERT_TRUE(ElectionRow::Decode(bytes, row));
  EXPECT_EQ(row.term, 0x0102u);
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(ElectionRow::Decode(bytes.substr(0, 8), row));
  EXPECT_FALSE(ElectionRow::Decode(bytes + "x", row));
  EXPECT_FALSE(ElectionRow::Decode("", row));
  bytes[0] = 2;
  EXPECT_FALSE(ElectionRow::Decode(bytes, row)) << "a version of the future";
}

TEST(CandidateRowTest, BytesAreAsOnDisk) {
  std::string bytes;
  CandidateRow{.name = "ann", .session = session::SessionId(0x0102)}.Encode(
      bytes);
  EXPECT_EQ(bytes, std::string("\x01\x00\x00\x00\x00\x00\x00\x01\x02"
                               "ann",
                               12));
  CandidateRow row;
  ASSERT_TRUE(CandidateRow::Decode(bytes, row));
  EXPECT_EQ(row.name, "ann");
  EXPECT_EQ(row.session, session::SessionId(0x0102));
  EXPECT_EQ(row.size_bytes(), bytes.size());
  EXPECT_FALSE(CandidateRow::Decode(bytes.substr(0, 8), row));
  EXPECT_FALSE(CandidateRow::Decode("", row));
  bytes[0] = 2;
  EXPECT_FALSE(CandidateRow::Decode(bytes, row)) << "a version of the future";
}

TEST_F(ElectionTest, PositionsAreAsOnDisk) {
  Enter("a");
  Enter("b");
  Anoint("b");
  std::vector<std::string> rows;
  for (const auto& [key, bytes] : election_.EncodeRows()) {
    rows.push_back(absl::StrCat(static_cast<int>(key.first), " ",
                                absl::BytesToHexString(key.second)));
  }
  EXPECT_THAT(rows, ElementsAre("28 0000000000000000", "29 7fffffffffffffff",
                                "29 8000000000000000"));
}

// --- Bad input ---------------------------------------------------------------

TEST(ElectionCheckTest, NamesHaveALimit) {
  const session::Limits limits = {.key_bytes_max = 3};
  for (uint32_t operation : {1, 2, 3, 5}) {
    const auto check = ElectionType().FindOperation(operation)->check;
    EXPECT_OK(check(Of<pb::EnterInput>("abc").SerializeAsString(), limits));
    EXPECT_THAT(check(Of<pb::EnterInput>("abcd").SerializeAsString(), limits),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("input.candidate")));
  }
  // Promote and Demote have it in field 2.
  for (uint32_t operation : {4, 8}) {
    const auto check = ElectionType().FindOperation(operation)->check;
    EXPECT_OK(check(Of<pb::PromoteInput>("abc").SerializeAsString(), limits));
    EXPECT_THAT(check(Of<pb::PromoteInput>("abcd").SerializeAsString(), limits),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("input.candidate")));
  }
}

TEST_F(ElectionTest, UnknownOperationsAreNotSupported) {
  for (uint32_t operation : {0u, 6u, 7u, 9u, UINT32_MAX}) {
    EXPECT_EQ(election_.ResultOf(election_.Apply(1, operation, ""))->status,
              OperationStatus::kNotSupported);
  }
  EXPECT_EQ(election_.Query(1, "").status, OperationStatus::kNotSupported);
  EXPECT_TRUE(election_.ListSlice(1, "", "").done);
}

TEST(ElectionFuzzTest, NoBytesCrash) {
  const auto enter = Of<pb::EnterInput>("a");
  const auto promote = Of<pb::PromoteInput>("a");
  FuzzOperations(ElectionType(), {&enter, &promote});
}

}  // namespace
}  // namespace primitive
