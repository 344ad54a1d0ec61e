// One test per numbered rule of figure 2 of the Raft paper (Ongaro, Ousterhout,
// "In Search of an Understandable Consensus Algorithm", extended version), in
// its order and by its numbers, then the properties of figure 3.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "raft/format.h"
#include "raft/test_group.h"

namespace raft {
namespace {

constexpr ReplicaId kOne{1};
constexpr ReplicaId kTwo{2};
constexpr ReplicaId kThree{3};

// Three voters with empty disks. What pre-vote, check quorum and pipelining add
// to the paper is in the transcripts.
class PaperTest : public ::testing::Test {
 protected:
  PaperTest() : group_(PaperConfig()) {
    for (const ReplicaId id : {kOne, kTwo, kThree}) {
      group_.Add(id, TestConfiguration({1, 2, 3}));
    }
  }

  ~PaperTest() override { EXPECT_EQ(group_.invariants().violation(), ""); }

  static Config PaperConfig() {
    Config config{.partition = base::PartitionId{1}};
    config.pre_vote = false;
    config.check_quorum = false;
    return config;
  }

  Raft& raft(ReplicaId id) { return group_.raft(id); }

  Message From(ReplicaId from, ReplicaId to, uint64_t term,
               decltype(Message::body) body) {
    return {from, to, Term{term}, std::move(body)};
  }

  RequestVote Vote(uint64_t last_term, uint64_t last_index) {
    return {.last_index = Index{last_index}, .last_term = Term{last_term}};
  }

  // `terms` behind the beginning, as the leader of some term would have them.
  std::vector<Entry> Entries(std::vector<uint64_t> terms) {
    std::vector<Entry> entries;
    uint64_t chain = 0;
    for (size_t i = 0; i < terms.size(); ++i) {
      const std::string text = absl::StrCat("e", i + 1);
      const Proposal command = TestCommand(text);
      Entry entry{.term = Term{terms[i]},
                  .index = Index{i + 1},
                  .type = EntryType::kApp,
                  .payload_crc = command.payload_crc,
                  .payload = command.payload};
      entry.chain = chain = ChainOf(chain, base::PartitionId{1}, entry);
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  // An append of all but the first `prev` entries of a log with these terms.
  AppendEntries Append(std::vector<uint64_t> terms, size_t prev,
                       uint64_t commit) {
    std::vector<Entry> entries = Entries(std::move(terms));
    AppendEntries append{.commit_index = Index{commit}};
    if (prev > 0) {
      append.prev_index = entries[prev - 1].index;
      append.prev_term = entries[prev - 1].term;
      append.prev_chain = entries[prev - 1].chain;
    }
    append.entries.assign(entries.begin() + prev, entries.end());
    return append;
  }

  // Steps `message` and returns what the receiver answers once its disk is
  // done, as text.
  std::string Answer(const Message& message) {
    group_.network().clear();
    group_.Step(message);
    group_.Work(message.to);
    std::string text;
    for (const Message& answer : group_.network()) {
      if (!text.empty()) text += "; ";
      text += FormatMessage(answer);
    }
    group_.network().clear();
    return text;
  }

  std::vector<uint64_t> TermsOf(ReplicaId id) {
    std::vector<uint64_t> terms;
    for (Index i{1}; i <= raft(id).last_index(); ++i) {
      terms.push_back(raft(id).PositionAt(i)->term.value());
    }
    return terms;
  }

  TestGroup group_;
};

using Terms = std::vector<uint64_t>;

// --- State ------------------------------------------------------------------

TEST_F(PaperTest, PersistentStateIsOnDiskBeforeTheAnswer) {  // P1
  group_.Step(From(kTwo, kOne, 5, Vote(0, 0)));
  group_.TakeReady(kOne);
  EXPECT_TRUE(group_.network().empty());
  EXPECT_EQ(group_.disk(kOne).hard_state().term, Term{0});
  group_.CompleteWrite(kOne);
  ASSERT_EQ(group_.network().size(), 1u);
  EXPECT_EQ(group_.disk(kOne).hard_state(),
            (HardState{.term = Term{5}, .voted_for = kTwo}));
}

TEST_F(PaperTest, LogIsOnDiskBeforeTheAnswer) {  // P25
  group_.Step(From(kTwo, kOne, 1, Append({1, 1}, 0, 0)));
  group_.TakeReady(kOne);
  EXPECT_TRUE(group_.network().empty());
  group_.CompleteWrite(kOne);
  ASSERT_EQ(group_.network().size(), 1u);
  EXPECT_EQ(group_.disk(kOne).last_index(), Index{2});
}

// --- AppendEntries RPC, receiver implementation
// -------------------------------

TEST_F(PaperTest, AppendEntries1RefusesALowerTerm) {
  Answer(From(kThree, kOne, 3, Vote(0, 0)));
  EXPECT_EQ(Answer(From(kTwo, kOne, 2, Append({2}, 0, 0))),
            "1->2 AppendEntriesReply term=3 refused=0 hint=0/0");
  EXPECT_EQ(raft(kOne).last_index(), Index{0});
}

TEST_F(PaperTest, AppendEntries2RefusesWithoutTheEntryBefore) {
  EXPECT_EQ(Answer(From(kTwo, kOne, 2, Append({1, 1, 2}, 2, 0))),
            "1->2 AppendEntriesReply term=2 refused=2 hint=0/0");
  Answer(From(kTwo, kOne, 2, Append({1, 1}, 0, 0)));
  EXPECT_EQ(Answer(From(kThree, kOne, 3, Append({1, 2, 3}, 2, 0))),
            "1->3 AppendEntriesReply term=3 refused=2 hint=1/1");
  EXPECT_EQ(TermsOf(kOne), Terms({1, 1}));
}

TEST_F(PaperTest, AppendEntries3DropsAConflictAndAllThatFollows) {
  Answer(From(kTwo, kOne, 1, Append({1, 1, 1, 1}, 0, 0)));
  EXPECT_EQ(Answer(From(kThree, kOne, 2, Append({1, 2}, 1, 0))),
            "1->3 AppendEntriesReply term=2 accepted=2");
  EXPECT_EQ(TermsOf(kOne), Terms({1, 2}));
}

TEST_F(PaperTest, AppendEntries3KeepsWhatDoesNotConflict) {  // P20
  Answer(From(kTwo, kOne, 1, Append({1, 1, 1, 1}, 0, 0)));
  // Late and repeated: only the first two.
  EXPECT_EQ(Answer(From(kTwo, kOne, 1, Append({1, 1}, 0, 0))),
            "1->2 AppendEntriesReply term=1 accepted=2");
  EXPECT_EQ(TermsOf(kOne), Terms({1, 1, 1, 1}));
}

TEST_F(PaperTest, AppendEntries4AppendsWhatIsNew) {
  Answer(From(kTwo, kOne, 1, Append({1, 1}, 0, 0)));
  EXPECT_EQ(Answer(From(kTwo, kOne, 1, Append({1, 1, 1}, 1, 0))),
            "1->2 AppendEntriesReply term=1 accepted=3");
  EXPECT_EQ(TermsOf(kOne), Terms({1, 1, 1}));
}

TEST_F(PaperTest, AppendEntries5CommitsWhatTheLeaderHasCommitted) {
  Answer(From(kTwo, kOne, 1, Append({1, 1, 1}, 0, 2)));
  EXPECT_EQ(raft(kOne).commit_index(), Index{2});
}

TEST_F(PaperTest, AppendEntries5CommitsNoFurtherThanTheLastNewEntry) {  // P19
  // The third entry is of another leader, and not yet compared with this one's.
  Answer(From(kTwo, kOne, 1, Append({1, 1, 1}, 0, 0)));
  Answer(From(kThree, kOne, 2, Append({1, 1}, 0, 9)));
  EXPECT_EQ(raft(kOne).commit_index(), Index{2});
  EXPECT_EQ(raft(kOne).last_index(), Index{3});
}

// --- RequestVote RPC, receiver implementation
// ---------------------------------

TEST_F(PaperTest, RequestVote1RefusesALowerTerm) {
  Answer(From(kThree, kOne, 3, Vote(0, 0)));
  EXPECT_EQ(Answer(From(kTwo, kOne, 2, Vote(0, 0))),
            "1->2 RequestVoteReply term=3 granted=no");
}

TEST_F(PaperTest, RequestVote2GivesOneVoteATerm) {  // P1
  EXPECT_EQ(Answer(From(kTwo, kOne, 1, Vote(0, 0))),
            "1->2 RequestVoteReply term=1 granted=yes");
  EXPECT_EQ(Answer(From(kThree, kOne, 1, Vote(0, 0))),
            "1->3 RequestVoteReply term=1 granted=no");
}

TEST_F(PaperTest, RequestVote2RepeatsTheVoteForTheSameCandidate) {  // P3
  Answer(From(kTwo, kOne, 1, Vote(0, 0)));
  EXPECT_EQ(Answer(From(kTwo, kOne, 1, Vote(0, 0))),
            "1->2 RequestVoteReply term=1 granted=yes");
}

TEST_F(PaperTest, RequestVote2RemembersTheVoteAfterACrash) {  // P1
  Answer(From(kTwo, kOne, 1, Vote(0, 0)));
  group_.Crash(kOne);
  group_.Restart(kOne);
  EXPECT_EQ(Answer(From(kThree, kOne, 1, Vote(0, 0))),
            "1->3 RequestVoteReply term=1 granted=no");
}

TEST_F(PaperTest, RequestVote2ComparesTheLastTermFirst) {  // P4
  Answer(From(kTwo, kOne, 2, Append({1, 2}, 0, 0)));
  EXPECT_EQ(Answer(From(kThree, kOne, 3, Vote(1, 9))),
            "1->3 RequestVoteReply term=3 granted=no");
  EXPECT_EQ(Answer(From(kThree, kOne, 4, Vote(3, 1))),
            "1->3 RequestVoteReply term=4 granted=yes");
}

TEST_F(PaperTest, RequestVote2ComparesTheLengthAtTheSameLastTerm) {  // P4
  Answer(From(kTwo, kOne, 2, Append({1, 2}, 0, 0)));
  EXPECT_EQ(Answer(From(kThree, kOne, 3, Vote(2, 1))),
            "1->3 RequestVoteReply term=3 granted=no");
  EXPECT_EQ(Answer(From(kThree, kOne, 4, Vote(2, 2))),
            "1->3 RequestVoteReply term=4 granted=yes");
}

// --- Rules for servers: all
// ---------------------------------------------------

TEST_F(PaperTest, All1AppliesWhatIsCommittedInOrder) {  // P28
  Answer(From(kTwo, kOne, 1, Append({1, 1, 1}, 0, 2)));
  EXPECT_EQ(group_.node(kOne).log, std::vector<std::string>({"e1", "e2"}));
  Answer(From(kTwo, kOne, 1, Append({1, 1, 1}, 3, 3)));
  EXPECT_EQ(group_.node(kOne).log,
            std::vector<std::string>({"e1", "e2", "e3"}));
}

TEST_F(PaperTest, All2FollowsAHigherTermOfARequest) {
  group_.Elect(kOne);
  Answer(From(kTwo, kOne, 7, Vote(0, 0)));
  EXPECT_EQ(raft(kOne).term(), Term{7});
  EXPECT_EQ(raft(kOne).role(), Role::kFollower);
}

TEST_F(PaperTest, All2FollowsAHigherTermOfAnAnswer) {
  group_.Elect(kOne);
  Answer(From(kTwo, kOne, 7, RequestVoteReply{.granted = false}));
  EXPECT_EQ(raft(kOne).term(), Term{7});
  EXPECT_EQ(raft(kOne).role(), Role::kFollower);
}

// --- Rules for servers: followers
// ---------------------------------------------

TEST_F(PaperTest, Followers1AnswerCandidatesAndLeaders) {
  EXPECT_NE(Answer(From(kTwo, kOne, 1, Vote(0, 0))), "");
  EXPECT_NE(Answer(From(kTwo, kOne, 1, Append({1}, 0, 0))), "");
}

TEST_F(PaperTest, Followers2StandAfterSilenceOfAnElectionTimeout) {
  group_.Tick(kOne, 9);
  EXPECT_EQ(raft(kOne).role(), Role::kFollower);
  group_.Tick(kOne, 11);
  EXPECT_EQ(raft(kOne).role(), Role::kCandidate);
}

TEST_F(PaperTest, Followers2DoNotStandWhileALeaderIsHeard) {  // P14
  for (int i = 0; i < 10; ++i) {
    group_.Tick(kOne, 9);
    Answer(From(kTwo, kOne, 1, Heartbeat{}));
  }
  EXPECT_EQ(raft(kOne).role(), Role::kFollower);
}

TEST_F(PaperTest, Followers2WaitAgainAfterGivingAVoteOnly) {  // P14
  group_.Tick(kOne, 9);
  Answer(From(kTwo, kOne, 1, Vote(0, 0)));
  group_.Tick(kOne, 9);
  EXPECT_EQ(raft(kOne).role(), Role::kFollower);
  // A refusal is no reason to wait.
  Answer(From(kThree, kOne, 1, Vote(0, 0)));
  group_.Tick(kOne, 11);
  EXPECT_EQ(raft(kOne).role(), Role::kCandidate);
}

// --- Rules for servers: candidates
// --------------------------------------------

TEST_F(PaperTest, Candidates1RaiseTheTermVoteForThemselvesAndAskAll) {
  group_.Campaign(kOne);
  group_.TakeReady(kOne);
  group_.CompleteWrite(kOne);
  EXPECT_EQ(group_.disk(kOne).hard_state(),
            (HardState{.term = Term{1}, .voted_for = kOne}));
  ASSERT_EQ(group_.network().size(), 2u);
  EXPECT_EQ(FormatMessage(group_.network()[0]),
            "1->2 RequestVote term=1 last=0/0");
  EXPECT_EQ(FormatMessage(group_.network()[1]),
            "1->3 RequestVote term=1 last=0/0");
}

TEST_F(PaperTest, Candidates2LeadWithAMajority) {
  group_.Campaign(kOne);
  group_.Work(kOne);
  EXPECT_EQ(raft(kOne).role(), Role::kCandidate);
  Answer(From(kTwo, kOne, 1, RequestVoteReply{.granted = true}));
  EXPECT_EQ(raft(kOne).role(), Role::kLeader);
}

TEST_F(PaperTest, Candidates2DoNotLeadByOneVoterTwice) {
  group_.Add(ReplicaId{4}, TestConfiguration({4, 5, 6, 7, 8}));
  group_.Campaign(ReplicaId{4});
  group_.Work(ReplicaId{4});
  for (int i = 0; i < 3; ++i) {
    Answer(
        From(ReplicaId{5}, ReplicaId{4}, 1, RequestVoteReply{.granted = true}));
  }
  EXPECT_EQ(raft(ReplicaId{4}).role(), Role::kCandidate);
}

TEST_F(PaperTest, Candidates3FollowALeaderOfTheirTerm) {
  group_.Campaign(kOne);
  group_.Work(kOne);
  Answer(From(kTwo, kOne, 1, Append({1}, 0, 0)));
  EXPECT_EQ(raft(kOne).role(), Role::kFollower);
  EXPECT_EQ(raft(kOne).leader(), kTwo);
}

TEST_F(PaperTest, Candidates4StandAgainAfterAnElectionTimeout) {
  group_.Campaign(kOne);
  group_.Work(kOne);
  group_.Tick(kOne, 20);
  EXPECT_EQ(raft(kOne).role(), Role::kCandidate);
  EXPECT_EQ(raft(kOne).term(), Term{2});
}

// --- Rules for servers: leaders
// -----------------------------------------------

TEST_F(PaperTest, Leaders1TellAllAtOnceAndInEachHeartbeat) {
  group_.Campaign(kOne);
  group_.Work(kOne);
  EXPECT_EQ(Answer(From(kTwo, kOne, 1, RequestVoteReply{.granted = true})),
            "1->2 AppendEntries term=1 prev=0/0 commit=0 [1/1 noop]; "
            "1->3 AppendEntries term=1 prev=0/0 commit=0 [1/1 noop]");
  group_.Tick(kOne);
  group_.Work(kOne);
  ASSERT_EQ(group_.network().size(), 2u);
  EXPECT_EQ(FormatMessage(group_.network()[0]),
            "1->2 Heartbeat term=1 commit=0 round=1");
}

TEST_F(PaperTest, Leaders2AnswerACommandWhenItIsApplied) {
  group_.Elect(kOne);
  ASSERT_OK(group_.Propose(kOne, "x"));
  group_.Work(kOne);
  EXPECT_TRUE(group_.node(kOne).log.empty());
  group_.Settle();
  EXPECT_EQ(group_.node(kOne).log, std::vector<std::string>({"x"}));
}

TEST_F(PaperTest, Leaders3SendFromTheNextIndexOn) {
  group_.Elect(kOne);
  ASSERT_OK(group_.Propose(kOne, "x"));
  group_.TakeReady(kOne);
  EXPECT_EQ(FormatMessage(group_.network()[0]),
            "1->2 AppendEntries term=1 prev=1/1 commit=1 [1/2 x]");
  EXPECT_EQ(raft(kOne).followers()[0].next_index, Index{3});
  group_.Settle();
  EXPECT_EQ(raft(kOne).followers()[0].match_index, Index{2});
}

TEST_F(PaperTest, Leaders3GoBackUntilTheLogsAgree) {  // P23
  Answer(From(kThree, kTwo, 2, Append({1, 2, 2, 2}, 0, 0)));
  Answer(From(kTwo, kOne, 3, Append({1, 3, 3}, 0, 0)));
  Answer(From(kTwo, kThree, 3, Append({1, 3, 3}, 0, 0)));
  group_.Elect(kOne);
  EXPECT_EQ(TermsOf(kTwo), TermsOf(kOne));
  EXPECT_EQ(TermsOf(kTwo), Terms({1, 3, 3, 4}));
}

TEST_F(PaperTest, Leaders4CommitWhatAMajorityHas) {
  group_.Elect(kOne);
  group_.Isolate(kThree);
  ASSERT_OK(group_.Propose(kOne, "x"));
  group_.Settle();
  EXPECT_EQ(raft(kOne).commit_index(), Index{2});
}

// Figure 8: an entry of an earlier term is not committed by counting.
TEST_F(PaperTest, Leaders4CountOnlyEntriesOfTheirTerm) {  // P17
  for (const ReplicaId id : {kOne, kTwo}) {
    Answer(From(kThree, id, 2, Append({1, 2}, 0, 0)));
  }
  group_.Campaign(kOne);
  group_.Work(kOne);
  Answer(From(kTwo, kOne, 3, RequestVoteReply{.granted = true}));
  ASSERT_EQ(raft(kOne).role(), Role::kLeader);
  // A majority is known to have index 2, of term 2.
  Answer(From(kTwo, kOne, 3,
              AppendEntriesReply{.accepted = true, .index = Index{2}}));
  EXPECT_EQ(raft(kOne).commit_index(), Index{0});
  // The entry of term 3 was lost with the network; heartbeats find out.
  for (int i = 0; i < 3; ++i) {
    group_.Tick(kOne);
    group_.Settle();
  }
  EXPECT_EQ(raft(kOne).commit_index(), Index{3});
}

// --- Figure 3: what all of this is for
// ----------------------------------------

TEST_F(PaperTest, ElectionSafetyIsCheckedHard) {  // P2
  group_.Elect(kOne);
  EXPECT_DEATH(group_.Step(From(kTwo, kOne, 1, Heartbeat{})), "both lead");
}

TEST_F(PaperTest, LeaderCompletenessKeepsShortLogsFromLeading) {
  group_.Elect(kOne);
  group_.Isolate(kThree);
  ASSERT_OK(group_.Propose(kOne, "x"));
  group_.Settle();
  group_.Heal();
  group_.Campaign(kThree);
  group_.Settle();
  EXPECT_NE(raft(kThree).role(), Role::kLeader);
}

TEST_F(PaperTest, StateMachineSafetyIsCheckedHard) {  // P29
  Answer(From(kTwo, kOne, 1, Append({1, 1}, 0, 2)));
  EXPECT_DEATH(group_.Step(From(kThree, kOne, 2, Append({1, 2, 2}, 0, 0))),
               "another entry at committed index");
}

}  // namespace
}  // namespace raft
