// Partitions that come and go while a node runs: a host over a store in memory,
// with everything else played by the test.

#include "partition/host.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "raft/message.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"
#include "storage/log_builder.h"
#include "storage/memory_store.h"

namespace partition {
namespace {

using base::NodeId;
using base::PartitionId;
using base::testing::IsOk;
using base::testing::StatusIs;
using raft::Index;
using raft::ReplicaId;
using raft::Term;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr PartitionId kPartition{5};
constexpr PartitionId kOther{6};
constexpr NodeId kSelf{2};

// Replicas 1, 2 ... on nodes 1, 2 ...
raft::Configuration Voters(uint64_t count) {
  raft::Configuration configuration;
  for (uint64_t i = 1; i <= count; ++i) {
    configuration.voters.push_back(ReplicaId{i});
    configuration.members.push_back(
        {.replica = ReplicaId{i}, .node = NodeId{static_cast<uint32_t>(i)}});
  }
  return configuration;
}

raft::Configuration Alone() {
  return {.voters = {ReplicaId{1}},
          .members = {{.replica = ReplicaId{1}, .node = kSelf}}};
}

class FakeClock : public base::Clock {
 public:
  int64_t MonotonicNanos() override { return now_ns; }
  int64_t WallNanos() override { return now_ns; }
  int64_t now_ns = 1;
};

class Tasks : public Executor {
 public:
  void Post(absl::AnyInvocable<void()> task) override {
    tasks_.push_back(std::move(task));
  }
  void PostLater(absl::AnyInvocable<void()> task) override {
    Post(std::move(task));
  }
  void PostAfter(uint64_t, absl::AnyInvocable<void()> task) override {
    timers_.push_back(std::move(task));
  }
  // False: there is none.
  bool RunOne() {
    if (tasks_.empty()) return false;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  void Tick() {
    for (auto& timer : std::exchange(timers_, {})) timer();
  }
  size_t size() const { return tasks_.size(); }
  void Stop() {
    while (!tasks_.empty()) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    timers_.clear();
  }

 private:
  std::deque<absl::AnyInvocable<void()>> tasks_;
  std::vector<absl::AnyInvocable<void()>> timers_;
};

class FakeTransport : public Transport {
 public:
  void SetMembers(PartitionId partition, ReplicaId self,
                  std::vector<raft::Member> members) override {
    told.push_back(std::to_string(partition.value()) + ": replica " +
                   std::to_string(self.value()) + " of " +
                   std::to_string(members.size()));
  }
  void Send(PartitionId, std::vector<raft::Message> messages) override {
    for (raft::Message& message : messages) sent.push_back(std::move(message));
  }
  void SendImage(PartitionId, ImageMessage) override {}
  void SendNote(PartitionId, Note) override {}

  std::vector<std::string> told;
  std::deque<raft::Message> sent;
};

// Counts what is on its way through the store: nothing may be when a replica is
// dropped.
class WatchedStore : public storage::LogStore {
 public:
  explicit WatchedStore(storage::MemoryStore& store) : store_(store) {}

  absl::StatusOr<std::vector<PartitionId>> ListPartitions() override {
    return store_.ListPartitions();
  }
  absl::Status CreatePartition(
      PartitionId partition,
      const raft::Configuration& configuration) override {
    return store_.CreatePartition(partition, configuration);
  }
  ReplicaId DroppedReplica(PartitionId partition) override {
    return store_.DroppedReplica(partition);
  }
  absl::Status CreateReplica(PartitionId partition,
                             ReplicaId replica) override {
    ++created;
    return store_.CreateReplica(partition, replica);
  }
  void DropReplica(PartitionId partition, ReplicaId replica,
                   absl::AnyInvocable<void(absl::Status)> done) override {
    dropped.push_back(replica.value());
    EXPECT_EQ(*outstanding_, 0);
    EXPECT_EQ(pins_, 0);
    store_.DropReplica(partition, replica, std::move(done));
  }
  absl::StatusOr<storage::StoredPartition> LoadPartition(
      PartitionId partition) override {
    return store_.LoadPartition(partition);
  }
  absl::StatusOr<std::unique_ptr<storage::ImageReader>> OpenImage(
      PartitionId partition) override {
    return store_.OpenImage(partition);
  }
  void Write(storage::LogWrite write) override {
    write.done = Counted<absl::Status>(std::move(write.done));
    store_.Write(std::move(write));
  }
  void WriteImage(storage::ImageBatch batch) override {
    batch.done = Counted<absl::Status>(std::move(batch.done));
    store_.WriteImage(std::move(batch));
  }
  void ReadEntries(
      PartitionId partition, Index from, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)> done)
      override {
    store_.ReadEntries(
        partition, from, bytes_max,
        Counted<absl::StatusOr<std::vector<raft::Entry>>>(std::move(done)));
  }
  void PinImage(PartitionId partition,
                absl::AnyInvocable<void(absl::StatusOr<storage::PinnedImage>)>
                    done) override {
    store_.PinImage(
        partition, Counted<absl::StatusOr<storage::PinnedImage>>(
                       [this, done = std::move(done)](
                           absl::StatusOr<storage::PinnedImage> image) mutable {
                         if (image.ok()) ++pins_;
                         done(std::move(image));
                       }));
  }
  void ReadImage(storage::ImagePin pin,
                 std::optional<storage::ImageRowId> after, uint64_t bytes_max,
                 absl::AnyInvocable<void(absl::StatusOr<storage::ImageSlice>)>
                     done) override {
    store_.ReadImage(
        pin, std::move(after), bytes_max,
        Counted<absl::StatusOr<storage::ImageSlice>>(std::move(done)));
  }
  void UnpinImage(storage::ImagePin pin) override {
    --pins_;
    store_.UnpinImage(pin);
  }

  int outstanding() const { return *outstanding_; }

  int created = 0;
  std::vector<uint64_t> dropped;

 private:
  // Until `done` was called and what it holds is gone.
  template <class Result>
  absl::AnyInvocable<void(Result)> Counted(
      absl::AnyInvocable<void(Result)> done) {
    ++*outstanding_;
    std::shared_ptr<void> one(nullptr,
                              [count = outstanding_](void*) { --*count; });
    return
        [one = std::move(one), done = std::move(done)](Result result) mutable {
          if (done) done(std::move(result));
        };
  }

  storage::MemoryStore& store_;
  // May outlive this.
  const std::shared_ptr<int> outstanding_ = std::make_shared<int>(0);
  int pins_ = 0;
};

class HostTest : public ::testing::Test {
 protected:
  HostTest() {
    options_.node = kSelf;
    options_.raft.tick_ns = 100'000'000;
    options_.checkpoint_log_bytes = 1;
    options_.log_keep_bytes = 0;
    options_.log_behind_ns_max = 0;
    OpenStore();
  }
  ~HostTest() override { Close(); }

  void OpenStore() {
    memory_ = std::make_unique<storage::MemoryStore>(disk_);
    store_ = std::make_unique<WatchedStore>(*memory_);
  }
  void Open() {
    auto opened = Host::Open(
        options_,
        {.clock = clock_,
         .executors = {&tasks_},
         .loader = &loader_,
         .timer = tasks_,
         .store = *store_,
         .transport = transport_,
         .registry = session::testing::BoxRegistry(),
         .on_added =
             [this](Partition& one) {
               events_.push_back("+" + Name(one.id()));
             },
         .on_removed =
             [this](PartitionId id) { events_.push_back("-" + Name(id)); }},
        1, [this](absl::Status status) { fatal_.push_back(status); });
    ASSERT_OK(opened.status());
    host_ = *std::move(opened);
    host_->Start();
  }
  // The process ends, in order.
  void Close() {
    if (host_ == nullptr) return;
    host_->Stop();
    while (tasks_.RunOne()) {
    }
    memory_ = nullptr;
    tasks_.Stop();
    loader_.Stop();
    host_ = nullptr;
    store_ = nullptr;
  }
  static std::string Name(PartitionId id) { return std::to_string(id.value()); }

  void Start(const raft::Configuration& configuration) {
    ASSERT_OK(store_->CreatePartition(kPartition, configuration));
    Open();
    Run();
  }

  // Everything but the disk, then the disk, until nothing is left to do.
  void RunTasks() {
    while (tasks_.RunOne() || loader_.RunOne()) {
    }
  }
  void Run() {
    while (true) {
      RunTasks();
      if (memory_->has_pending_images()) {
        memory_->ImageStep();
      } else if (memory_->has_pending_writes()) {
        memory_->SyncStep();
      } else if (memory_->has_pending_reads()) {
        memory_->ReadStep();
      } else {
        return;
      }
    }
  }
  void Tick(int count = 1) {
    for (int i = 0; i < count; ++i) {
      clock_.now_ns += static_cast<int64_t>(options_.raft.tick_ns);
      tasks_.Tick();
      RunTasks();
    }
  }

  // Of the partition of the tests.
  absl::Status Create(uint64_t replica) {
    absl::Status result = absl::UnknownError("not called");
    host_->Create(kPartition, ReplicaId{replica},
                  [&](const absl::Status& status) { result = status; });
    RunTasks();
    return result;
  }
  void Say(uint64_t from, uint64_t to, uint64_t term,
           decltype(raft::Message::body) body) {
    std::vector<raft::Message> messages;
    messages.push_back({.from = ReplicaId{from},
                        .to = ReplicaId{to},
                        .term = Term{term},
                        .body = std::move(body)});
    host_->Receive(kPartition, std::move(messages));
  }
  // A voter knows of a later configuration, which `to` is not in.
  void SayRemoved(uint64_t from, uint64_t to) {
    Say(from, to, 3, raft::Removed{.index = Index{100}});
  }
  // A leader speaks to a later replica.
  void Supersede() { host_->Create(kPartition, ReplicaId{30}, nullptr); }
  template <class Body>
  std::optional<Body> LastSent() {
    for (auto it = transport_.sent.rbegin(); it != transport_.sent.rend();
         ++it) {
      if (auto* body = std::get_if<Body>(&it->body)) return *body;
    }
    return std::nullopt;
  }

  // Proposes to open a session.
  void Propose() {
    Propose(Completion<session::Applied>([](Reply<session::Applied>) {}));
  }
  void Propose(Completion<session::Applied> completion) {
    multiraft::disk::v1::Command command;
    command.mutable_open_session()->set_timeout_ns(60'000'000'000);
    host_->Find(kPartition)
        ->Propose({.kind = CommandRequest::Kind::kOpenSession,
                   .bytes = command.SerializeAsString()},
                  std::move(completion));
  }

  Options options_;
  FakeClock clock_;
  Tasks tasks_;
  Tasks loader_;
  FakeTransport transport_;
  storage::MemoryDisk disk_;
  std::unique_ptr<storage::MemoryStore> memory_;
  std::unique_ptr<WatchedStore> store_;
  std::unique_ptr<Host> host_;
  std::vector<std::string> events_;
  std::vector<absl::Status> fatal_;
};

// --- Those that come ---------------------------------------------------------

TEST_F(HostTest, AReplicaIsMadeAndAnswersTheLeaderThatAskedForIt) {
  Open();
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  ASSERT_OK(Create(20));
  ASSERT_NE(host_->Find(kPartition), nullptr);
  EXPECT_EQ(host_->Find(kPartition)->replica(), ReplicaId{20});
  EXPECT_THAT(host_->All(), SizeIs(1));
  EXPECT_THAT(events_, ElementsAre("+5"));
  EXPECT_THAT(transport_.told, ElementsAre("5: replica 20 of 0"));

  Say(1, 20, 3, raft::AppendEntries{.prev_index = Index{19}});
  Run();
  const auto reply = LastSent<raft::AppendEntriesReply>();
  ASSERT_TRUE(reply.has_value());
  EXPECT_FALSE(reply->accepted);
  EXPECT_EQ(transport_.sent.back().to, ReplicaId{1});
  EXPECT_EQ(transport_.sent.back().from, ReplicaId{20});
}

TEST_F(HostTest, AReplicaThatWasMadeLaterIsOpenedAtTheNextStart) {
  Open();
  ASSERT_OK(Create(20));
  Say(1, 20, 3, raft::Heartbeat{});
  Run();
  Close();
  OpenStore();
  Open();
  Run();
  ASSERT_NE(host_->Find(kPartition), nullptr);
  EXPECT_EQ(host_->Find(kPartition)->replica(), ReplicaId{20});
  EXPECT_THAT(store_->LoadPartition(kPartition), IsOk());
}

TEST_F(HostTest, AFloodOfMessagesMakesOneReplica) {
  Open();
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    host_->Create(kPartition, ReplicaId{20}, [&](const absl::Status& status) {
      ++answered;
      EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
    });
  }
  EXPECT_EQ(loader_.size(), 1u);
  RunTasks();
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(store_->created, 1);
  EXPECT_OK(Create(20));
  EXPECT_EQ(store_->created, 1);
  EXPECT_THAT(events_, ElementsAre("+5"));
}

TEST_F(HostTest, NobodyCanTellAnInitialReplicaHowItsPartitionBegan) {
  Open();
  EXPECT_THAT(Create(2), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  EXPECT_EQ(store_->created, 0);
}

TEST_F(HostTest, ANewGroupBeginsWithItsConfiguration) {
  Open();
  absl::Status made = absl::UnknownError("not called");
  host_->CreateWith(kPartition, Alone(),
                    [&](const absl::Status& status) { made = status; });
  Run();
  ASSERT_OK(made);
  EXPECT_TRUE(host_->Find(kPartition)->serving());
  host_->CreateWith(kPartition, Alone(),
                    [&](const absl::Status& status) { made = status; });
  EXPECT_THAT(made, StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(HostTest, OneThatIsMadeWhileTheNodeStopsIsFoundByTheNextStart) {
  Open();
  host_->Create(kPartition, ReplicaId{20}, nullptr);
  host_->Stop();
  RunTasks();
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  EXPECT_THAT(Create(21), StatusIs(absl::StatusCode::kUnavailable));
  Close();
  OpenStore();
  Open();
  EXPECT_EQ(host_->Find(kPartition)->replica(), ReplicaId{20});
}

TEST_F(HostTest, ADiskThatFailsWhileAReplicaIsMadeEndsTheNode) {
  Open();
  disk_.FailNextSync(absl::DataLossError("sync failed"));
  EXPECT_THAT(Create(20), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  EXPECT_THAT(fatal_, SizeIs(1));
}

// --- Those that go -----------------------------------------------------------

TEST_F(HostTest, AReplicaThatWasRemovedIsGoneWithItsData) {
  Start(Voters(3));
  Say(1, 2, 1, raft::Heartbeat{});
  Run();
  const std::weak_ptr<Partition> partition = host_->Find(kPartition);
  SayRemoved(1, 2);
  Run();
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  EXPECT_THAT(host_->All(), IsEmpty());
  EXPECT_TRUE(partition.expired());
  EXPECT_THAT(events_, ElementsAre("+5", "-5"));
  EXPECT_EQ(transport_.told.back(), "5: replica 0 of 0");
  EXPECT_EQ(store_->DroppedReplica(kPartition), ReplicaId{2});
  EXPECT_THAT(store_->LoadPartition(kPartition).status(),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(fatal_, IsEmpty());
  Tick(3);
}

// P45: its votes are forgotten, so its name must be, too.
TEST_F(HostTest, NoReplicaComesBackButALaterOne) {
  Open();
  ASSERT_OK(Create(20));
  EXPECT_THAT(Create(19), StatusIs(absl::StatusCode::kFailedPrecondition));
  // It knows nobody, so who tells it that it was removed is not believed.
  SayRemoved(1, 20);
  Run();
  EXPECT_NE(host_->Find(kPartition), nullptr);
  // A leader speaks to a later one: this one is no member any more.
  EXPECT_THAT(Create(30), StatusIs(absl::StatusCode::kUnavailable));
  Run();
  EXPECT_THAT(store_->dropped, ElementsAre(20));
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  EXPECT_THAT(Create(20), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Create(19), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(Create(30));
  EXPECT_EQ(host_->Find(kPartition)->replica(), ReplicaId{30});
  EXPECT_THAT(events_, ElementsAre("+5", "-5", "+5"));
  Run();
  Close();
  OpenStore();
  Open();
  EXPECT_EQ(host_->Find(kPartition)->replica(), ReplicaId{30});
}

TEST_F(HostTest, WhileOneGoesNoneIsMade) {
  Start(Voters(3));
  SayRemoved(1, 2);
  RunTasks();
  EXPECT_THAT(store_->dropped, ElementsAre(2));
  EXPECT_THAT(Create(30), StatusIs(absl::StatusCode::kUnavailable));
  Run();
  EXPECT_OK(Create(30));
}

TEST_F(HostTest, CallersOfAReplicaThatGoesAreSentElsewhere) {
  Start(Alone());
  std::optional<Reply<session::Applied>> reply;
  Propose(Completion<session::Applied>(
      [&](Reply<session::Applied> r) { reply = std::move(r); }));
  RunTasks();
  const std::shared_ptr<Partition> kept = host_->Find(kPartition);
  Supersede();
  RunTasks();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->refusal.outcome, Outcome::kUnknown);

  // Who still has it is refused, too, and holds its data.
  bool destroyed = false;
  std::shared_ptr<void> owned(nullptr, [&](void*) { destroyed = true; });
  kept->AddLeaderListener([owned = std::move(owned)](const LeaderInfo&) {
    ADD_FAILURE() << "it does not listen any more";
  });
  kept->Propose({.kind = CommandRequest::Kind::kOpenSession},
                Completion<session::Applied>(
                    [&](Reply<session::Applied> r) { reply = std::move(r); }));
  EXPECT_EQ(reply->refusal.outcome, Outcome::kNotProposed);
  EXPECT_THAT(reply->refusal.status,
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("is not on this node")));
  Run();
  EXPECT_TRUE(destroyed);
  EXPECT_THAT(store_->dropped, IsEmpty());
}

TEST_F(HostTest, ListenersAreDestroyedWithTheReplica) {
  Start(Alone());
  bool destroyed = false;
  std::shared_ptr<void> owned(nullptr, [&](void*) { destroyed = true; });
  host_->Find(kPartition)
      ->AddLeaderListener([owned = std::move(owned)](const LeaderInfo&) {});
  Run();
  EXPECT_FALSE(destroyed);
  Supersede();
  Run();
  EXPECT_TRUE(destroyed);
}

// Its data must not be dropped under a write: the rows would be left behind,
// and be taken for those of the next replica.
TEST_F(HostTest, WhatIsOnItsWayToTheDiskComesFirst) {
  Start(Alone());
  for (int i = 0; i < 20; ++i) Propose();
  Tick();
  RunTasks();
  memory_->SyncStep();  // Committed: a checkpoint is due.
  Tick();
  RunTasks();
  memory_->SyncStep();
  RunTasks();
  ASSERT_TRUE(memory_->has_pending_images());
  Propose();
  RunTasks();
  ASSERT_TRUE(memory_->has_pending_writes());
  ASSERT_GE(store_->outstanding(), 2);

  Supersede();
  RunTasks();
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  EXPECT_THAT(store_->dropped, IsEmpty());
  memory_->SyncStep();
  RunTasks();
  EXPECT_THAT(store_->dropped, IsEmpty());
  while (memory_->has_pending_images()) memory_->ImageStep();
  RunTasks();
  EXPECT_THAT(store_->dropped, ElementsAre(1));
  Run();
  EXPECT_OK(Create(20));
}

// The same for what it reads for others: entries, and a pinned image.
TEST_F(HostTest, WhatItReadsForOthersComesFirst) {
  options_.node = NodeId{1};
  options_.raft.log_memory_bytes = 1;
  Start(Voters(3));
  Tick(1);
  Say(2, 1, 1, raft::PreVoteReply{.granted = true});
  RunTasks();
  Run();
  Say(2, 1, 1, raft::RequestVoteReply{.granted = true});
  Run();
  const auto acknowledge = [&](uint64_t index) {
    Say(2, 1, 1,
        raft::AppendEntriesReply{.accepted = true, .index = Index{index}});
    Run();
  };
  acknowledge(1);
  ASSERT_TRUE(host_->Find(kPartition)->serving());
  for (int i = 0; i < 8; ++i) Propose();
  Run();
  acknowledge(9);
  // A checkpoint, and another one, and what is behind the image is trimmed.
  for (uint64_t last = 10; last < 14; ++last) {
    Tick();
    Run();
    acknowledge(last);
  }
  for (int i = 0; i < 8; ++i) Propose();
  Run();
  ASSERT_GT(store_->LoadPartition(kPartition)->first_index, Index{2});
  // Replica 3 gives its first sign of life.
  Say(3, 1, 1, raft::AppendEntriesReply{});
  RunTasks();
  Say(3, 1, 1, raft::HeartbeatReply{});
  RunTasks();
  Tick();
  ASSERT_TRUE(memory_->has_pending_reads());

  SayRemoved(2, 1);
  RunTasks();
  EXPECT_EQ(host_->Find(kPartition), nullptr);
  while (memory_->has_pending_writes()) memory_->SyncStep();
  while (memory_->has_pending_images()) memory_->ImageStep();
  RunTasks();
  EXPECT_THAT(store_->dropped, IsEmpty());
  while (memory_->has_pending_reads()) memory_->ReadStep();
  RunTasks();
  EXPECT_THAT(store_->dropped, ElementsAre(1));
}

TEST_F(HostTest, ADiskThatFailsWhileAReplicaIsDroppedEndsTheNode) {
  Start(Voters(3));
  SayRemoved(1, 2);
  RunTasks();
  disk_.FailNextSync(absl::DataLossError("sync failed"));
  Run();
  EXPECT_THAT(fatal_, SizeIs(1));
  EXPECT_THAT(Create(30), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(HostTest, OneThatIsRemovedWhileTheNodeStopsStaysForTheNextStart) {
  Start(Voters(3));
  host_->Stop();
  SayRemoved(1, 2);
  Run();
  EXPECT_THAT(store_->dropped, IsEmpty());
  Close();
  OpenStore();
  EXPECT_OK(store_->LoadPartition(kPartition).status());
}

TEST_F(HostTest, OthersGoOnWhileOneGoes) {
  ASSERT_OK(store_->CreatePartition(kOther, Alone()));
  Start(Voters(3));
  SayRemoved(1, 2);
  Run();
  EXPECT_THAT(host_->All(), SizeIs(1));
  EXPECT_TRUE(host_->Find(kOther)->serving());
}

// The leader's last image may be older than the entry that added this replica:
// then it is no member of what it knows, until it has the entries behind it.
TEST_F(HostTest, AReplicaWithAnImageOlderThanItselfStartsAgain) {
  session::testing::Replica state;
  state.Open();
  state.Checkpoint();
  state.WriteImage();
  const session::testing::KeptImage image = state.image();
  ASSERT_OK(store_->CreateReplica(kPartition, ReplicaId{20}));
  storage::ImageBatch batch;
  batch.partition = kPartition;
  batch.generation = 1;
  for (const session::EncodedRow& row : image.rows) {
    batch.rows.push_back({.table = static_cast<uint16_t>(row.table),
                          .key = row.key,
                          .checkpoint = row.checkpoint,
                          .erased = row.erased,
                          .value = row.value});
  }
  store_->WriteImage(std::move(batch));
  memory_->ImageStep();
  storage::LogWrite write;
  write.partition = kPartition;
  write.hard_state = raft::HardState{.term = Term{3}};
  write.image =
      storage::ImagePointer{.position = {.index = Index{image.header.log_index},
                                         .term = Term{image.header.term},
                                         .time_ns = image.header.time_ns,
                                         .chain = 4711},
                            .command_index = image.header.command_index,
                            .configuration = Voters(3),
                            .generation = 1,
                            .checkpoint = image.header.checkpoint,
                            .machine_version = image.header.machine_version,
                            .digest = image.header.digest};
  const raft::Position position = write.image->position;
  ASSERT_LT(position.index, Index{20});
  store_->Write(std::move(write));
  memory_->SyncStep();

  Open();
  Run();
  const auto partition = host_->Find(kPartition);
  ASSERT_NE(partition, nullptr);
  EXPECT_FALSE(partition->out_of_service());
  EXPECT_EQ(partition->replica(), ReplicaId{20});
  EXPECT_EQ(transport_.told.back(), "5: replica 20 of 3");

  storage::LogBuilder log(kPartition, position);
  raft::AppendEntries append{.prev_index = position.index,
                             .prev_term = position.term,
                             .prev_chain = position.chain};
  append.entries.push_back(log.Next(3, ""));
  Say(1, 20, 3, std::move(append));
  Run();
  const auto reply = LastSent<raft::AppendEntriesReply>();
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->accepted);
  EXPECT_EQ(reply->index, position.index + 1);
}

}  // namespace
}  // namespace partition
