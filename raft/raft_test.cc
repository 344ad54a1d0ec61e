// The doors of the core, and one replica alone: what its owner must do before
// anything is committed, what a restart finds, what is refused. Groups of
// replicas are in paper_test.cc, interaction_test.cc and core_sim_test.cc.

#include "raft/raft.h"

#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "raft/ready.h"

namespace raft {
namespace {

using ::base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr ReplicaId kSelf{1};

Proposal Command(const std::string& text) {
  return {.payload = std::make_shared<const std::string>(text),
          .payload_crc = base::Crc32c(text)};
}

Configuration SoleVoter() {
  return {.voters = {kSelf}, .members = {Member{.replica = kSelf}}};
}

Config SmallConfig() {
  return {.partition = base::PartitionId{7}, .self = kSelf, .tick_ns = 100};
}

std::unique_ptr<Raft> NewRaft(Config config = SmallConfig()) {
  auto raft = Raft::Create(config, {.configuration = SoleVoter()});
  EXPECT_OK(raft);
  return *std::move(raft);
}

// Takes Readys and confirms what they ask to persist until nothing is due;
// returns everything that was committed, and applies it.
std::vector<Entry> Drain(Raft& raft) {
  std::vector<Entry> committed;
  while (raft.HasReady()) {
    const Ready ready = raft.TakeReady();
    if (ready.persist.has_value()) raft.Persisted(*ready.persist);
    for (const Entry& entry : ready.committed) {
      committed.push_back(entry);
      raft.Applied(entry.index);
    }
  }
  return committed;
}

std::unique_ptr<Raft> NewLeader(Config config = SmallConfig()) {
  auto raft = NewRaft(config);
  raft->Campaign();
  Drain(*raft);
  EXPECT_EQ(raft->role(), Role::kLeader);
  return raft;
}

TEST(RaftTest, StartsWithNothingToDo) {
  const auto raft = NewRaft();
  EXPECT_FALSE(raft->HasReady());
  EXPECT_EQ(raft->role(), Role::kFollower);
  EXPECT_EQ(raft->last_index(), Index{0});
  EXPECT_EQ(raft->first_index(), Index{1});
}

TEST(RaftTest, SoleVoterLeadsOnlyWhenItsVoteIsDurable) {  // P1, P27
  const auto raft = NewRaft();
  raft->Campaign();
  const Ready ready = raft->TakeReady();
  ASSERT_TRUE(ready.persist.has_value());
  EXPECT_EQ(ready.hard_state, (HardState{.term = Term{1}, .voted_for = kSelf}));
  EXPECT_TRUE(ready.entries.empty());
  EXPECT_EQ(raft->role(), Role::kCandidate);

  raft->Persisted(*ready.persist);
  EXPECT_EQ(raft->role(), Role::kLeader);
  EXPECT_EQ(raft->last_index(), Index{1});
  EXPECT_FALSE(raft->committed_in_term());
}

TEST(RaftTest, SoleVoterCommitsOnlyWhatIsDurable) {  // P27
  const auto raft = NewLeader();
  ASSERT_OK_AND_ASSIGN(const Index index, raft->Propose({Command("x")}));
  const Ready written = raft->TakeReady();
  ASSERT_EQ(written.entries.size(), 1u);
  EXPECT_EQ(written.entries[0].bytes(), "x");
  EXPECT_TRUE(written.committed.empty());
  EXPECT_LT(raft->commit_index(), index);

  raft->Persisted(*written.persist);
  EXPECT_EQ(raft->commit_index(), index);
  const Ready applied = raft->TakeReady();
  ASSERT_EQ(applied.committed.size(), 1u);
  EXPECT_EQ(applied.committed[0].index, index);
  // The commit index alone is not worth a write.
  EXPECT_FALSE(applied.persist.has_value());
}

TEST(RaftTest, WritesCompleteOneAfterAnother) {
  const auto raft = NewLeader();
  ASSERT_OK(raft->Propose({Command("a")}));
  const Ready first = raft->TakeReady();
  ASSERT_OK(raft->Propose({Command("b"), Command("c")}));
  const Ready second = raft->TakeReady();
  EXPECT_EQ(second.entries.size(), 2u);
  raft->Persisted(*first.persist);
  EXPECT_EQ(raft->commit_index(), Index{2});
  raft->Persisted(*second.persist);
  EXPECT_EQ(raft->commit_index(), Index{4});
}

TEST(RaftDeathTest, AWriteOutOfOrderIsABug) {
  const auto raft = NewLeader();
  ASSERT_OK(raft->Propose({Command("a")}));
  raft->TakeReady();
  ASSERT_OK(raft->Propose({Command("b")}));
  const Ready second = raft->TakeReady();
  EXPECT_DEATH(raft->Persisted(*second.persist), "completed before");
}

TEST(RaftTest, EntriesCarryPositionAndChain) {  // P22
  const auto raft = NewLeader();
  ASSERT_OK(raft->Propose({Command("a"), Command("b")}));
  const Ready ready = raft->TakeReady();
  uint64_t chain = raft->PositionAt(Index{1})->chain;
  for (const Entry& entry : ready.entries) {
    chain = ChainOf(chain, base::PartitionId{7}, entry);
    EXPECT_EQ(entry.chain, chain);
  }
}

TEST(RaftTest, CommittedEntriesComeInBoundedSlices) {
  Config config = SmallConfig();
  config.committed_bytes_max = 3 * (sizeof(Entry) + 10);
  const auto raft = NewLeader(config);
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(raft->Propose({Command("0123456789")}));
  }
  raft->Persisted(*raft->TakeReady().persist);
  const Ready first = raft->TakeReady();
  EXPECT_EQ(first.committed.size(), 3u);
  // No more before some of them are applied.
  EXPECT_FALSE(raft->HasReady());
  raft->Applied(first.committed[1].index);
  EXPECT_EQ(raft->TakeReady().committed.size(), 2u);
}

TEST(RaftTest, RefusesProposalsThatPassTheLimits) {  // P56
  Config config = SmallConfig();
  config.entry_bytes_max = 100;
  config.uncommitted_bytes_max = 1000;
  const auto raft = NewLeader(config);
  EXPECT_THAT(raft->Propose({Command("fits"), Command(std::string(101, 'x'))}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("101")));
  EXPECT_EQ(raft->last_index(), Index{1});
  const std::string large(100, 'x');
  int accepted = 0;
  while (raft->Propose({Command(large)}).ok()) ++accepted;
  EXPECT_EQ(accepted, 1000 / (100 + static_cast<int>(sizeof(Entry))));
  EXPECT_THAT(raft->Propose({Command(large)}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(raft->CanPropose(1, large.size()),
              StatusIs(absl::StatusCode::kUnavailable));
  Drain(*raft);
  EXPECT_OK(raft->CanPropose(1, large.size()));
  EXPECT_OK(raft->Propose({Command(large)}));
}

TEST(RaftTest, OnlyALeaderTakesProposals) {
  const auto raft = NewRaft();
  EXPECT_THAT(raft->Propose({Command("x")}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(RaftTest, LogTimeAdvancesByTwoTicksAtMost) {  // P50
  const auto raft = NewLeader();
  EXPECT_EQ(raft->log_time_ns(), 0u);
  raft->Tick(90);
  EXPECT_EQ(raft->log_time_ns(), 90u);
  raft->Tick(1'000'000'000);
  EXPECT_EQ(raft->log_time_ns(), 290u);
  ASSERT_OK(raft->Propose({Command("x")}));
  EXPECT_EQ(Drain(*raft).back().time_ns, 290u);
}

TEST(RaftTest, LogTimeMovesBetweenTicksWithinTheSameBound) {  // P50
  const auto raft = NewLeader();
  raft->AdvanceTime(30);
  EXPECT_EQ(raft->log_time_ns(), 30u);
  raft->AdvanceTime(1'000'000'000);
  EXPECT_EQ(raft->log_time_ns(), 200u);
  raft->Tick(90);
  EXPECT_EQ(raft->log_time_ns(), 200u);
  raft->Tick(90);
  EXPECT_EQ(raft->log_time_ns(), 290u);
}

TEST(RaftTest, LogTimeStandsStillWithoutALeader) {  // P50
  const auto raft = NewRaft();
  raft->Tick(100);
  raft->Campaign();
  EXPECT_EQ(Drain(*raft).back().time_ns, 0u);
}

TEST(RaftTest, ReadWaitsForAnEntryOfTheTerm) {  // P18
  const auto raft = NewRaft();
  raft->Campaign();
  raft->Persisted(*raft->TakeReady().persist);
  ASSERT_EQ(raft->role(), Role::kLeader);
  raft->ReadIndex(42);
  const Ready noop = raft->TakeReady();
  EXPECT_TRUE(noop.reads.empty());
  EXPECT_FALSE(raft->HasReady());
  raft->Persisted(*noop.persist);
  const Ready ready = raft->TakeReady();
  ASSERT_EQ(ready.reads.size(), 1u);
  EXPECT_EQ(ready.reads[0].context, 42u);
  EXPECT_EQ(ready.reads[0].index, Index{1});
}

TEST(RaftTest, ReadWithoutALeaderIsAnsweredAtOnce) {
  const auto raft = NewRaft();
  raft->ReadIndex(42);
  const Ready ready = raft->TakeReady();
  ASSERT_EQ(ready.reads.size(), 1u);
  EXPECT_EQ(ready.reads[0].index, std::nullopt);
}

TEST(RaftTest, CampaignsByItselfWithinTwoElectionTimeouts) {
  const auto raft = NewRaft();
  for (int i = 0; i < 20; ++i) raft->Tick(100);
  Drain(*raft);
  EXPECT_EQ(raft->role(), Role::kLeader);
}

TEST(RaftTest, ReportsRoleChangesOnce) {
  const auto raft = NewRaft();
  raft->Campaign();
  EXPECT_EQ(raft->soft_state().role, Role::kCandidate);
  const Ready candidate = raft->TakeReady();
  EXPECT_EQ(candidate.soft_state,
            (SoftState{.role = Role::kCandidate, .term = Term{1}}));
  raft->Persisted(*candidate.persist);
  EXPECT_EQ(
      raft->TakeReady().soft_state,
      (SoftState{.role = Role::kLeader, .leader = kSelf, .term = Term{1}}));
  EXPECT_EQ(raft->TakeReady().soft_state, std::nullopt);
}

TEST(RaftTest, AppliedEntriesLeaveMemoryBeyondItsBound) {
  Config config = SmallConfig();
  config.log_memory_bytes = 3 * (sizeof(Entry) + 1);
  const auto raft = NewLeader(config);
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(raft->Propose({Command("x")}));
    Drain(*raft);
  }
  EXPECT_FALSE(raft->PositionAt(Index{7}).has_value());
  EXPECT_TRUE(raft->PositionAt(Index{9}).has_value());
  EXPECT_EQ(raft->first_index(), Index{1});
  raft->Compacted(*raft->PositionAt(Index{9}), SoleVoter(), Index{6});
  EXPECT_EQ(raft->first_index(), Index{6});
}

// What a replica leaves on its disk, and how the next one starts from it.
class RestartTest : public ::testing::Test {
 protected:
  RestartTest() {
    auto raft = NewRaft();
    raft->Campaign();
    while (raft->HasReady()) Keep(*raft, raft->TakeReady());
    EXPECT_OK(raft->Propose({Command("a"), Command("b")}));
    while (raft->HasReady()) Keep(*raft, raft->TakeReady());
    disk_.configuration = SoleVoter();
  }

  void Keep(Raft& raft, Ready ready) {
    if (!ready.persist.has_value()) return;
    disk_.hard_state = *ready.hard_state;
    for (const Entry& entry : ready.entries) disk_.entries.push_back(entry);
    raft.Persisted(*ready.persist);
  }

  InitialState disk_;
};

TEST_F(RestartTest, FindsTermVoteAndLog) {
  ASSERT_OK_AND_ASSIGN(const auto raft, Raft::Create(SmallConfig(), disk_));
  EXPECT_EQ(raft->term(), Term{1});
  EXPECT_EQ(raft->hard_state().voted_for, kSelf);
  EXPECT_EQ(raft->last_index(), Index{3});
  EXPECT_EQ(raft->persisted_index(), Index{3});
  // A new term commits and applies everything again, once.
  raft->Campaign();
  const std::vector<Entry> committed = Drain(*raft);
  ASSERT_EQ(committed.size(), 4u);
  EXPECT_EQ(committed[1].bytes(), "a");
  EXPECT_EQ(committed[3].term, Term{2});
}

TEST_F(RestartTest, AppliesOnlyWhatIsBehindTheImage) {  // P28
  disk_.snapshot = PositionOf(disk_.entries[1]);
  disk_.first_index = Index{1};
  disk_.entries.erase(disk_.entries.begin(), disk_.entries.begin() + 2);
  ASSERT_OK_AND_ASSIGN(const auto raft, Raft::Create(SmallConfig(), disk_));
  EXPECT_EQ(raft->commit_index(), Index{2});
  EXPECT_EQ(raft->applied_index(), Index{2});
  EXPECT_EQ(raft->first_index(), Index{1});
  raft->Campaign();
  EXPECT_EQ(Drain(*raft).front().index, Index{3});
}

TEST_F(RestartTest, RefusesAHole) {
  disk_.entries.erase(disk_.entries.begin() + 1);
  EXPECT_THAT(Raft::Create(SmallConfig(), disk_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("hole")));
}

TEST_F(RestartTest, RefusesAHardStateOlderThanTheLog) {
  disk_.hard_state.term = Term{0};
  EXPECT_THAT(Raft::Create(SmallConfig(), disk_),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RestartTest, RefusesALogThatEndsBeforeTheCommitIndex) {  // P31
  disk_.hard_state.commit_index = Index{4};
  EXPECT_THAT(Raft::Create(SmallConfig(), disk_),
              StatusIs(absl::StatusCode::kDataLoss));
}

// Replica 9 joins: the log of others up to the entry that adds it.
std::vector<Entry> LogThatAdds(ReplicaId replica) {
  Configuration configuration = SoleVoter();
  configuration.learners = {replica};
  configuration.members.push_back({.replica = replica});
  std::vector<Entry> entries;
  uint64_t chain = 0;
  for (uint64_t i = 1; i <= replica.value(); ++i) {
    Entry entry{.term = Term{1}, .index = Index{i}};
    if (i == replica.value()) {
      entry.type = EntryType::kConfChange;
      entry.payload = std::make_shared<const std::string>(
          EncodeConfiguration(configuration));
    }
    entry.payload_crc = base::Crc32c(entry.bytes());
    entry.chain = ChainOf(chain, SmallConfig().partition, entry);
    chain = entry.chain;
    entries.push_back(std::move(entry));
  }
  return entries;
}

TEST(RaftTest, AReplicaThatJoinsKnowsNobodyUntilItsOwnEntryComes) {
  Config config = SmallConfig();
  config.self = ReplicaId{9};
  ASSERT_OK_AND_ASSIGN(const auto raft, Raft::Create(config, {}));
  for (int i = 0; i < 100; ++i) raft->Tick(config.tick_ns);
  raft->Campaign();
  Drain(*raft);
  EXPECT_EQ(raft->role(), Role::kFollower);
  EXPECT_EQ(raft->term(), Term{0});

  raft->Step({.from = kSelf,
              .to = config.self,
              .term = Term{1},
              .body = AppendEntries{.commit_index = Index{9},
                                    .entries = LogThatAdds(config.self)}});
  EXPECT_EQ(Drain(*raft).size(), 9u);
  EXPECT_EQ(raft->leader(), kSelf);
  EXPECT_EQ(raft->configuration().learners,
            std::vector<ReplicaId>{config.self});
}

TEST(RaftTest, BehindTheEntryThatAddedItAReplicaKnowsWhoVotes) {
  Config config = SmallConfig();
  config.self = ReplicaId{9};
  const auto create = [&](uint64_t image) {
    return Raft::Create(
               config,
               {.hard_state = {.term = Term{1}, .commit_index = Index{image}},
                .snapshot = {.index = Index{image}, .term = Term{1}}})
        .status();
  };
  EXPECT_OK(create(8));
  EXPECT_THAT(create(9), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace raft
