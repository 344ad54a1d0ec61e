// One replica and messages written by hand: what is late, damaged, forged or
// meant for somebody else.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "raft/format.h"
#include "raft/test_group.h"

namespace raft {
namespace {

constexpr ReplicaId kSelf{1};
constexpr ReplicaId kPeer{2};
constexpr ReplicaId kOther{3};

// A voter of three. The others exist only as disks, for the invariants, so
// what they are said to have must be on them: most tests do without a leader.
class ReplicaTest : public ::testing::Test {
 protected:
  ReplicaTest() : group_(TestConfig()) {
    for (const ReplicaId id : {kSelf, kPeer, kOther}) {
      group_.Add(id, TestConfiguration({1, 2, 3}));
    }
  }
  ~ReplicaTest() override { EXPECT_EQ(group_.invariants().violation(), ""); }

  static Config TestConfig() {
    Config config{.partition = base::PartitionId{1}};
    config.pre_vote = false;
    config.check_quorum = false;
    config.log_memory_bytes = 0;
    return config;
  }

  Raft& raft() { return group_.raft(kSelf); }

  std::string Answer(ReplicaId from, uint64_t term,
                     decltype(Message::body) body) {
    group_.network().clear();
    group_.Step({from, kSelf, Term{term}, std::move(body)});
    while (group_.TakeReady(kSelf) || group_.CompleteWrite(kSelf) ||
           group_.Apply(kSelf)) {
    }
    std::string text;
    for (const Message& answer : group_.network()) {
      text += FormatMessage(answer) + "\n";
    }
    group_.network().clear();
    return text;
  }

  // The entries of a leader's log, all of `term`.
  std::vector<Entry> Entries(size_t count, uint64_t term = 1) {
    std::vector<Entry> entries;
    uint64_t chain = 0;
    for (size_t i = 1; i <= count; ++i) {
      Entry entry{.term = Term{term}, .index = Index{i}};
      entry.chain = chain = ChainOf(chain, base::PartitionId{1}, entry);
      entries.push_back(entry);
    }
    return entries;
  }

  AppendEntries Append(const std::vector<Entry>& log, size_t prev,
                       uint64_t commit = 0) {
    AppendEntries append{.commit_index = Index{commit}};
    if (prev > 0) {
      append.prev_index = log[prev - 1].index;
      append.prev_term = log[prev - 1].term;
      append.prev_chain = log[prev - 1].chain;
    }
    append.entries.assign(log.begin() + prev, log.end());
    return append;
  }

  InstallSnapshot Image(const Entry& last, const Configuration& configuration) {
    return {.position = PositionOf(last),
            .configuration = EncodeConfiguration(configuration)};
  }

  TestGroup group_;
};

// --- Who speaks to whom
// -------------------------------------------------------

TEST_F(ReplicaTest, PassiveDoesNotStandAndStillVotes) {  // D6
  raft().SetPassive(true);
  for (int i = 0; i < 100; ++i) group_.Tick(kSelf, 1);
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_EQ(raft().term(), Term{0});
  EXPECT_NE(Answer(kPeer, 1, RequestVote{}).find("granted"), std::string::npos);
  raft().SetPassive(false);
  for (int i = 0; i < 100; ++i) group_.Tick(kSelf, 1);
  EXPECT_NE(raft().role(), Role::kFollower);
}

TEST_F(ReplicaTest, DropsMessagesWithoutTermOrSender) {  // P5
  const RequestVote vote{};
  EXPECT_EQ(Answer(kPeer, 0, vote), "");
  EXPECT_EQ(Answer(ReplicaId{0}, 5, vote), "");
  EXPECT_EQ(Answer(kSelf, 5, vote), "");
  raft().Step({kPeer, kOther, Term{5}, vote});
  EXPECT_FALSE(raft().HasReady());
  EXPECT_EQ(raft().term(), Term{0});
}

// An order is for the log that the leader had when it gave it.
TEST_F(ReplicaTest, ALateOrderToStandIsNotObeyed) {  // P15
  const std::vector<Entry> log = Entries(3);
  Answer(kPeer, 1, Append(log, 0));
  EXPECT_EQ(Answer(kPeer, 1, TimeoutNow{.last_index = Index{2}}), "");
  EXPECT_EQ(Answer(kPeer, 1, TimeoutNow{.last_index = Index{4}}), "");
  EXPECT_EQ(raft().term(), Term{1});
  EXPECT_NE(Answer(kPeer, 1, TimeoutNow{.last_index = Index{3}}), "");
  EXPECT_EQ(raft().term(), Term{2});
}

TEST_F(ReplicaTest, AnOrderOfAnOlderVersionIsObeyed) {
  const std::vector<Entry> log = Entries(3);
  Answer(kPeer, 1, Append(log, 0));
  EXPECT_NE(Answer(kPeer, 1, TimeoutNow{}), "");
  EXPECT_EQ(raft().term(), Term{2});
}

TEST_F(ReplicaTest, AnswersWithoutAQuestionChangeNothing) {  // P5
  group_.Elect(kSelf);
  const Index last = raft().last_index();
  const uint64_t term = raft().term().value();
  const ReplicaId stranger{99};
  Answer(stranger, term, AppendEntriesReply{.accepted = true, .index = last});
  Answer(stranger, term, HeartbeatReply{.read_round = 99});
  Answer(stranger, term, RequestVoteReply{.granted = true});
  Answer(kPeer, term, PreVoteReply{.granted = true});
  Answer(kPeer, term, ReadIndexReply{.context = 1, .confirmed = true});
  // Nobody has what the leader itself does not have.
  Answer(kPeer, term, AppendEntriesReply{.accepted = true, .index = last + 50});
  EXPECT_EQ(raft().role(), Role::kLeader);
  for (const FollowerStatus& follower : raft().followers()) {
    EXPECT_LE(follower.match_index, last);
  }
}

TEST_F(ReplicaTest, SurvivesRandomMessagesOfOldTerms) {
  group_.Elect(kSelf);
  group_.Elect(kPeer);
  group_.Elect(kSelf);
  const uint64_t term = raft().term().value();
  base::Random random(7);
  const std::vector<decltype(Message::body)> bodies = {
      PreVote{},
      PreVoteReply{.granted = true},
      RequestVote{},
      RequestVoteReply{.granted = true},
      AppendEntries{},
      AppendEntriesReply{.accepted = true},
      Heartbeat{},
      HeartbeatReply{},
      InstallSnapshot{},
      InstallSnapshotReply{.installed = true},
      TimeoutNow{},
      ReadIndexRequest{},
      ReadIndexReply{.confirmed = true}};
  for (int i = 0; i < 5000; ++i) {
    Answer(ReplicaId{random.Below(5)}, random.Below(term),
           bodies[random.Below(bodies.size())]);
    ASSERT_EQ(raft().role(), Role::kLeader);
    ASSERT_EQ(raft().term(), Term{term});
  }
}

// --- Appends
// --------------------------------------------------------------------

TEST_F(ReplicaTest, RefusesAnotherChainAtTheSameTerm) {  // P22
  const std::vector<Entry> log = Entries(3);
  Answer(kPeer, 1, Append(log, 0));
  AppendEntries append{.prev_index = Index{3},
                       .prev_term = Term{1},
                       .prev_chain = log[2].chain + 1};
  // One index back each time, until the logs agree.
  EXPECT_EQ(Answer(kPeer, 1, append),
            "1->2 AppendEntriesReply term=1 refused=3 hint=1/2\n");
}

TEST_F(ReplicaTest, DropsDamagedAppends) {  // P22
  std::vector<Entry> log = Entries(3);
  std::swap(log[1], log[2]);
  EXPECT_EQ(Answer(kPeer, 1, Append(log, 0)), "");
  log = Entries(3);
  log.erase(log.begin() + 1);
  EXPECT_EQ(Answer(kPeer, 1, Append(log, 0)), "");
  log = Entries(3);
  log[1].payload_crc ^= 1;
  EXPECT_EQ(Answer(kPeer, 1, Append(log, 0)), "");
  // Of a term that its sender has not reached.
  EXPECT_EQ(Answer(kPeer, 1, Append(Entries(3, /*term=*/2), 0)), "");
  // A configuration that is none.
  Entry entry{.term = Term{1},
              .index = Index{1},
              .type = EntryType::kConfChange,
              .payload = std::make_shared<const std::string>("nonsense")};
  entry.chain = ChainOf(0, base::PartitionId{1}, entry);
  EXPECT_EQ(Answer(kPeer, 1, Append({entry}, 0)), "");
  EXPECT_EQ(raft().last_index(), Index{0});
  EXPECT_EQ(raft().leader(), kPeer);
}

TEST_F(ReplicaTest, AnswersAppendsBelowWhatIsCommitted) {  // P21
  const std::vector<Entry> log = Entries(4);
  Answer(kPeer, 1, Append(log, 0, /*commit=*/3));
  // Memory holds nothing below the commit index any more.
  EXPECT_EQ(raft().PositionAt(Index{1}), std::nullopt);
  EXPECT_EQ(Answer(kPeer, 1, Append(Entries(2), 1)),
            "1->2 AppendEntriesReply term=1 accepted=3\n");
  EXPECT_EQ(Answer(kPeer, 1, Append(Entries(6), 1)),
            "1->2 AppendEntriesReply term=1 accepted=6\n");
  EXPECT_EQ(raft().last_index(), Index{6});
}

TEST_F(ReplicaTest, AHeartbeatNeverCommitsWhatIsNotThere) {  // P19
  Answer(kPeer, 1, Append(Entries(2), 0));
  Answer(kPeer, 1, Heartbeat{.commit_index = Index{9}});
  EXPECT_EQ(raft().commit_index(), Index{2});
}

TEST_F(ReplicaTest, OneAnswerForTheAppendsOfATurn) {
  const std::vector<Entry> log = Entries(4);
  group_.Step({kPeer, kSelf, Term{1}, Append(Entries(2), 0)});
  EXPECT_EQ(Answer(kPeer, 1, Append(log, 2)),
            "1->2 AppendEntriesReply term=1 accepted=4\n");
}

TEST_F(ReplicaTest, ASlowDiskIsNotASilentLeader) {  // P14
  group_.Step({kPeer, kSelf, Term{1}, Append(Entries(2), 0)});
  group_.TakeReady(kSelf);
  group_.Tick(kSelf, 9);
  group_.CompleteWrite(kSelf);
  group_.Tick(kSelf, 9);
  EXPECT_EQ(raft().role(), Role::kFollower);
}

// P14: the candidate's timer, and that of who voted for it, begin when the vote
// is on disk.
TEST_F(ReplicaTest, ASlowDiskDoesNotEndAnElection) {
  group_.Campaign(kSelf);
  group_.TakeReady(kSelf);
  group_.Step({kPeer, kSelf, Term{1}, PreVoteReply{.granted = true}});
  ASSERT_EQ(raft().role(), Role::kCandidate);
  group_.TakeReady(kSelf);
  group_.Tick(kSelf, 9);
  group_.CompleteWrite(kSelf);
  group_.Tick(kSelf, 9);
  ASSERT_EQ(raft().role(), Role::kCandidate);
  group_.Step({kPeer, kSelf, Term{1}, RequestVoteReply{.granted = true}});
  EXPECT_EQ(raft().role(), Role::kLeader);
}

TEST_F(ReplicaTest, WhoVotedWaitsFromWhenTheVoteIsOnDisk) {
  group_.Step({kPeer, kSelf, Term{1}, RequestVote{Index{0}, Term{0}}});
  group_.TakeReady(kSelf);
  group_.Tick(kSelf, 9);
  group_.CompleteWrite(kSelf);
  group_.Tick(kSelf, 9);
  EXPECT_EQ(raft().role(), Role::kFollower);
}

TEST_F(ReplicaTest, AConfigurationThatCannotBeIsNotBelieved) {
  Configuration nobody = TestConfiguration({1, 2});
  nobody.voters = {};
  const std::string bytes = EncodeConfiguration(nobody);
  Entry entry = Entries(1)[0];
  entry.type = EntryType::kConfChange;
  entry.payload = std::make_shared<const std::string>(bytes);
  entry.payload_crc = base::Crc32c(bytes);
  entry.chain = ChainOf(0, base::PartitionId{1}, entry);
  EXPECT_EQ(Answer(kPeer, 1, Append({entry}, 0)), "");
  EXPECT_EQ(raft().last_index(), Index{0});
  Answer(kOther, 5, Image(Entries(3, /*term=*/2)[2], nobody));
  EXPECT_FALSE(group_.node(kSelf).install.has_value());
}

// Only a voter that it knows can tell a replica that it was removed, and only
// by a configuration that it does not know.
TEST_F(ReplicaTest, RemovalIsBelievedFromVotersOnly) {
  const auto told = [&](ReplicaId from, uint64_t index) {
    group_.Step({from, kSelf, Term{1}, Removed{Index{index}}});
    return raft().HasReady() && raft().TakeReady().removed;
  };
  EXPECT_FALSE(told(ReplicaId{9}, 5));
  EXPECT_FALSE(told(kPeer, 0));
  EXPECT_TRUE(told(kPeer, 5));
  EXPECT_FALSE(told(kPeer, 6)) << "once";
}

// --- Images: the follower
// ---------------------------------------------------------

TEST_F(ReplicaTest, AnImageThatIsInTheLogKeepsWhatFollows) {  // P38
  const std::vector<Entry> log = Entries(4);
  Answer(kPeer, 1, Append(log, 0));
  EXPECT_EQ(Answer(kPeer, 1, Image(log[2], TestConfiguration({1, 2, 3}))),
            "1->2 InstallSnapshotReply term=1 image=3 installed=yes\n");
  EXPECT_EQ(raft().last_index(), Index{4});
  EXPECT_EQ(raft().commit_index(), Index{3});
  EXPECT_FALSE(group_.node(kSelf).install.has_value());
}

TEST_F(ReplicaTest, AnImageFromElsewhereReplacesTheWholeLog) {  // P38, P41
  Answer(kPeer, 1, Append(Entries(4), 0));
  const Entry last = Entries(3, /*term=*/2)[2];
  Answer(kOther, 5, Image(last, TestConfiguration({1, 2, 3, 4})));
  ASSERT_TRUE(group_.node(kSelf).install.has_value());
  const SnapshotInstall install = *group_.node(kSelf).install;
  group_.node(kSelf).writes.push_back({.install = install});
  group_.CompleteWrite(kSelf);
  EXPECT_EQ(raft().last_index(), Index{3});
  EXPECT_EQ(raft().commit_index(), Index{3});
  EXPECT_EQ(raft().first_index(), Index{4});
  // The term is the sender's, not the image's.
  EXPECT_EQ(raft().term(), Term{5});
  EXPECT_EQ(raft().configuration(), TestConfiguration({1, 2, 3, 4}));
}

TEST_F(ReplicaTest, TakesNoEntriesAndDoesNotStandWhileItInstalls) {  // P16
  Answer(kPeer, 2, Image(Entries(3, 2)[2], TestConfiguration({1, 2, 3})));
  EXPECT_EQ(Answer(kPeer, 2, Append(Entries(2, 2), 0)), "");
  group_.Tick(kSelf, 40);
  group_.Campaign(kSelf);
  EXPECT_EQ(raft().role(), Role::kFollower);
  raft().SnapshotInstalled(PositionOf(Entries(3, 2)[2]), /*installed=*/false);
  EXPECT_NE(Answer(kPeer, 2, Append(Entries(2, 2), 0)), "");
}

TEST_F(ReplicaTest, AReplicaThatWasRemovedTakesNoImage) {  // P39
  EXPECT_EQ(Answer(kPeer, 2, Image(Entries(3, 2)[2], TestConfiguration({2}))),
            "1->2 InstallSnapshotReply term=2 image=3 installed=no\n");
}

TEST_F(ReplicaTest, AReplicaNewerThanTheImageTakesIt) {  // P39
  const ReplicaId fresh{50};
  group_.Add(fresh, TestConfiguration({2, 3}));
  group_.Step({kPeer, fresh, Term{2},
               Image(Entries(3, 2)[2], TestConfiguration({2, 3}))});
  group_.TakeReady(fresh);
  EXPECT_TRUE(group_.node(fresh).install.has_value());
}

TEST_F(ReplicaTest, ALateOfferDoesNotReplaceANewerOne) {  // P42
  const Configuration configuration = TestConfiguration({1, 2, 3});
  const std::vector<Entry> log = Entries(6, 2);
  Answer(kPeer, 2, Image(log[5], configuration));
  Answer(kPeer, 2, Image(log[2], configuration));
  EXPECT_EQ(group_.node(kSelf).install->position.index, Index{6});
}

TEST_F(ReplicaTest, AnOfferOfANewLeaderReplacesTheOldOne) {  // P42
  const Configuration configuration = TestConfiguration({1, 2, 3});
  const std::vector<Entry> log = Entries(6, 2);
  Answer(kPeer, 2, Image(log[5], configuration));
  const SnapshotInstall first = *group_.node(kSelf).install;
  Answer(kOther, 3, Image(log[2], configuration));
  EXPECT_EQ(group_.node(kSelf).install->position.index, Index{3});
  EXPECT_EQ(group_.node(kSelf).install->leader, kOther);
  // The first one turns out to be there after all: so much the better.
  group_.node(kSelf).writes.push_back({.install = first});
  group_.CompleteWrite(kSelf);
  EXPECT_EQ(raft().commit_index(), Index{6});
  EXPECT_EQ(Answer(kOther, 3, Append(Entries(7, 2), 6)),
            "1->3 AppendEntriesReply term=3 accepted=7\n");
}

// --- Images: the leader
// -------------------------------------------------------------

class ImageLeaderTest : public ReplicaTest {
 protected:
  // A leader whose log begins behind an image that 3 needs.
  ImageLeaderTest() {
    group_.Elect(kSelf);
    group_.Isolate(kOther);
    for (int i = 0; i < 5; ++i) EXPECT_OK(group_.Propose(kSelf, "x"));
    group_.Settle();
    EXPECT_TRUE(group_.Compact(kSelf, Index{100}));
    group_.Heal();
    for (int i = 0; i < 3; ++i) {
      group_.Tick(kSelf);
      group_.Settle({kSelf, kPeer});
      // 3 answers, but takes no image yet.
      while (group_.TakeReady(kOther)) {
      }
      for (size_t m = 0; m < group_.network().size();) {
        if (group_.network()[m].to == kOther) {
          group_.Deliver(m);
        } else {
          ++m;
        }
      }
      while (group_.TakeReady(kOther) || group_.CompleteWrite(kOther)) {
      }
      group_.Settle({kSelf, kPeer});
    }
    EXPECT_EQ(Follower().state, ProgressState::kSnapshot);
  }

  FollowerStatus Follower() { return raft().followers()[1]; }
};

TEST_F(ImageLeaderTest, AnAcknowledgementOfAnotherImageCreditsNothing) {  // P40
  const uint64_t term = raft().term().value();
  const Index image = raft().commit_index();
  for (const Index other : {image - 1, image + 1, Index{0}}) {
    Answer(kOther, term,
           InstallSnapshotReply{.index = other, .installed = true});
    EXPECT_EQ(Follower().state, ProgressState::kSnapshot);
    EXPECT_LT(Follower().match_index, image - 1);
  }
}

TEST_F(ImageLeaderTest, ANewerImageDoesNotDisturbTheTransfer) {  // P40
  ASSERT_OK(group_.Propose(kSelf, "y"));
  group_.Settle({kSelf, kPeer});
  const Index offered = group_.transfers().at(0).send.position.index;
  ASSERT_TRUE(group_.Compact(kSelf, Index{100}));
  EXPECT_EQ(group_.transfers().size(), 1u);
  EXPECT_EQ(Follower().state, ProgressState::kSnapshot);
  // The offer that is repeated names the image that is pinned.
  const std::string answer =
      Answer(kOther, raft().term().value(), HeartbeatReply{.read_round = 1});
  EXPECT_NE(answer.find(absl::StrCat("InstallSnapshot term=1 image=1/",
                                     offered.value())),
            std::string::npos)
      << answer;
}

TEST_F(ImageLeaderTest, TheEndOfAnotherTransferChangesNothing) {  // P40
  raft().SnapshotSent(kOther, Index{1}, /*delivered=*/true);
  EXPECT_EQ(Follower().state, ProgressState::kSnapshot);
}

TEST_F(ImageLeaderTest, ADeliveredImageIsNotYetAMatch) {  // P25, P40
  const Index image = group_.transfers().at(0).send.position.index;
  raft().SnapshotSent(kOther, image, /*delivered=*/true);
  EXPECT_EQ(Follower().state, ProgressState::kProbe);
  EXPECT_LT(Follower().match_index, image);
  EXPECT_EQ(Follower().next_index, image + 1);
}

TEST_F(ImageLeaderTest, TheFollowerCatchesUp) {
  group_.Settle();
  ASSERT_OK(group_.Propose(kSelf, "y"));
  group_.Settle();
  EXPECT_EQ(group_.raft(kOther).last_index(), raft().last_index());
  EXPECT_EQ(Follower().state, ProgressState::kReplicate);
}

}  // namespace
}  // namespace raft
