// What a leader keeps of one follower, and the small queues beside it.

#include "raft/progress.h"

#include <vector>

#include "gtest/gtest.h"
#include "raft/read_index.h"
#include "raft/write_queue.h"

namespace raft {
namespace {

Progress NewProgress(uint64_t last_index = 10) {
  return Progress(Index{last_index}, Inflights(3, 1000));
}

TEST(ProgressTest, ProbesWithOneMessageAtATime) {
  Progress progress = NewProgress();
  EXPECT_EQ(progress.state(), ProgressState::kProbe);
  EXPECT_TRUE(progress.can_send());
  progress.Sent(Index{12}, 100);
  EXPECT_FALSE(progress.can_send());
  EXPECT_EQ(progress.next_index(), Index{11});
}

TEST(ProgressTest, ReplicatesOnceTheLogsAgree) {
  Progress progress = NewProgress();
  progress.Sent(Index{12}, 100);
  EXPECT_TRUE(progress.Accepted(Index{12}));
  EXPECT_EQ(progress.state(), ProgressState::kReplicate);
  EXPECT_EQ(progress.match_index(), Index{12});
  EXPECT_EQ(progress.next_index(), Index{13});
  progress.Sent(Index{14}, 100);
  EXPECT_EQ(progress.next_index(), Index{15});
}

TEST(ProgressTest, MatchNeverGoesBack) {  // P24
  Progress progress = NewProgress();
  progress.Accepted(Index{12});
  EXPECT_FALSE(progress.Accepted(Index{5}));
  EXPECT_EQ(progress.match_index(), Index{12});
  EXPECT_FALSE(progress.Refused(Index{11}, Index{3}));
  EXPECT_EQ(progress.match_index(), Index{12});
  EXPECT_EQ(progress.next_index(), Index{13});
}

TEST(ProgressTest, ARefusalAfterALossProbesFromTheMatch) {
  Progress progress = NewProgress();
  progress.Accepted(Index{12});
  progress.Sent(Index{14}, 100);
  progress.Sent(Index{16}, 100);
  EXPECT_TRUE(progress.Refused(Index{14}, Index{12}));
  EXPECT_EQ(progress.state(), ProgressState::kProbe);
  EXPECT_EQ(progress.next_index(), Index{13});
  EXPECT_TRUE(progress.window().empty());
}

TEST(ProgressTest, BacktrackingTerminatesWhateverTheHints) {  // P23
  Progress progress = NewProgress(1000);
  int rounds = 0;
  while (progress.next_index() > Index{1}) {
    const Index before = progress.next_index();
    ASSERT_TRUE(progress.Refused(before - 1, Index{2000}));
    ASSERT_LT(progress.next_index(), before);
    ++rounds;
  }
  EXPECT_EQ(rounds, 1000);
  // With nothing left to go back to it waits for a sign of life.
  EXPECT_FALSE(progress.Refused(Index{0}, Index{0}));
}

TEST(ProgressTest, HintsSkipWhatCannotAgree) {  // P23
  Progress progress = NewProgress(1000);
  progress.Refused(Index{1000}, Index{7});
  EXPECT_EQ(progress.next_index(), Index{8});
}

TEST(ProgressTest, AnOldRefusalIsIgnored) {
  Progress progress = NewProgress();
  EXPECT_FALSE(progress.Refused(Index{5}, Index{1}));
  EXPECT_EQ(progress.next_index(), Index{11});
}

TEST(ProgressTest, SendsNothingWhileTheImageIsOnItsWay) {  // P40
  Progress progress = NewProgress();
  progress.BecomeSnapshot(Index{30});
  EXPECT_FALSE(progress.can_send());
  EXPECT_FALSE(progress.Refused(Index{10}, Index{0}));
  progress.SnapshotEnded(/*delivered=*/true);
  EXPECT_EQ(progress.next_index(), Index{31});
  EXPECT_FALSE(progress.can_send());
  progress.Heard();
  EXPECT_TRUE(progress.can_send());
  EXPECT_EQ(progress.match_index(), Index{0});
}

TEST(ProgressTest, AFailedImageLeavesItWhereItStood) {
  Progress progress = NewProgress();
  progress.Accepted(Index{4});
  progress.BecomeSnapshot(Index{30});
  progress.SnapshotEnded(/*delivered=*/false);
  EXPECT_EQ(progress.next_index(), Index{5});
  EXPECT_EQ(progress.offered_image(), Index{30});
}

TEST(ProgressTest, AnAcknowledgedImageIsAMatch) {
  Progress progress = NewProgress();
  progress.BecomeSnapshot(Index{30});
  EXPECT_TRUE(progress.Accepted(Index{30}));
  EXPECT_EQ(progress.state(), ProgressState::kReplicate);
  EXPECT_EQ(progress.next_index(), Index{31});
}

TEST(ProgressTest, TwoSignsOfLifeWithoutNewsMeanALoss) {
  Progress progress = NewProgress();
  progress.Accepted(Index{12});
  EXPECT_FALSE(progress.Heard());
  progress.Sent(Index{14}, 100);
  EXPECT_TRUE(progress.Heard());
  progress.Accepted(Index{14});
  EXPECT_FALSE(progress.Heard());
}

TEST(InflightsTest, IsFullByMessagesOrBytes) {  // P56
  Inflights window(2, 100);
  window.Add(Index{1}, 10);
  EXPECT_FALSE(window.full());
  window.Add(Index{2}, 10);
  EXPECT_TRUE(window.full());
  window.FreeUpTo(Index{1});
  EXPECT_FALSE(window.full());
  window.Add(Index{5}, 500);
  EXPECT_TRUE(window.full());
  EXPECT_EQ(window.bytes(), 510u);
  window.FreeUpTo(Index{4});
  EXPECT_TRUE(window.full());
  window.FreeUpTo(Index{5});
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.bytes(), 0u);
}

TEST(WriteQueueTest, AWriteConfirmsWhatIsLeftOfIt) {  // P26
  const PersistToken old{.term = Term{1}, .last_index = Index{9}};
  const PersistToken next{.term = Term{2}, .last_index = Index{8}};
  WriteQueue writes;
  writes.Push(old, HardState{});
  writes.Truncate(Index{6});
  writes.Push(next, HardState{});
  EXPECT_EQ(writes.Complete(old).persisted, Index{5});
  EXPECT_EQ(writes.Complete(next).persisted, Index{8});
  EXPECT_TRUE(writes.empty());
}

TEST(LeaderReadsTest, ARoundConfirmsAllBeforeItAndNoneAfter) {  // P47
  LeaderReads reads;
  reads.Add({ReplicaId{1}, 10});
  reads.StartRound(Index{5});
  const uint64_t first = reads.round();
  reads.Add({ReplicaId{1}, 11});
  reads.StartRound(Index{6});
  reads.Add({ReplicaId{1}, 12});
  EXPECT_TRUE(reads.TakeConfirmed(first - 1).empty());
  const auto confirmed = reads.TakeConfirmed(first);
  ASSERT_EQ(confirmed.size(), 1u);
  EXPECT_EQ(confirmed[0].read.context, 10u);
  EXPECT_EQ(confirmed[0].index, Index{5});
  EXPECT_EQ(reads.TakeConfirmed(first + 1).size(), 1u);
  EXPECT_EQ(reads.TakeAll().size(), 1u);
  EXPECT_FALSE(reads.has_waiting());
}

TEST(LeaderReadsTest, ALaterRoundConfirmsEarlierOnesToo) {
  LeaderReads reads;
  for (uint64_t i = 0; i < 3; ++i) {
    reads.Add({ReplicaId{1}, i});
    reads.StartRound(Index{i});
  }
  EXPECT_EQ(reads.TakeConfirmed(reads.round()).size(), 3u);
}

TEST(FollowerReadsTest, OneRequestStandsForAllThatWait) {
  FollowerReads reads(100);
  reads.Add(1);
  reads.Add(2);
  const uint64_t first = reads.StartRequest();
  reads.Add(3);
  const uint64_t second = reads.StartRequest();
  EXPECT_EQ(reads.TakeAnswered(second), std::vector<uint64_t>({3}));
  EXPECT_EQ(reads.TakeAnswered(first), std::vector<uint64_t>({1, 2}));
  EXPECT_TRUE(reads.TakeAnswered(first).empty());
}

TEST(FollowerReadsTest, RequestsExpire) {
  FollowerReads reads(100);
  reads.Add(1);
  reads.StartRequest();
  EXPECT_TRUE(reads.TakeExpired(1).empty());
  EXPECT_EQ(reads.TakeExpired(1), std::vector<uint64_t>({1}));
  EXPECT_TRUE(reads.TakeAll().empty());
}

}  // namespace
}  // namespace raft
