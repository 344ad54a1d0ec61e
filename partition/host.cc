#include "partition/host.h"

#include <atomic>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "partition/stopped_partition.h"

namespace partition {

namespace {

// What the store has for one partition is damaged, or made by a newer version;
// the store itself works.
bool IsOfOnePartition(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

struct Host::Impl : public std::enable_shared_from_this<Host::Impl> {
  Impl(const Options& options, const HostPorts& ports,
       absl::AnyInvocable<void(absl::Status)> on_fatal)
      : tick_ns(options.raft.tick_ns),
        timer(*ports.executors.front()),
        on_fatal(std::move(on_fatal)),
        on_stopped(ports.on_stopped) {}

  // One timer ticks all partitions of the node.
  void ScheduleTick() {
    timer.PostAfter(tick_ns, [self = shared_from_this()] {
      if (self->stopped.load()) return;
      for (auto& [id, partition] : self->partitions) partition->Tick();
      self->ScheduleTick();
    });
  }

  void Failed(base::PartitionId id, Failure failure) {
    if (!failure.of_disk) {
      if (on_stopped) on_stopped(id, failure.status);
    } else if (!fatal.exchange(true)) {
      on_fatal(std::move(failure.status));
    }
  }

  const uint64_t tick_ns;
  Executor& timer;
  absl::AnyInvocable<void(absl::Status)> on_fatal;
  const std::function<void(base::PartitionId, const absl::Status&)> on_stopped;
  std::map<base::PartitionId, std::shared_ptr<Partition>> partitions;
  std::atomic<bool> stopped{false};
  std::atomic<bool> fatal{false};
};

absl::StatusOr<std::unique_ptr<Host>> Host::Open(
    const Options& options, const HostPorts& ports, uint64_t seed,
    absl::AnyInvocable<void(absl::Status)> on_fatal) {
  CHECK(!ports.executors.empty());
  auto impl = std::make_shared<Impl>(options, ports, std::move(on_fatal));
  ASSIGN_OR_RETURN(std::vector<base::PartitionId> ids,
                   ports.store.ListPartitions());
  base::Random random(seed);
  size_t next_executor = 0;
  std::vector<absl::Status> stopped;
  for (base::PartitionId id : ids) {
    Options own = options;
    own.id = id;
    Executor& executor =
        *ports.executors[next_executor++ % ports.executors.size()];
    absl::StatusOr<std::shared_ptr<Partition>> opened = Partition::Open(
        own,
        {.clock = ports.clock,
         .executor = executor,
         .store = ports.store,
         .transport = ports.transport,
         .registry = ports.registry,
         .disk = ports.disk},
        random.Next(), [impl = impl.get(), id](Failure failure) {
          impl->Failed(id, std::move(failure));
        });
    if (opened.ok()) {
      impl->partitions[id] = *std::move(opened);
      continue;
    }
    if (!IsOfOnePartition(opened.status())) return opened.status();
    impl->partitions[id] =
        std::make_shared<StoppedPartition>(id, opened.status());
    stopped.push_back(std::move(opened).status());
  }
  if (!stopped.empty() && stopped.size() == ids.size()) return stopped.front();
  for (const absl::Status& status : stopped) {
    LOG(ERROR) << "out of service: " << status;
  }
  return std::unique_ptr<Host>(new Host(std::move(impl)));
}

Host::Host(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Host::~Host() = default;

void Host::Start() {
  for (auto& [id, partition] : impl_->partitions) partition->Start();
  impl_->ScheduleTick();
}

void Host::Stop() {
  impl_->stopped.store(true);
  for (auto& [id, partition] : impl_->partitions) partition->Stop();
}

void Host::Receive(base::PartitionId partition,
                   std::vector<raft::Message> messages) {
  if (Partition* found = Find(partition)) found->Step(std::move(messages));
}

void Host::ReceiveImage(base::PartitionId partition, ImageMessage message) {
  if (Partition* found = Find(partition)) found->StepImage(std::move(message));
}

void Host::ReceiveNote(base::PartitionId partition, Note note) {
  if (Partition* found = Find(partition)) found->StepNote(std::move(note));
}

Partition* Host::Find(base::PartitionId id) const {
  auto found = impl_->partitions.find(id);
  return found == impl_->partitions.end() ? nullptr : found->second.get();
}

std::vector<Partition*> Host::All() const {
  std::vector<Partition*> all;
  for (auto& [id, partition] : impl_->partitions) {
    all.push_back(partition.get());
  }
  return all;
}

}  // namespace partition
