#include "sim/small_cluster.h"

#include <utility>
#include <vector>

#include "atomix/multiraft/counter/v1/fsm.pb.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "base/check.h"
#include "primitive/registry.h"
#include "raft/configuration.h"
#include "sim/commands.h"

namespace sim {
namespace {

namespace pb = ::atomix::multiraft::counter::v1;

constexpr base::PartitionId kPartition{1};
constexpr uint64_t kSessionNs = 3600 * kSeconds;
constexpr uint64_t kAttemptNs = 1 * kSeconds;
constexpr uint64_t kLookNs = 5 * kMillis;
constexpr uint64_t kThinkNs = 3 * kMillis;
// How many commands the client acknowledges at once.
constexpr uint64_t kKeepAliveEvery = 50;

const session::PrimitiveType& CounterType() {
  return *primitive::BuiltinRegistry().FindByName("counter");
}

raft::Configuration Voters(uint32_t nodes) {
  raft::Configuration configuration;
  for (uint32_t i = 1; i <= nodes; ++i) {
    configuration.voters.push_back(raft::ReplicaId{i});
    configuration.members.push_back(
        {.replica = raft::ReplicaId{i}, .node = base::NodeId{i}});
  }
  return configuration;
}

partition::Options PartitionOptions() {
  partition::Options options;
  options.raft.tick_ns = 20 * kMillis;
  options.checkpoint_interval_ns = 500 * kMillis;
  options.log_keep_bytes = 64 << 10;
  options.image_chunk_bytes = 64;  // A row at a time.
  options.version_ask_ns = 100 * kMillis;
  options.digest_retry_ns = 500 * kMillis;
  options.scrub_period_ns = 500 * kMillis;
  return options;
}

}  // namespace

SmallCluster::SmallCluster(const SmallClusterOptions& options, uint64_t seed)
    : random_(seed),
      network_(loop_, {.lose_one_in = options.lose_one_in}, random_.Next()) {
  for (uint32_t i = 1; i <= options.nodes; ++i) {
    NodeOptions own{.id = base::NodeId{i}, .partition = PartitionOptions()};
    own.partitions[kPartition] = Voters(options.nodes);
    const auto version = options.machine_version_max.find(i);
    if (version != options.machine_version_max.end()) {
      own.partition.limits.machine_version_max = version->second;
    }
    const auto registry = options.registries.find(i);
    nodes_[i] = std::make_unique<Node>(loop_, network_,
                                       registry != options.registries.end()
                                           ? *registry->second
                                           : primitive::BuiltinRegistry(),
                                       own, random_.Next(), *this);
    nodes_[i]->set_on_exit(
        [this, i](absl::Status status) { exits_[i] = std::move(status); });
    CHECK(nodes_[i]->Start().ok());
  }
  session_ = Do(OpenSessionRequest(kSessionNs)).session;
  const session::Applied created =
      Do(CreatePrimitiveRequest({session_, session::SequenceNum{++sequence_}},
                                CounterType().type_strings.front(), "counter"));
  ::atomix::multiraft::v1::CreatePrimitiveOutput output;
  CHECK(output.ParseFromString(created.output.result.output));
  counter_ = session::PrimitiveId{output.primitive_id()};
}

SmallCluster::~SmallCluster() {
  for (auto& [id, node] : nodes_) {
    if (node->is_up()) node->Crash(Disk::Loss::kNothing);
  }
}

// --- Nodes -------------------------------------------------------------------

uint32_t SmallCluster::Leader() const {
  for (const auto& [id, node] : nodes_) {
    const auto one = node->Find(kPartition);
    if (one != nullptr && one->serving()) return id;
  }
  return 0;
}

partition::PartitionStatus SmallCluster::StatusOf(uint32_t id) {
  const auto one = node(id).Find(kPartition);
  CHECK(one != nullptr);
  auto status = std::make_shared<std::optional<partition::PartitionStatus>>();
  one->GetStatus(
      [status](partition::PartitionStatus&& now) { *status = std::move(now); });
  loop_.RunUntil(loop_.now_ns() + 1 * kSeconds,
                 [&] { return status->has_value(); });
  CHECK(status->has_value());
  return **status;
}

void SmallCluster::Isolate(uint32_t id) {
  for (const auto& [other, node] : nodes_) {
    network_.Cut(base::NodeId{id}, base::NodeId{other});
    network_.Cut(base::NodeId{other}, base::NodeId{id});
  }
}

void SmallCluster::Join(uint32_t id) {
  for (const auto& [other, node] : nodes_) {
    network_.Heal(base::NodeId{id}, base::NodeId{other});
    network_.Heal(base::NodeId{other}, base::NodeId{id});
  }
}

void SmallCluster::Restart(uint32_t id, Disk::Loss loss) {
  if (node(id).is_up()) node(id).Crash(loss);
  CHECK(node(id).Start().ok());
}

bool SmallCluster::RunUntil(const std::function<bool()>& condition,
                            uint64_t ns_max) {
  const uint64_t end = loop_.now_ns() + ns_max;
  while (!condition()) {
    if (loop_.now_ns() >= end) return false;
    RunFor(kLookNs);
  }
  return true;
}

// --- The client --------------------------------------------------------------

void SmallCluster::Attempt(const partition::CommandRequest& request,
                           std::function<void(session::Applied)> done) {
  const auto again = [this, request, done] {
    loop_.After(kLookNs, [this, request, done] { Attempt(request, done); });
  };
  const uint32_t leader = Leader();
  if (leader == 0) return again();
  // Whichever comes first: an answer, a refusal, or time.
  const auto ended = std::make_shared<bool>(false);
  node(leader)
      .Find(kPartition)
      ->Propose(request, partition::Completion<session::Applied>(
                             [=](partition::Reply<session::Applied> reply) {
                               if (std::exchange(*ended, true)) return;
                               if (!reply.ok()) return again();
                               done(std::move(reply.value));
                             }));
  loop_.After(kAttemptNs, [=] {
    if (!std::exchange(*ended, true)) again();
  });
}

session::Applied SmallCluster::Do(const partition::CommandRequest& request) {
  std::optional<session::Applied> result;
  Attempt(request, [&](session::Applied applied) { result = applied; });
  CHECK(RunUntil([&] { return result.has_value(); }));
  return *result;
}

void SmallCluster::Work() {
  working_ = true;
  Increment();
}

void SmallCluster::Finish() {
  working_ = false;
  CHECK(RunUntil([this] { return !under_way_; }));
}

void SmallCluster::Increment() {
  if (!working_) return;
  under_way_ = true;
  pb::IncrementInput input;
  input.set_delta(1);
  const session::CommandKey key{session_, session::SequenceNum{++sequence_}};
  Attempt(OperationRequest(key, counter_, CounterType(), "Increment",
                           input.SerializeAsString()),
          [this](const session::Applied& applied) {
            CHECK(applied.outcome == session::Applied::Outcome::kAnswered);
            ++acknowledged_;
            under_way_ = false;
            if (sequence_ % kKeepAliveEvery == 0) KeepAlive();
            loop_.After(kThinkNs, [this] { Increment(); });
          });
}

void SmallCluster::KeepAlive() {
  Attempt(KeepAliveRequest(session_, sequence_, {}, {}),
          [](const session::Applied&) {});
}

std::optional<int64_t> SmallCluster::Read(uint32_t id) {
  std::optional<int64_t> value;
  RunUntil([&] {
    value = ReadOnce(id);
    return value.has_value();
  });
  return value;
}

std::optional<int64_t> SmallCluster::ReadOnce(uint32_t id) {
  const auto one = node(id).Find(kPartition);
  if (one == nullptr) return std::nullopt;
  const auto reply =
      std::make_shared<std::optional<partition::Reply<session::QueryAnswer>>>();
  partition::QueryRequest request;
  request.query = {.session = session_,
                   .sequence = session::SequenceNum{++sequence_},
                   .primitive = counter_,
                   .type = &CounterType(),
                   .operation = &OperationNamed(CounterType(), "Get"),
                   .input = pb::GetInput().SerializeAsString()};
  one->RunQuery(std::move(request),
                partition::Completion<session::QueryAnswer>(
                    [reply](partition::Reply<session::QueryAnswer> answer) {
                      *reply = std::move(answer);
                    }));
  RunUntil([&] { return reply->has_value(); }, 10 * kSeconds);
  if (!reply->has_value() || !(*reply)->ok()) return std::nullopt;
  pb::GetOutput output;
  CHECK(output.ParseFromString((*reply)->value.result.output));
  return output.value();
}

}  // namespace sim
