// What a replica does while it serves nothing, and when that ends.

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "partition/driver_fixture.h"
#include "partition/membership.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/types.h"
#include "session/testing/box.h"

namespace partition {
namespace {

using raft::Index;
using raft::ReplicaId;
using raft::Term;

constexpr uint64_t kHourNs = 3'600'000'000'000;

class DriverDoubtTest : public DriverFixture {
 protected:
  DriverDoubtTest() : DriverFixture(session::testing::BoxRegistry()) {}

  // It does not apply the entry at `index`.
  static Options Quarantined(uint64_t index) {
    Options options;
    options.quarantined = {{kFixturePartition, Index{index}}};
    return options;
  }
};

// What it applies again is read from the disk, where an entry that another
// leader has replaced may still stand for a while.
TEST_F(DriverDoubtTest, WhatWasReplacedIsNotAppliedAgain) {
  Open({1, 2, 3}, Quarantined(1));
  LeaderLog lost;
  Hear(raft::AppendEntries{
      .entries = {
          lost.Add(Term{1}, OpenSession(kHourNs).SerializeAsString())}});
  LeaderLog log;
  Step(ReplicaId{3}, Term{2},
       raft::AppendEntries{.commit_index = Index{1},
                           .entries = {log.Add(Term{2}, "")}});
  RunTasks();  // The write waits.
  ASSERT_EQ(Status().commit_index, Index{1});

  ASSERT_OK(Resume());
  while (store_.has_pending_reads()) {
    store_.ReadStep();
    RunTasks();
  }
  EXPECT_EQ(Status().counts.sessions, 0u);

  Run();
  Tick();
  EXPECT_EQ(Status().applied_index, Index{1});
  EXPECT_EQ(Status().counts.sessions, 0u);
}

// It leads, since nobody else can, and nobody can keep a session alive.
TEST_F(DriverDoubtTest, NoSessionExpiresWhileALoneReplicaServesNothing) {
  Open({2});
  Propose(OpenSession(10'000'000'000));
  partition_->Stop(StopReason::kShutdown);
  Run();
  Open(Quarantined(1'000));
  Ticks(1'000);
  ASSERT_EQ(Status().soft_state.role, raft::Role::kLeader);
  ASSERT_OK(Resume());
  Ticks(5);
  EXPECT_EQ(Status().counts.sessions, 1u);
  // And from then on as ever.
  Ticks(1'000);
  EXPECT_EQ(Status().counts.sessions, 0u);
}

// A new leader may have more to apply than a timeout takes. Until it has, no
// KeepAlive is taken, and so nobody is late.
TEST_F(DriverDoubtTest, NoSessionExpiresWhileANewLeaderAppliesABacklog) {
  constexpr int kEntries = 60;
  constexpr uint64_t kTimeoutNs = 1'000'000'000;  // Ten ticks.
  Open({1, 2, 3}, {.turn_entries_max = 1, .turn_ns_max = 0});
  LeaderLog log;
  raft::AppendEntries backlog;
  backlog.entries.push_back(
      log.Add(Term{1}, OpenSession(kTimeoutNs).SerializeAsString()));
  for (int i = 1; i < kEntries; ++i) {
    backlog.entries.push_back(
        log.Add(Term{1}, OpenSession(kHourNs).SerializeAsString()));
  }
  Hear(std::move(backlog));
  while (network_.Count<raft::PreVote>() == 0) Tick();
  const auto says = [&](decltype(raft::Message::body) body) {
    Step(ReplicaId{3}, Term{2}, std::move(body));
  };
  says(raft::PreVoteReply{.granted = true});
  Run();
  says(raft::RequestVoteReply{.granted = true});
  Run();
  ASSERT_EQ(Status().soft_state.role, raft::Role::kLeader);

  says(
      raft::AppendEntriesReply{.accepted = true, .index = Index{kEntries + 1}});
  int ticks = 0;
  for (; !partition_->serving(); ++ticks) {
    ASSERT_LT(ticks, 1'000);
    clock_.now_ns += static_cast<int64_t>(raft::Config{}.tick_ns);
    says(raft::HeartbeatReply{});
    partition_->Tick();
    for (int i = 0; i < 4; ++i) line_.RunOne();
  }
  ASSERT_GT(ticks, 20);  // Twice the timeout.
  const auto goes_on = [&](int more) {
    for (int i = 0; i < more; ++i) {
      says(raft::AppendEntriesReply{.accepted = true,
                                    .index = Status().last_index});
      Tick();
    }
  };
  goes_on(8);
  EXPECT_EQ(Status().counts.sessions, uint64_t{kEntries});
  // From when it serves the clients have their whole timeout, and no more.
  goes_on(8);
  EXPECT_EQ(Status().counts.sessions, uint64_t{kEntries} - 1);
}

TEST_F(DriverDoubtTest, AReplicaThatServesNothingTakesNoChangeOfMembers) {
  Open({2});
  partition_->Stop(StopReason::kShutdown);
  Run();
  Open(Quarantined(1'000));
  ASSERT_EQ(Status().soft_state.role, raft::Role::kLeader);
  std::optional<absl::Status> ended;
  partition_->ChangeMembers(
      {.kind = MemberChange::Kind::kAdd,
       .member = {.node = base::NodeId{3}, .peer_address = "peer:3"}},
      [&](absl::StatusOr<raft::Configuration> result) {
        ended = result.status();
      });
  Run();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(absl::IsUnavailable(*ended)) << *ended;
}

}  // namespace
}  // namespace partition
