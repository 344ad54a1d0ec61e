#include "sim/node.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace sim {

// What dies with the process, in the order in which it may be destroyed: the
// tasks, which refer to everything; the store; the partitions.
struct Node::Process {
  storage::LogStore* raw_store = nullptr;  // Of the disk.
  std::unique_ptr<storage::LogStore> wrapped_store;
  // The loader and the timer are last.
  std::vector<std::unique_ptr<SimExecutor>> executors;
  std::map<base::PartitionId, base::NodeId> leaders;
  std::unique_ptr<partition::Host> host;
};

Node::Node(EventLoop& loop, Network& network, const session::Registry& registry,
           const NodeOptions& options, uint64_t seed, DiskObserver& observer)
    : loop_(loop),
      network_(network),
      registry_(registry),
      options_(options),
      random_(seed),
      clock_(loop, options.clock_rate_ppm),
      disk_(loop, options.disk, random_.Next(), observer),
      port_(network.TransportOf(options.id)),
      transport_(port_.get()) {
  if (options.wrap_transport) {
    wrapped_transport_ = options.wrap_transport(*port_);
    transport_ = wrapped_transport_.get();
  }
}

Node::~Node() {
  if (is_up()) Crash(Disk::Loss::kNothing);
}

absl::Status Node::Start() {
  CHECK(!is_up());
  const uint64_t incarnation = ++incarnation_;
  process_ = std::make_unique<Process>();
  process_->raw_store = &disk_.Open();
  if (!created_) {
    for (const auto& [id, configuration] : options_.partitions) {
      RETURN_IF_ERROR(process_->raw_store->CreatePartition(id, configuration));
    }
    created_ = true;
  }
  if (on_open_) on_open_(*process_->raw_store);

  storage::LogStore* store = process_->raw_store;
  if (options_.wrap_store) {
    process_->wrapped_store = options_.wrap_store(*store);
    store = process_->wrapped_store.get();
  }
  std::vector<partition::Executor*> executors;
  for (uint64_t i = 0; i < options_.executors + 2; ++i) {
    process_->executors.push_back(std::make_unique<SimExecutor>(
        loop_, clock_, random_.Next(), options_.task_delay_ns_max));
    executors.push_back(process_->executors.back().get());
  }
  partition::Executor& timer = *executors.back();
  executors.pop_back();
  partition::Executor* const loader = executors.back();
  executors.pop_back();
  // In a run, no partition may stop by itself: that ends the process too.
  const auto exit = [this, incarnation](absl::Status status) {
    loop_.After(0, [this, incarnation, status = std::move(status)] {
      Exit(incarnation, status);
    });
  };
  partition::Options options = options_.partition;
  options.node = options_.id;
  ASSIGN_OR_RETURN(
      process_->host,
      partition::Host::Open(
          options,
          {.clock = clock_,
           .executors = std::move(executors),
           .loader = loader,
           .timer = timer,
           .store = *store,
           .transport = *transport_,
           .registry = registry_,
           .on_stopped = [exit](base::PartitionId,
                                const absl::Status& status) { exit(status); },
           .on_added =
               [process = process_.get()](partition::Partition& one) {
                 one.AddLeaderListener(
                     [process, id = one.id()](const partition::LeaderInfo& i) {
                       process->leaders[id] = i.leader_node;
                     });
               }},
          random_.Next(), exit));
  for (const auto& partition : process_->host->All()) {
    if (!partition->out_of_service()) continue;
    return absl::DataLossError(absl::StrCat(
        "partition ", partition->id().value(), " could not be loaded"));
  }
  network_.Attach(options_.id, *process_->host,
                  [host = process_->host.get()](base::PartitionId partition,
                                                raft::ReplicaId replica) {
                    host->Create(partition, replica, nullptr);
                  });
  process_->host->Start();
  return absl::OkStatus();
}

// A partition could not go on: the process ends, as the server does. What the
// page cache held when a sync failed is anybody's guess.
void Node::Exit(uint64_t incarnation, absl::Status status) {
  if (!is_up() || incarnation_ != incarnation) return;
  Crash(Disk::Loss::kSome);
  if (on_exit_) on_exit_(std::move(status));
}

void Node::Crash(Disk::Loss loss) {
  CHECK(is_up());
  network_.Detach(options_.id);
  std::unique_ptr<Process> process = std::move(process_);
  for (auto& executor : process->executors) executor->Stop();
  disk_.Die(loss);
  process->host = nullptr;
  if (loss != Disk::Loss::kNothing) {
    clock_.Reboot(static_cast<int64_t>(random_.Below(1000 * kSeconds)));
  }
}

void Node::Stop(uint64_t grace_ns) {
  CHECK(is_up());
  process_->host->Stop();
  loop_.After(grace_ns, [this, incarnation = incarnation_] {
    if (!is_up() || incarnation_ != incarnation) return;
    network_.Detach(options_.id);
    std::unique_ptr<Process> process = std::move(process_);
    disk_.Close();
    for (auto& executor : process->executors) executor->Stop();
    process->host = nullptr;
  });
}

void Node::Pause(uint64_t virtual_ns, bool suspended) {
  if (!is_up()) return;
  for (auto& executor : process_->executors) executor->Pause(virtual_ns);
  if (suspended) clock_.Suspend(virtual_ns);
}

std::shared_ptr<partition::Partition> Node::Find(base::PartitionId id) const {
  if (!is_up() || process_->host == nullptr) return nullptr;
  return process_->host->Find(id);
}

base::NodeId Node::LeaderHint(base::PartitionId id) const {
  if (!is_up()) return {};
  const auto found = process_->leaders.find(id);
  return found == process_->leaders.end() ? base::NodeId{} : found->second;
}

storage::LogStore& Node::store() const {
  CHECK(is_up());
  return *process_->raw_store;
}

}  // namespace sim
