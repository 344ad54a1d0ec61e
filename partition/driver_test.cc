// What one replica does by itself.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/driver_fixture.h"
#include "partition/note.h"
#include "partition/partition.h"
#include "raft/message.h"
#include "raft/types.h"
#include "session/primitive.h"
#include "session/registry.h"

namespace partition {
namespace {

namespace disk = ::multiraft::disk::v1;
using raft::ReplicaId;
using raft::Term;
using session::PrimitiveId;
using session::SessionId;

constexpr base::PartitionId kPartition = kFixturePartition;

// A primitive whose listing comes upon `dead` slices before its only output.
class Ruin : public session::Primitive {
 public:
  static inline uint64_t dead = 0;
  static inline uint64_t slices = 0;

  void Command(session::CommandContext& context, uint32_t,
               absl::string_view) override {
    context.Answer(session::Ok(""));
  }
  session::Result Query(uint32_t, absl::string_view) const override {
    return session::Ok("");
  }
  session::Listing List(const session::StreamQuery&, absl::string_view cursor,
                        const session::SliceBounds&) const override {
    ++slices;
    if (cursor.size() < dead) {
      return {.outputs = {}, .cursor = std::string(cursor) + "d"};
    }
    return {.outputs = {"alive"}, .cursor = "z", .done = true};
  }
  bool Watches(const session::StreamQuery&) const override { return false; }
  void TimerFired(session::PrimitiveContext&, absl::string_view) override {}
  void WaiterCancelled(session::PrimitiveContext&,
                       session::CommandKey) override {}
  bool SessionClosed(session::PrimitiveContext&, SessionId, size_t) override {
    return true;
  }
  void Loaded(session::PrimitiveContext&) override {}
};

const session::Registry& RuinRegistry() {
  static const auto& registry = *new session::Registry(
      {{.name = "ruin",
        .service = "test.Ruin",
        .type_strings = {"test.Ruin"},
        .operations = {{.id = 1,
                        .rpc = "List",
                        .kind = session::OperationKind::kStreamQuery}},
        .create = [](session::TableSet&,
                     PrimitiveId) -> std::unique_ptr<session::Primitive> {
          return std::make_unique<Ruin>();
        }}});
  return registry;
}

class Sink : public StreamSink {
 public:
  void Write(session::CommandOutput output) override {
    outputs.push_back(output.result.output);
  }
  void End(Refusal refusal) override { ended = std::move(refusal); }

  std::vector<std::string> outputs;
  std::optional<Refusal> ended;
};

class DriverTest : public DriverFixture {
 protected:
  DriverTest() : DriverFixture(RuinRegistry()) {}
};

TEST_F(DriverTest, AReplicaTakesTheLeadershipThatItIsGiven) {
  Open({1, 2, 3});
  Hear(raft::Heartbeat{});
  Hear(raft::TimeoutNow{});
  EXPECT_EQ(network_.Count<raft::RequestVote>(), 2u);
}

TEST_F(DriverTest, AReplicaThatRetiresTakesNoLeadership) {
  Open({1, 2, 3});
  Hear(raft::Heartbeat{});
  partition_->Retire();
  partition_->Tick();  // Nor is it forgotten.
  Hear(raft::TimeoutNow{});
  EXPECT_EQ(network_.Count<raft::RequestVote>(), 0u);
}

// Otherwise the leader asks it to lead, and takes no commands meanwhile.
TEST_F(DriverTest, WhoWouldNotLeadSaysSo) {
  Open({1, 2, 3});
  Hear(raft::Heartbeat{});
  Ticks(3);
  EXPECT_EQ(network_.CountNotes<ServesNothing>(), 0u);
  disk_gate_.Set(/*low=*/true, 1, 2);
  Tick();
  EXPECT_EQ(network_.CountNotes<ServesNothing>(), 1u);
  disk_gate_.Set(/*low=*/false, 3, 2);
  Ticks(2);
  partition_->Retire();
  Tick();
  EXPECT_EQ(network_.CountNotes<ServesNothing>(), 2u);
}

TEST_F(DriverTest, WhoIsRefusedAtTheDoorIsToldWhoLeads) {
  Open({1, 2, 3}, {.mailbox_bytes_max = 0});
  Hear(raft::Heartbeat{});
  Refusal refusal;
  partition_->Propose(
      {}, Completion<session::Applied>([&](Reply<session::Applied> reply) {
        refusal = std::move(reply.refusal);
      }));
  EXPECT_TRUE(absl::IsUnavailable(refusal.status)) << refusal.status;
  EXPECT_EQ(refusal.leader, "api:1");
  auto sink = std::make_shared<Sink>();
  partition_->OpenQuery({}, sink);
  ASSERT_TRUE(sink->ended.has_value());
  EXPECT_EQ(sink->ended->leader, "api:1");
}

using Kind = ReplicaEvent::Kind;

ReplicaEvent EventOf(Kind kind, uint64_t index = 0) {
  return {.kind = kind, .partition = kPartition, .index = raft::Index{index}};
}

TEST_F(DriverTest, WhoWatchesIsToldOfReadinessImagesAndTheLog) {
  const Options options{.log_keep_bytes = 0};
  Open({2}, options);
  EXPECT_THAT(events_, testing::ElementsAre(EventOf(Kind::kMembersChanged),
                                            EventOf(Kind::kReady)));
  events_.clear();
  const auto make_image = [&] {
    Propose(OpenSession(3'600'000'000'000));
    ProposeOnly(Checkpoint());
  };
  make_image();
  EXPECT_THAT(events_, testing::ElementsAre(EventOf(Kind::kImageWritten, 3),
                                            EventOf(Kind::kLogTrimmed, 4)));
  events_.clear();
  make_image();
  EXPECT_THAT(events_, testing::ElementsAre(EventOf(Kind::kImageWritten, 5),
                                            EventOf(Kind::kLogTrimmed, 6),
                                            EventOf(Kind::kImageReplaced, 3)));
  events_.clear();
  partition_->Stop(StopReason::kShutdown);
  Run();
  Open(options);
  EXPECT_THAT(events_, testing::ElementsAre(EventOf(Kind::kImageRecovered, 5),
                                            EventOf(Kind::kMembersChanged),
                                            EventOf(Kind::kReady)));
}

TEST_F(DriverTest, AFollowerIsReadyWhenItHasALeaderAndWhatItKnewWasCommitted) {
  Open({1, 2, 3});
  EXPECT_THAT(events_, testing::ElementsAre(EventOf(Kind::kMembersChanged)));
  Hear(raft::Heartbeat{});
  EXPECT_THAT(events_, testing::ElementsAre(EventOf(Kind::kMembersChanged),
                                            EventOf(Kind::kReady)));
  // Once.
  Hear(raft::Heartbeat{});
  EXPECT_EQ(events_.size(), 2u);
}

// However much of it is gone: others have their turns in between.
TEST_F(DriverTest, AListingGoesOnASliceATurn) {
  Ruin::dead = 5;
  Ruin::slices = 0;
  Open({2});
  const SessionId session = Propose(OpenSession(3'600'000'000'000)).session;
  disk::Command create;
  disk::SessionCommand& body = *create.mutable_session_command();
  body.set_session_id(session.value());
  body.set_sequence_num(1);
  body.set_input_hash(1);
  body.mutable_create_primitive()->set_service("test.Ruin");
  body.mutable_create_primitive()->set_name("rome");
  std::optional<session::Applied> created;
  partition_->Propose(
      {.key = {session, session::SequenceNum(1)},
       .bytes = create.SerializeAsString()},
      Completion<session::Applied>([&](Reply<session::Applied> reply) {
        ASSERT_TRUE(reply.ok()) << reply.refusal.status;
        created = std::move(reply.value);
      }));
  Run();
  ASSERT_TRUE(created.has_value());

  auto sink = std::make_shared<Sink>();
  const session::PrimitiveType& type = RuinRegistry().types()[0];
  partition_->OpenQuery({.query = {.session = session,
                                   .sequence = session::SequenceNum(2),
                                   .primitive = PrimitiveId(created->index),
                                   .type = &type,
                                   .operation = &type.operations[0]}},
                        sink);
  uint64_t turns = 0;
  uint64_t before = 0;
  while (line_.RunOne()) {
    EXPECT_LE(Ruin::slices - before, 1u);
    before = Ruin::slices;
    ++turns;
  }
  EXPECT_GE(turns, Ruin::dead);
  EXPECT_EQ(Ruin::slices, Ruin::dead + 1);
  EXPECT_EQ(sink->outputs, std::vector<std::string>{"alive"});
}

}  // namespace
}  // namespace partition
