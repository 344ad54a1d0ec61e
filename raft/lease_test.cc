// Promises and leases of one replica, to the millisecond, with messages written
// by hand. Whole groups are in testdata/lease*.txt and core_sim_test.cc.

#include <cstdint>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "raft/format.h"
#include "raft/test_group.h"

namespace raft {
namespace {

constexpr ReplicaId kSelf{1};
constexpr ReplicaId kPeer{2};
constexpr ReplicaId kOther{3};
constexpr uint64_t kMs = 1'000'000;

// A voter of three; the others are only disks, for the invariants. Its election
// timeout is 1000 ms.
class LeaseTest : public ::testing::Test {
 protected:
  LeaseTest() : group_(TestConfig()) {
    group_.set_clock([this](ReplicaId) { return now_ms_ * kMs; });
    for (const ReplicaId id : {kSelf, kPeer, kOther}) {
      group_.Add(id, TestConfiguration({1, 2, 3}));
    }
  }
  ~LeaseTest() override { EXPECT_EQ(group_.invariants().violation(), ""); }

  static Config TestConfig() {
    Config config{.partition = base::PartitionId{1}};
    config.lease_reads = true;
    return config;
  }

  Raft& raft() { return group_.raft(kSelf); }

  std::string Answer(ReplicaId from, uint64_t term,
                     decltype(Message::body) body) {
    group_.network().clear();
    group_.Step({from, kSelf, Term{term}, std::move(body)});
    return TakeSent();
  }
  std::string TakeSent() {
    group_.Work(kSelf);
    std::string text;
    for (const Message& answer : group_.network()) {
      text += FormatMessage(answer) + "\n";
    }
    group_.network().clear();
    return text;
  }

  // Follows kPeer in term 1, which is on disk, and has answered it at
  // `now_ms_`.
  void Promise() {
    Answer(kPeer, 1, Heartbeat{.read_round = 1});
    EXPECT_EQ(Answer(kPeer, 1, Heartbeat{.read_round = 2, .sent_ns = 77 * kMs}),
              "1->2 HeartbeatReply term=1 round=2 sent=77ms promise=1000ms\n");
  }
  bool VotesFor(ReplicaId candidate, uint64_t term, bool transfer = false) {
    return Answer(candidate, term,
                  RequestVote{.last_index = Index{9},
                              .last_term = Term{term - 1},
                              .transfer = transfer})
               .find("granted=yes") != std::string::npos;
  }
  bool PreVotesFor(ReplicaId candidate, uint64_t term) {
    return Answer(candidate, term,
                  PreVote{.last_index = Index{9}, .last_term = Term{term - 1}})
               .find("granted=yes") != std::string::npos;
  }

  // Leads in term 1, and its no-op is committed.
  void Lead() {
    group_.Campaign(kSelf);
    group_.Settle();
    ASSERT_TRUE(raft().committed_in_term());
  }
  void Answered(ReplicaId from, uint64_t sent_ms, uint64_t promise_ms) {
    Answer(from, 1,
           HeartbeatReply{.read_round = 1,
                          .sent_ns = sent_ms * kMs,
                          .promise_ns = promise_ms * kMs});
  }
  bool HasLeaseAt(uint64_t now_ms) {
    now_ms_ = now_ms;
    raft().SetClock(now_ms_ * kMs);
    return raft().has_lease();
  }

  uint64_t now_ms_ = 50;
  TestGroup group_;
};

// --- The voter --------------------------------------------------------------

TEST_F(LeaseTest, APromiseLastsAnElectionTimeoutByItsOwnClock) {  // P48
  Promise();
  // It hears nobody any more by its ticks, which say nothing.
  for (int i = 0; i < 10; ++i) raft().Tick(0);
  now_ms_ = 50 + 999;
  EXPECT_FALSE(PreVotesFor(kOther, 2));
  EXPECT_FALSE(VotesFor(kOther, 2));
  now_ms_ = 50 + 1000;
  EXPECT_TRUE(PreVotesFor(kOther, 2));
  EXPECT_TRUE(VotesFor(kOther, 2));
}

TEST_F(LeaseTest, NorDoesItStandBefore) {
  Promise();
  now_ms_ = 50 + 999;
  for (int i = 0; i < 30; ++i) raft().Tick(0);
  EXPECT_EQ(TakeSent(), "");
  now_ms_ = 50 + 1000;
  group_.Tick(kSelf);
  EXPECT_EQ(raft().role(), Role::kPreCandidate);
}

// Whatever is said of terms: it was promised to a leader that may still serve.
TEST_F(LeaseTest, AHigherTermDoesNotFreeIt) {
  Promise();
  Answer(kOther, 5, PreVoteReply{.granted = false});
  EXPECT_EQ(raft().term(), Term{5});
  EXPECT_EQ(raft().leader(), ReplicaId{0});
  EXPECT_FALSE(PreVotesFor(kOther, 6));
  EXPECT_FALSE(VotesFor(kOther, 5));
  EXPECT_FALSE(VotesFor(kOther, 6));
  group_.Campaign(kSelf);
  EXPECT_EQ(raft().role(), Role::kFollower);
  now_ms_ = 50 + 1000;
  EXPECT_TRUE(VotesFor(kOther, 6));
}

TEST_F(LeaseTest, ATransferIsWhatTheLeaderWants) {  // P8
  Promise();
  EXPECT_TRUE(VotesFor(kOther, 2, /*transfer=*/true));
}

TEST_F(LeaseTest, ItStandsWhenTheLeaderTellsItTo) {
  Promise();
  Answer(kPeer, 1, TimeoutNow{});
  EXPECT_EQ(raft().role(), Role::kCandidate);
}

// The leader it voted for asks again, since the answer was lost (P3).
TEST_F(LeaseTest, AVoteThatWasGivenIsGivenAgain) {
  EXPECT_TRUE(VotesFor(kPeer, 1));
  Promise();
  EXPECT_TRUE(VotesFor(kPeer, 1));
}

TEST_F(LeaseTest, NothingIsPromisedToWhomDoesNotAsk) {
  Answer(kPeer, 1, Heartbeat{.read_round = 1});
  EXPECT_EQ(Answer(kPeer, 1, Heartbeat{.read_round = 2}),
            "1->2 HeartbeatReply term=1 round=2\n");
  for (int i = 0; i < 10; ++i) raft().Tick(0);
  EXPECT_TRUE(VotesFor(kOther, 2));
}

// A crash would forget that there was a term, and with it that it is bound.
TEST_F(LeaseTest, NothingIsPromisedBeforeTheTermIsDurable) {  // P49
  group_.Step(
      {kPeer, kSelf, Term{1}, Heartbeat{.read_round = 1, .sent_ns = 7}});
  group_.TakeReady(kSelf);
  ASSERT_EQ(group_.network().size(), 1u);
  EXPECT_EQ(FormatMessage(group_.network()[0]),
            "1->2 HeartbeatReply term=1 round=1");
}

TEST_F(LeaseTest, AfterARestartItIsBoundFromItsFirstMoment) {  // P49
  Promise();
  now_ms_ = 500;
  group_.Crash(kSelf);
  group_.Restart(kSelf);
  now_ms_ = 500 + 999;
  EXPECT_FALSE(VotesFor(kOther, 2));
  group_.Campaign(kSelf);
  EXPECT_EQ(raft().role(), Role::kFollower);
  now_ms_ = 500 + 1000;
  EXPECT_TRUE(VotesFor(kOther, 2));
}

TEST_F(LeaseTest, ANewReplicaIsBoundByNothing) {
  EXPECT_TRUE(VotesFor(kOther, 1));
  group_.Campaign(kSelf);
  EXPECT_EQ(raft().role(), Role::kPreCandidate);
}

// --- The leader -------------------------------------------------------------

TEST_F(LeaseTest, ALeaseCountsFromWhenTheHeartbeatWasSent) {  // P48
  Lead();
  now_ms_ = 700;
  Answered(kPeer, /*sent_ms=*/100, /*promise_ms=*/1100);
  // 1100 / 110 * 90 = 900 ms of it are sure.
  EXPECT_TRUE(HasLeaseAt(999));
  EXPECT_FALSE(HasLeaseAt(1000));
}

TEST_F(LeaseTest, ALateAnswerTakesNothingAway) {
  Lead();
  now_ms_ = 700;
  Answered(kPeer, 600, 1100);
  Answered(kPeer, 100, 1100);
  EXPECT_TRUE(HasLeaseAt(1499));
  EXPECT_FALSE(HasLeaseAt(1500));
}

// Each voter says for how long: its election timeout may be another one.
TEST_F(LeaseTest, APromiseIsAsLongAsItSays) {
  Lead();
  now_ms_ = 700;
  Answered(kPeer, 600, 110);
  EXPECT_FALSE(HasLeaseAt(700));
  Answered(kOther, 700, 220);
  EXPECT_TRUE(HasLeaseAt(879));
  EXPECT_FALSE(HasLeaseAt(880));
}

TEST_F(LeaseTest, AnAnswerToAHeartbeatThatIsNotSentYetIsNone) {
  Lead();
  now_ms_ = 700;
  Answered(kPeer, 701, 1100);
  EXPECT_FALSE(HasLeaseAt(701));
  Answered(kPeer, 0, 1'000'000);
  EXPECT_FALSE(HasLeaseAt(701));
}

TEST_F(LeaseTest, ItEndsWithTheLeadership) {
  Lead();
  Answered(kPeer, 50, 1100);
  EXPECT_TRUE(HasLeaseAt(60));
  group_.ReadIndex(kSelf, 1);
  Answer(kOther, 2, PreVoteReply{.granted = false});
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_FALSE(HasLeaseAt(60));
}

TEST_F(LeaseTest, AClockThatGoesBackIsNotBelieved) {
  Lead();
  now_ms_ = 700;
  Answered(kPeer, 100, 1100);
  EXPECT_FALSE(HasLeaseAt(1000));
  EXPECT_FALSE(HasLeaseAt(999));
}

}  // namespace
}  // namespace raft
