// client::Election on a server.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using client::Election;
using client::ElectionTerm;
using client::Leadership;
using ::testing::HasSubstr;

class ClientElectionTest : public RealClientTest {
 protected:
  // "1 a: b c".
  static std::string Show(const absl::StatusOr<ElectionTerm>& term) {
    if (!term.ok()) return std::string(term.status().message());
    return absl::StrCat(term->number, " ", term->leader, ": ",
                        absl::StrJoin(term->candidates, " "));
  }
  static std::string Next(client::Stream<ElectionTerm>& watch) {
    auto next = watch.Next();
    if (!next.ok()) return std::string(next.status().message());
    return Show(**next);
  }

  std::unique_ptr<client::Session> other_session_ = OpenSession();
  Election election_ = Open<Election>("p");
  Election other_ = Open<Election>(*other_session_, "p");
};

TEST_F(ClientElectionTest, EveryCommandReturnsTheTerm) {
  EXPECT_EQ(Show(election_.Term()), "0 : ");
  EXPECT_EQ(Show(election_.Enter("a")), "1 a: ");
  EXPECT_EQ(Show(other_.Enter("b")), "1 a: b");
  EXPECT_EQ(Show(other_.Enter("c")), "1 a: b c");
  EXPECT_EQ(Show(election_.Promote("c")), "1 a: c b");
  EXPECT_EQ(Show(election_.Demote("a")), "2 c: a b");
  EXPECT_EQ(Show(election_.Anoint("b")), "3 b: c a");
  EXPECT_EQ(Show(election_.Withdraw("b")), "3 b: c a") << "it is the other's";
  EXPECT_EQ(Show(other_.Withdraw("b")), "4 c: a");
  EXPECT_EQ(Show(election_.Evict("c")), "5 a: ");
  EXPECT_EQ(Show(other_.Term()), "5 a: ");
}

TEST_F(ClientElectionTest, ACandidateHasAName) {
  EXPECT_THAT(election_.Enter(""),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(election_.Lead("", {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ClientElectionTest, WhoComesFirstLeadsAtOnce) {
  ASSERT_OK_AND_ASSIGN(Leadership lead, election_.Lead("a", {}));
  EXPECT_EQ(lead.candidate(), "a");
  EXPECT_EQ(lead.fencing_token(), 1u);
  EXPECT_OK(lead.Check());
  ASSERT_OK(lead.Resign());
  EXPECT_THAT(lead.Check(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(Show(other_.Term()), "1 : ");
}

TEST_F(ClientElectionTest, WhoWaitsLeadsWhenTheLeaderGoes) {
  std::optional<Leadership> first = *election_.Lead("a", {});
  std::thread resign([&] {
    AwaitStreams(1);
    first.reset();
  });
  ASSERT_OK_AND_ASSIGN(Leadership next, other_.Lead("b", {}));
  resign.join();
  EXPECT_EQ(next.fencing_token(), 2u);
  EXPECT_EQ(Show(election_.Term()), "2 b: ");
}

TEST_F(ClientElectionTest, WhoWaitsLeadsWhenTheLeadersSessionEnds) {
  ASSERT_OK_AND_ASSIGN(Leadership first, election_.Lead("a", {}));
  std::thread close([&] {
    AwaitStreams(1);
    EXPECT_OK(session_->Close());
  });
  ASSERT_OK_AND_ASSIGN(Leadership next, other_.Lead("b", {}));
  close.join();
  EXPECT_OK(next.Check());
}

TEST_F(ClientElectionTest, AWaitWithoutSuccessLeavesTheLine) {
  ASSERT_OK_AND_ASSIGN(Leadership first, election_.Lead("a", {}));
  EXPECT_THAT(other_.Lead("b", {.limit = absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("a does")));
  EXPECT_THAT(other_.Lead("b", {.limit = absl::Milliseconds(30)}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("a does")));
  EXPECT_EQ(Show(election_.Term()), "1 a: ");
}

TEST_F(ClientElectionTest, AWaitEndsWhenTheCandidateIsTakenOut) {
  ASSERT_OK_AND_ASSIGN(Leadership first, election_.Lead("a", {}));
  std::thread evict([&] {
    AwaitStreams(1);
    EXPECT_OK(election_.Evict("b").status());
  });
  EXPECT_THAT(other_.Lead("b", {}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("taken out")));
  evict.join();
}

TEST_F(ClientElectionTest, AWaitMayBeStopped) {
  ASSERT_OK_AND_ASSIGN(Leadership first, election_.Lead("a", {}));
  std::stop_source source;
  std::thread stop([&] {
    AwaitStreams(1);
    source.request_stop();
  });
  EXPECT_THAT(other_.Lead("b", {.stop = source.get_token()}),
              StatusIs(absl::StatusCode::kCancelled));
  stop.join();
  EXPECT_EQ(Show(election_.Term()), "1 a: ");
}

TEST_F(ClientElectionTest, ALeaderLearnsThatItIsOneNoMore) {
  ASSERT_OK_AND_ASSIGN(Leadership lead, election_.Lead("a", {}));
  ASSERT_OK(other_.Enter("b").status());
  std::thread anoint([&] {
    AwaitStreams(1);
    EXPECT_OK(other_.Anoint("b").status());
  });
  EXPECT_THAT(lead.AwaitEnd({}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("b does")));
  anoint.join();
  EXPECT_THAT(lead.Check(), StatusIs(absl::StatusCode::kAborted));
  // In another term it leads anew: the token is the old one's all the same.
  ASSERT_OK(other_.Evict("b").status());
  EXPECT_THAT(lead.Check(), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(ClientElectionTest, ALeaderMayStopToListen) {
  ASSERT_OK_AND_ASSIGN(Leadership lead, election_.Lead("a", {}));
  std::stop_source source;
  std::thread stop([&] {
    AwaitStreams(1);
    source.request_stop();
  });
  EXPECT_THAT(lead.AwaitEnd(source.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  stop.join();
  EXPECT_OK(lead.Check());
}

TEST_F(ClientElectionTest, AWatchBeginsWithTheTermAndFollows) {
  ASSERT_OK(election_.Enter("a").status());
  const auto watch = other_.Watch();
  EXPECT_EQ(Next(*watch), "1 a: ");
  ASSERT_OK(election_.Enter("b").status());
  EXPECT_EQ(Next(*watch), "1 a: b");
  ASSERT_OK(election_.Withdraw("a").status());
  EXPECT_EQ(Next(*watch), "2 b: ");
}

TEST_F(ClientElectionTest, AWatchGoesOnWhereTheServerWasRestarted) {
  ASSERT_OK(election_.Enter("a").status());
  const auto watch = other_.Watch();
  EXPECT_EQ(Next(*watch), "1 a: ");
  server_.RestartAtSameAddress();
  ASSERT_OK(election_.Evict("a").status());
  EXPECT_EQ(Next(*watch), "1 : ");
  ASSERT_OK(election_.Enter("b").status());
  EXPECT_EQ(Next(*watch), "2 b: ");
}

TEST_F(ClientElectionTest, AWatchEndsWithItsSession) {
  const auto watch = other_.Watch();
  EXPECT_EQ(Next(*watch), "0 : ");
  std::thread close([&] { EXPECT_OK(other_session_->Close()); });
  EXPECT_THAT(Next(*watch), HasSubstr("is closed"));
  close.join();
}

TEST_F(ClientElectionTest, ClosingTheElectionTakesTheCandidatesOut) {
  ASSERT_OK(election_.Enter("a").status());
  ASSERT_OK(other_.Enter("b").status());
  ASSERT_OK(election_.Close());
  EXPECT_EQ(Show(other_.Term()), "2 b: ");
}

}  // namespace
}  // namespace tests
