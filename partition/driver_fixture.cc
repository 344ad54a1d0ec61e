#include "partition/driver_fixture.h"

#include "base/crc32c.h"

namespace partition {

namespace disk = ::multiraft::disk::v1;

raft::Entry LeaderLog::Add(raft::Term term, const std::string& bytes) {
  raft::Entry entry{
      .term = term,
      .index = last_.index + 1,
      .type = bytes.empty() ? raft::EntryType::kNoop : raft::EntryType::kApp,
      .time_ns = last_.time_ns,
      .payload_crc = base::Crc32c(bytes),
      .payload = std::make_shared<const std::string>(bytes)};
  entry.chain = raft::ChainOf(last_.chain, kFixturePartition, entry);
  last_ = raft::PositionOf(entry);
  return entry;
}

void DriverFixture::Open(const std::vector<uint64_t>& voters, Options options) {
  raft::Configuration configuration;
  for (const uint64_t id : voters) {
    configuration.voters.push_back(raft::ReplicaId{id});
    configuration.members.push_back(
        {.replica = raft::ReplicaId{id},
         .node = base::NodeId{static_cast<uint32_t>(id)},
         .peer_address = "peer:" + std::to_string(id),
         .api_address = "api:" + std::to_string(id)});
  }
  CHECK(store_.CreatePartition(kFixturePartition, configuration).ok());
  Open(std::move(options));
}

void DriverFixture::Open(Options options) {
  options.id = kFixturePartition;
  options.node = base::NodeId{2};
  auto opened = Partition::Open(
      options,
      {.clock = clock_,
       .executor = line_,
       .store = store_,
       .transport = network_,
       .registry = registry_,
       .disk = &disk_gate_,
       .loader = &loader_},
      /*seed=*/1,
      {.on_failure = [](Failure f) { ADD_FAILURE() << f.status; },
       .on_event =
           [this](const ReplicaEvent& event) { events_.push_back(event); }});
  CHECK(opened.ok()) << opened.status();
  partition_ = *std::move(opened);
  partition_->Start();
  Run();
}

void DriverFixture::Run() {
  while (line_.RunOne() || loader_.RunOne() || store_.has_pending()) {
    if (store_.has_pending_reads()) store_.ReadStep();
    if (store_.has_pending_images()) store_.ImageStep();
    if (store_.has_pending_writes()) store_.SyncStep();
  }
}

void DriverFixture::Tick() {
  clock_.now_ns += static_cast<int64_t>(raft::Config{}.tick_ns);
  partition_->Tick();
  Run();
}

void DriverFixture::Step(raft::ReplicaId from, raft::Term term,
                         decltype(raft::Message::body) body) {
  partition_->Step({{.from = from,
                     .to = partition_->replica(),
                     .term = term,
                     .body = std::move(body)}});
}

void DriverFixture::StepNote(raft::ReplicaId from, decltype(Note::body) body) {
  partition_->StepNote(
      {.from = from, .to = partition_->replica(), .body = std::move(body)});
}

session::Applied DriverFixture::Propose(const disk::Command& command) {
  std::optional<session::Applied> result;
  partition_->Propose(
      {.bytes = command.SerializeAsString()},
      Completion<session::Applied>([&](Reply<session::Applied> reply) {
        EXPECT_TRUE(reply.ok()) << reply.refusal.status;
        result = std::move(reply.value);
      }));
  Run();
  CHECK(result.has_value());
  return *std::move(result);
}

void DriverFixture::ProposeOnly(const disk::Command& command) {
  partition_->Propose({.bytes = command.SerializeAsString()},
                      Completion<session::Applied>([](const auto&) {}));
  Run();
}

PartitionStatus DriverFixture::Status() {
  std::optional<PartitionStatus> status;
  partition_->GetStatus(
      [&](PartitionStatus found) { status = std::move(found); });
  RunTasks();
  CHECK(status.has_value());
  return *std::move(status);
}

absl::Status DriverFixture::Resume() {
  std::optional<absl::Status> result;
  partition_->ResumeApplying(
      [&](absl::Status status) { result = std::move(status); });
  RunTasks();
  CHECK(result.has_value());
  return *std::move(result);
}

disk::Command DriverFixture::OpenSession(uint64_t timeout_ns) {
  disk::Command command;
  command.mutable_open_session()->set_timeout_ns(timeout_ns);
  return command;
}

disk::Command DriverFixture::Checkpoint() {
  disk::Command command;
  command.mutable_checkpoint();
  return command;
}

}  // namespace partition
