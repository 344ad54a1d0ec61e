#include "partition/transfers.h"

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/ready.h"

namespace partition {
namespace {

using raft::ReplicaId;
using raft::Term;

constexpr uint32_t kTicksMax = 4;
constexpr uint32_t kPauseTicks = 20;

// Replica 1 of three, which the test makes leader by answering for the others.
class TransfersTest : public testing::Test {
 protected:
  TransfersTest() {
    raft::Configuration configuration;
    for (uint32_t i = 1; i <= 3; ++i) {
      configuration.voters.push_back(ReplicaId{i});
      configuration.members.push_back(
          {.replica = ReplicaId{i}, .node = base::NodeId{i}});
    }
    core_ = *raft::Raft::Create(
        {.partition = base::PartitionId{1}, .self = ReplicaId{1}},
        {.configuration = configuration});
  }

  void Lead() {
    core_->Campaign();
    Handle();
    From(2, 1, raft::PreVoteReply{.granted = true});
    From(2, 1, raft::RequestVoteReply{.granted = true});
    ASSERT_EQ(core_->role(), raft::Role::kLeader);
  }
  void From(uint64_t replica, uint64_t term,
            decltype(raft::Message::body) body) {
    core_->Step(
        {ReplicaId{replica}, ReplicaId{1}, Term{term}, std::move(body)});
    Handle();
  }
  // The disk is at once done; notes who is told to campaign.
  void Handle() {
    while (core_->HasReady()) {
      const raft::Ready ready = core_->TakeReady();
      if (ready.persist.has_value()) core_->Persisted(*ready.persist);
      for (const raft::Message& message : ready.messages) {
        if (std::holds_alternative<raft::TimeoutNow>(message.body)) {
          told_ = message.to;
        }
      }
    }
  }
  void Begin(uint64_t target) {
    ended_.reset();
    transfers_.Begin(*core_, ReplicaId{target}, [this](absl::Status status) {
      ended_ = std::move(status);
    });
    Handle();
  }

  std::unique_ptr<raft::Raft> core_;
  Transfers transfers_{kTicksMax, kPauseTicks};
  ReplicaId told_;
  std::optional<absl::Status> ended_;
};

TEST_F(TransfersTest, WhoDoesNotLeadHasNothingToHandOver) {
  Begin(2);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_TRUE(absl::IsUnavailable(*ended_));
}

TEST_F(TransfersTest, EndsWhenLeadershipDoes) {
  Lead();
  From(2, 1,
       raft::AppendEntriesReply{.accepted = true, .index = raft::Index{1}});
  Begin(2);
  EXPECT_EQ(told_, ReplicaId{2});
  EXPECT_FALSE(ended_.has_value());
  transfers_.LeadershipEnded();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_TRUE(ended_->ok());
}

TEST_F(TransfersTest, SaysSoWhenNobodyTakesOver) {
  Lead();
  Begin(2);
  for (uint32_t tick = 1; tick < kTicksMax; ++tick) transfers_.Tick();
  EXPECT_FALSE(ended_.has_value());
  transfers_.Tick();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded(*ended_));
}

TEST_F(TransfersTest, WhoMayNotLeadGetsNothing) {
  Lead();
  Begin(9);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(*ended_));
}

TEST_F(TransfersTest, WhoServesNothingIsNotAsked) {
  Lead();
  From(3, 1,
       raft::AppendEntriesReply{.accepted = true, .index = raft::Index{1}});
  transfers_.Spare(ReplicaId{3}, 2);
  Begin(3);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(*ended_));
  EXPECT_EQ(told_, ReplicaId{});
  transfers_.Tick();
  transfers_.Tick();
  Begin(0);
  EXPECT_EQ(told_, ReplicaId{3});
}

// Who serves asks once, and then takes commands for a long time.
TEST_F(TransfersTest, ASuggestionIsNotRepeatedAtOnce) {
  Lead();
  From(3, 1,
       raft::AppendEntriesReply{.accepted = true, .index = raft::Index{1}});
  transfers_.Suggest(*core_);
  Handle();
  EXPECT_EQ(std::exchange(told_, {}), ReplicaId{3});
  EXPECT_FALSE(core_->CanPropose(1, 1).ok());
  // It does not take it.
  for (uint32_t tick = 0; tick < kPauseTicks; ++tick) {
    core_->Tick(100'000'000);
    From(3, 1, raft::HeartbeatReply{});
    told_ = {};
    transfers_.Suggest(*core_);
    transfers_.Tick();
    Handle();
    if (tick < 10) continue;
    EXPECT_TRUE(core_->CanPropose(1, 1).ok());
    EXPECT_EQ(told_, ReplicaId{});
  }
  // With what the leader added when it took the order back.
  From(
      3, 1,
      raft::AppendEntriesReply{.accepted = true, .index = core_->last_index()});
  transfers_.Suggest(*core_);
  Handle();
  EXPECT_EQ(told_, ReplicaId{3});
}

TEST_F(TransfersTest, TheBestHasMostOfTheLog) {
  Lead();
  From(3, 1,
       raft::AppendEntriesReply{.accepted = true, .index = raft::Index{1}});
  EXPECT_EQ(Transfers::Targets(*core_).front(), ReplicaId{3});
  Begin(0);
  EXPECT_EQ(told_, ReplicaId{3});
}

TEST_F(TransfersTest, WhoIsSilentIsNotTheBest) {
  Lead();
  From(3, 1,
       raft::AppendEntriesReply{.accepted = true, .index = raft::Index{1}});
  for (int tick = 0; tick < 5; ++tick) {
    core_->Tick(100'000'000);
    From(2, 1, raft::HeartbeatReply{});
  }
  EXPECT_EQ(Transfers::Targets(*core_).front(), ReplicaId{2});
}

}  // namespace
}  // namespace partition
