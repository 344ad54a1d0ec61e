#include "sim/consensus.h"

#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "sim/event_loop.h"
#include "sim/judge.h"

namespace sim {
namespace {

using raft::Index;
using raft::ReplicaId;
using raft::Term;

constexpr base::PartitionId kPartition{7};

raft::Configuration Voters(std::vector<uint64_t> voters,
                           std::vector<uint64_t> learners = {}) {
  raft::Configuration configuration;
  const auto add = [&](uint64_t id) {
    configuration.members.push_back(
        {.replica = ReplicaId{id},
         .node = base::NodeId{static_cast<uint32_t>(id)}});
    return ReplicaId{id};
  };
  for (uint64_t id : voters) configuration.voters.push_back(add(id));
  for (uint64_t id : learners) configuration.learners.push_back(add(id));
  return configuration;
}

// Replicas that do what a test says, right or wrong.
class ConsensusTest : public testing::Test {
 protected:
  explicit ConsensusTest(const raft::Configuration& initial = Voters({1, 2, 3}))
      : consensus_(kPartition, initial, judge_, [](const raft::Entry&) {}) {}

  // The log of `terms`, entry by entry.
  static std::vector<raft::Entry> Log(const std::vector<uint64_t>& terms) {
    std::vector<raft::Entry> log;
    uint64_t chain = 0;
    for (uint64_t term : terms) {
      raft::Entry entry{.term = Term{term}, .index = Index{log.size() + 1}};
      entry.chain = raft::ChainOf(chain, kPartition, entry);
      chain = entry.chain;
      log.push_back(entry);
    }
    return log;
  }
  // `replica`, in `term`, writes the log of `terms` from `from` on.
  static DiskWrite WriteOf(uint64_t term, const std::vector<uint64_t>& terms,
                           uint64_t from, uint64_t commit = 0) {
    const std::vector<raft::Entry> log = Log(terms);
    return {
        .partition = kPartition,
        .hard_state =
            raft::HardState{.term = Term{term}, .commit_index = Index{commit}},
        .entries = {log.begin() + static_cast<int64_t>(from) - 1, log.end()}};
  }
  void Write(uint64_t replica, const DiskWrite& write) {
    consensus_.OnQueued(ReplicaId{replica}, write);
    consensus_.OnDurable(ReplicaId{replica}, write);
  }
  void Vote(uint64_t replica, uint64_t term, uint64_t candidate) {
    Write(replica,
          {.partition = kPartition,
           .hard_state = raft::HardState{.term = Term{term},
                                         .voted_for = ReplicaId{candidate}}});
  }
  void Send(uint64_t from, uint64_t to, uint64_t term,
            decltype(raft::Message::body) body) {
    consensus_.OnSent(
        {ReplicaId{from}, ReplicaId{to}, Term{term}, std::move(body)});
  }

  std::string failure() const {
    return judge_.failed() ? judge_.failures().front() : "";
  }
  void ExpectFailure(const std::string& rule) {
    consensus_.JudgeDoubts();
    EXPECT_NE(failure().find(rule), std::string::npos) << failure();
  }

  EventLoop loop_;
  Judge judge_{loop_};
  Consensus consensus_;
};

TEST_F(ConsensusTest, AnEntryIsChosenWhenAMajorityHasItInItsTerm) {
  Write(1, WriteOf(1, {1, 1}, 1));
  EXPECT_EQ(consensus_.chosen(), Index{0});
  Write(2, WriteOf(1, {1}, 1));
  EXPECT_EQ(consensus_.chosen(), Index{1});
  EXPECT_EQ(failure(), "");
}

// Figure 8: (c) has entry 2 of term 2 on a majority, and it is not chosen; (e)
// has an entry of the leader's own term behind it, and then both are.
TEST_F(ConsensusTest, AnEntryOfAnOldTermIsChosenOnlyWithOneOfTheNewTerm) {
  for (uint64_t replica : {1, 2, 3}) Write(replica, WriteOf(1, {1}, 1));
  Write(1, WriteOf(2, {1, 2}, 2));
  Write(3, WriteOf(4, {1, 2}, 2));
  EXPECT_EQ(consensus_.chosen(), Index{1});
  Write(1, WriteOf(4, {1, 2, 4}, 3));
  EXPECT_EQ(consensus_.chosen(), Index{1});
  Write(3, WriteOf(4, {1, 2, 4}, 3));
  EXPECT_EQ(consensus_.chosen(), Index{3});
  EXPECT_EQ(failure(), "");
}

TEST_F(ConsensusTest, WhoSaysThatMoreIsCommittedIsWrong) {
  Write(1, WriteOf(1, {1}, 1));
  Send(1, 2, 1, raft::AppendEntries{.commit_index = Index{1}});
  ExpectFailure("P17");
}

// It counts by a configuration from the moment on in which it appends it, which
// is before its disk is asked to write it (thesis 4.1).
TEST_F(ConsensusTest, ALeaderCountsByTheConfigurationThatItAppendsNow) {
  for (uint64_t replica : {1, 2}) Write(replica, WriteOf(1, {1}, 1));
  Write(1, WriteOf(1, {1, 1}, 2));
  EXPECT_EQ(consensus_.chosen(), Index{1});
  Send(1, 2, 1, raft::AppendEntries{.commit_index = Index{2}});
  EXPECT_EQ(failure(), "");
  DiskWrite write = WriteOf(1, {1, 1, 1}, 3);
  raft::Entry& entry = write.entries.front();
  entry.type = raft::EntryType::kConfChange;
  entry.payload = std::make_shared<const std::string>(
      raft::EncodeConfiguration(Voters({1})));
  entry.payload_crc = base::Crc32c(*entry.payload);
  entry.chain = raft::ChainOf(Log({1, 1}).back().chain, kPartition, entry);
  consensus_.OnQueued(ReplicaId{1}, write);
  EXPECT_EQ(consensus_.chosen(), Index{2});
  EXPECT_EQ(failure(), "");
}

TEST_F(ConsensusTest, TwoLeadersInATermAreWrong) {
  Send(1, 2, 3, raft::Heartbeat{});
  Send(2, 1, 3, raft::Heartbeat{});
  ExpectFailure("P2");
}

TEST_F(ConsensusTest, AVoteIsDurableBeforeItIsTold) {
  Vote(1, 2, 3);
  Send(1, 3, 2, raft::RequestVoteReply{.granted = true});
  EXPECT_EQ(failure(), "");
  Send(2, 3, 2, raft::RequestVoteReply{.granted = true});
  ExpectFailure("P1");
}

// A higher term on the disk is as good: nobody gets another vote in this one.
TEST_F(ConsensusTest, AVoteThatAHigherTermCoversIsSafe) {
  Vote(1, 5, 2);
  Send(1, 3, 4, raft::RequestVoteReply{.granted = true});
  EXPECT_EQ(failure(), "");
  Send(1, 2, 4, raft::RequestVoteReply{.granted = true});
  ExpectFailure("P1");
}

TEST_F(ConsensusTest, AnAcknowledgementIsDurableBeforeItIsSent) {
  Write(2, WriteOf(1, {1}, 1));
  Send(2, 1, 1, raft::AppendEntriesReply{.accepted = true, .index = Index{1}});
  EXPECT_EQ(failure(), "");
  Send(2, 1, 1, raft::AppendEntriesReply{.accepted = true, .index = Index{2}});
  ExpectFailure("P25");
}

TEST_F(ConsensusTest, AHeartbeatTellsNoMoreThanItsReceiverHas) {
  for (uint64_t replica : {1, 2}) Write(replica, WriteOf(1, {1, 1}, 1));
  Write(3, WriteOf(1, {1}, 1));
  Send(1, 3, 1, raft::Heartbeat{.commit_index = Index{1}});
  EXPECT_EQ(failure(), "");
  Send(1, 3, 1, raft::Heartbeat{.commit_index = Index{2}});
  ExpectFailure("P19");
}

TEST_F(ConsensusTest, AChosenEntryIsNotReplaced) {
  for (uint64_t replica : {1, 2}) Write(replica, WriteOf(1, {1, 1}, 1));
  Write(3, WriteOf(2, {1, 2}, 1));
  ExpectFailure("P29");
}

TEST_F(ConsensusTest, TheLogIsCutOnlyWhereItConflicts) {
  Write(1, WriteOf(1, {1, 1, 1}, 1));
  Write(1, WriteOf(1, {1, 1, 1}, 2));
  ExpectFailure("P20");
}

TEST_F(ConsensusTest, AReadKnowsWhatWasCommittedBeforeIt) {
  for (uint64_t replica : {1, 2}) Write(replica, WriteOf(1, {1, 1}, 1));
  Send(1, 2, 1, raft::AppendEntries{.commit_index = Index{2}});
  Send(3, 1, 1, raft::ReadIndexRequest{.context = 9});
  Send(
      1, 3, 1,
      raft::ReadIndexReply{.context = 9, .confirmed = true, .index = Index{1}});
  ExpectFailure("P47");
}

// What a power cut leaves is what was durable and the first few of the rest.
TEST_F(ConsensusTest, ARestartFindsAPrefixOfWhatWasQueued) {
  Write(1, WriteOf(1, {1}, 1));
  consensus_.OnQueued(ReplicaId{1}, WriteOf(1, {1, 1}, 2));
  consensus_.OnQueued(ReplicaId{1}, WriteOf(1, {1, 1, 1}, 3));
  storage::StoredPartition stored{.partition = kPartition,
                                  .hard_state = {.term = Term{1}},
                                  .entries = Log({1, 1})};
  consensus_.OnStart(ReplicaId{1}, stored);
  EXPECT_EQ(failure(), "");
  EXPECT_EQ(consensus_.durable_last(ReplicaId{1}), Index{2});
  stored.entries = Log({1});
  consensus_.OnStart(ReplicaId{1}, stored);
  ExpectFailure("P28");
}

class LearnerTest : public ConsensusTest {
 protected:
  LearnerTest() : ConsensusTest(Voters({1, 2}, {3})) {}
};

TEST_F(LearnerTest, IsInNoQuorum) {
  Write(1, WriteOf(1, {1}, 1));
  Write(3, WriteOf(1, {1}, 1));
  EXPECT_EQ(consensus_.chosen(), Index{0});
  Write(2, WriteOf(1, {1}, 1));
  EXPECT_EQ(consensus_.chosen(), Index{1});
}

}  // namespace
}  // namespace sim
