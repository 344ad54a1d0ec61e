#include "partition/host.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "partition/membership.h"
#include "partition/stopped_partition.h"

namespace partition {

namespace {

// Partitions that are made at the same time.
constexpr size_t kMakingMax = 1024;

// What the store has for one partition is damaged, or made by a newer version;
// the store itself works.
bool IsOfOnePartition(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

class Host::Impl : public std::enable_shared_from_this<Host::Impl> {
 public:
  Impl(const Options& options, const HostPorts& ports, uint64_t seed,
       absl::AnyInvocable<void(absl::Status)> on_fatal)
      : options_(options),
        ports_(ports),
        undurable_(
            std::make_shared<NodeUndurable>(options.undurable_node_bytes_max)),
        on_fatal_(std::move(on_fatal)),
        random_(seed) {}

  absl::Status OpenAll();
  void Start() ABSL_LOCKS_EXCLUDED(mu_);
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  std::shared_ptr<Partition> Find(base::PartitionId id) const
      ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<std::shared_ptr<Partition>> All() const ABSL_LOCKS_EXCLUDED(mu_);

  // What a new partition begins with: who it is, or what it knows.
  struct Wanted {
    raft::ReplicaId replica;
    std::optional<raft::Configuration> configuration;
  };
  void Create(base::PartitionId id, Wanted wanted, Created created);

 private:
  // A partition on this node. What is made or leaves is in the table too, so
  // that nothing else is done with it meanwhile.
  struct Place {
    enum class Stage : uint8_t { kMaking, kHere, kLeaving };
    Stage stage = Stage::kMaking;
    uint64_t number = 0;                   // Of those that ever were.
    raft::ReplicaId replica;               // 0: not known.
    std::shared_ptr<Partition> partition;  // kHere.
    bool ended = false;  // Nothing refers to its data any more.
  };

  void ScheduleTick();
  Place& NewPlace(base::PartitionId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::shared_ptr<Partition>> AllLocked() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // REQUIRES: it has a place.
  absl::StatusOr<std::shared_ptr<Partition>> OpenOne(base::PartitionId id)
      ABSL_LOCKS_EXCLUDED(mu_);
  void StartOne(Partition& partition);
  void Failed(base::PartitionId id, Failure failure);

  // OK: there is a place for it, and it is to be made.
  absl::Status TakePlace(base::PartitionId id, raft::ReplicaId replica)
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Make(base::PartitionId id, const Wanted& wanted)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Takes it out of service for good; its data follows.
  void Remove(base::PartitionId id) ABSL_LOCKS_EXCLUDED(mu_);
  void Ended(base::PartitionId id, uint64_t number) ABSL_LOCKS_EXCLUDED(mu_);
  void DropLater(base::PartitionId id);
  void Drop(base::PartitionId id) ABSL_LOCKS_EXCLUDED(mu_);
  void Dropped(base::PartitionId id, absl::Status status)
      ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  const HostPorts ports_;
  const std::shared_ptr<NodeUndurable> undurable_;  // Of all partitions.
  absl::AnyInvocable<void(absl::Status)> on_fatal_;
  std::atomic<bool> fatal_{false};

  // Held briefly; never while a partition may be destroyed.
  mutable base::Mutex mu_;
  std::map<base::PartitionId, Place> places_ ABSL_GUARDED_BY(mu_);
  uint64_t last_number_ ABSL_GUARDED_BY(mu_) = 0;
  size_t making_ ABSL_GUARDED_BY(mu_) = 0;
  base::Random random_ ABSL_GUARDED_BY(mu_);
  size_t next_executor_ ABSL_GUARDED_BY(mu_) = 0;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

// --- The node's start and end ------------------------------------------------

absl::Status Host::Impl::OpenAll() {
  ASSIGN_OR_RETURN(const std::vector<base::PartitionId> ids,
                   ports_.store.ListPartitions());
  std::vector<absl::Status> stopped;
  for (const base::PartitionId id : ids) {
    {
      base::MutexLock lock(mu_);
      NewPlace(id);
    }
    absl::StatusOr<std::shared_ptr<Partition>> opened = OpenOne(id);
    if (!opened.ok()) {
      if (!IsOfOnePartition(opened.status())) return opened.status();
      stopped.push_back(opened.status());
      opened = std::make_shared<StoppedPartition>(id, opened.status());
    }
    base::MutexLock lock(mu_);
    Place& place = places_[id];
    place.stage = Place::Stage::kHere;
    place.replica = (*opened)->replica();
    place.partition = *std::move(opened);
  }
  if (!stopped.empty() && stopped.size() == ids.size()) return stopped.front();
  for (const absl::Status& status : stopped) {
    LOG(ERROR) << "out of service: " << status;
  }
  return absl::OkStatus();
}

Host::Impl::Place& Host::Impl::NewPlace(base::PartitionId id) {
  Place& place = places_[id];
  place.number = ++last_number_;
  return place;
}

absl::StatusOr<std::shared_ptr<Partition>> Host::Impl::OpenOne(
    base::PartitionId id) {
  Executor* executor = nullptr;
  uint64_t seed = 0;
  uint64_t number = 0;
  {
    base::MutexLock lock(mu_);
    executor = ports_.executors[next_executor_++ % ports_.executors.size()];
    seed = random_.Next();
    number = places_.at(id).number;
  }
  Options options = options_;
  options.id = id;
  const std::weak_ptr<Impl> weak = weak_from_this();
  return Partition::Open(
      options,
      {.clock = ports_.clock,
       .executor = *executor,
       .store = ports_.store,
       .transport = ports_.transport,
       .registry = ports_.registry,
       .disk = ports_.disk,
       .loader = ports_.loader,
       .undurable = undurable_},
      seed,
      {.on_failure =
           [weak, id](Failure failure) {
             if (auto impl = weak.lock()) impl->Failed(id, std::move(failure));
           },
       .on_removed =
           [weak, id] {
             if (auto impl = weak.lock()) impl->Remove(id);
           },
       .on_event = ports_.on_event,
       .life = std::shared_ptr<void>(nullptr, [weak, id, number](void*) {
         if (auto impl = weak.lock()) impl->Ended(id, number);
       })});
}

void Host::Impl::Failed(base::PartitionId id, Failure failure) {
  {
    // A store that is closed says that it is not available.
    base::MutexLock lock(mu_);
    if (stopped_) return;
  }
  if (!failure.of_disk) {
    if (ports_.on_stopped) ports_.on_stopped(id, failure.status);
  } else if (!fatal_.exchange(true)) {
    on_fatal_(std::move(failure.status));
  }
}

void Host::Impl::StartOne(Partition& partition) {
  if (ports_.on_added) ports_.on_added(partition);
  partition.Start();
}

void Host::Impl::Start() {
  std::vector<std::shared_ptr<Partition>> all;
  {
    base::MutexLock lock(mu_);
    started_ = true;
    all = AllLocked();
  }
  for (const auto& partition : all) StartOne(*partition);
  ScheduleTick();
}

// One timer ticks all partitions of the node.
void Host::Impl::ScheduleTick() {
  ports_.timer.PostAfter(options_.raft.tick_ns, [self = shared_from_this()] {
    {
      base::MutexLock lock(self->mu_);
      if (self->stopped_) return;
    }
    for (const auto& partition : self->All()) partition->Tick();
    self->ScheduleTick();
  });
}

void Host::Impl::Stop() {
  {
    base::MutexLock lock(mu_);
    stopped_ = true;
  }
  for (const auto& partition : All()) partition->Stop(StopReason::kShutdown);
}

std::shared_ptr<Partition> Host::Impl::Find(base::PartitionId id) const {
  base::MutexLock lock(mu_);
  const auto found = places_.find(id);
  return found == places_.end() ? nullptr : found->second.partition;
}

std::vector<std::shared_ptr<Partition>> Host::Impl::All() const {
  base::MutexLock lock(mu_);
  return AllLocked();
}

std::vector<std::shared_ptr<Partition>> Host::Impl::AllLocked() const {
  std::vector<std::shared_ptr<Partition>> all;
  all.reserve(places_.size());
  for (const auto& [id, place] : places_) {
    if (place.partition != nullptr) all.push_back(place.partition);
  }
  return all;
}

// --- Those that come ---------------------------------------------------------

void Host::Impl::Create(base::PartitionId id, Wanted wanted, Created created) {
  const absl::Status status = TakePlace(id, wanted.replica);
  if (!status.ok()) {
    if (created == nullptr) return;
    // To ask for a replica again is not wrong.
    const bool is_here =
        absl::IsAlreadyExists(status) && !wanted.configuration.has_value();
    return created(is_here ? absl::OkStatus() : status);
  }
  ports_.loader->Post([self = shared_from_this(), id,
                       wanted = std::move(wanted),
                       created = std::move(created)]() mutable {
    const absl::Status made = self->Make(id, wanted);
    LOG(INFO) << "partition " << id << ": replica " << wanted.replica
              << " is made here: " << made;
    if (created != nullptr) created(made);
  });
}

absl::Status Host::Impl::TakePlace(base::PartitionId id,
                                   raft::ReplicaId replica) {
  const auto refusal = [id](auto... what) {
    return absl::StrCat("partition ", id.value(), ": ", what...);
  };
  if (ports_.loader == nullptr) {
    return absl::FailedPreconditionError(
        refusal("partitions do not come and go on this node"));
  }
  const bool is_new_group = replica == raft::ReplicaId{};
  if (!is_new_group && replica <= ports_.store.DroppedReplica(id)) {
    return absl::FailedPreconditionError(
        refusal("replica ", replica.value(), " was removed from this node"));
  }
  {
    base::MutexLock lock(mu_);
    if (stopped_) return absl::UnavailableError("the server is shutting down");
    const auto found = places_.find(id);
    if (found == places_.end()) {
      if (making_ >= kMakingMax) {
        return absl::UnavailableError(
            refusal(making_, " others are being made"));
      }
      ++making_;
      NewPlace(id).replica = replica;
      return absl::OkStatus();
    }
    const Place& place = found->second;
    switch (place.stage) {
      case Place::Stage::kMaking:
        return absl::UnavailableError(refusal("it is being made"));
      case Place::Stage::kLeaving:
        return absl::UnavailableError(
            refusal("replica ", place.replica.value(), " is being removed"));
      case Place::Stage::kHere:
        break;
    }
    if (is_new_group || replica == place.replica) {
      return absl::AlreadyExistsError(
          refusal("replica ", place.replica.value(), " is here"));
    }
    // Of one that could not be loaded it is not known what is here: perhaps
    // this one, whose votes must not be forgotten.
    if (place.replica == raft::ReplicaId{} || replica < place.replica) {
      return absl::FailedPreconditionError(
          refusal("replica ", place.replica.value(), " is here, not ",
                  replica.value()));
    }
  }
  // No node has two replicas of a partition: the one that is here was removed
  // before the other was added, and missed that.
  Remove(id);
  return absl::UnavailableError(refusal("its former replica goes first"));
}

absl::Status Host::Impl::Make(base::PartitionId id, const Wanted& wanted) {
  absl::Status status =
      wanted.configuration.has_value()
          ? ports_.store.CreatePartition(id, *wanted.configuration)
          : ports_.store.CreateReplica(id, wanted.replica);
  using Opened = absl::StatusOr<std::shared_ptr<Partition>>;
  Opened opened = status.ok() ? OpenOne(id) : Opened(status);
  if (!opened.ok() && status.ok() && IsOfOnePartition(opened.status())) {
    status = opened.status();
    opened = std::make_shared<StoppedPartition>(id, status);
  }
  // The store itself has failed, or is closed.
  if (absl::IsUnavailable(opened.status())) {
    Failed(id, {.status = opened.status(), .of_disk = true});
  }
  bool start = false;
  std::shared_ptr<Partition> partition;
  {
    base::MutexLock lock(mu_);
    --making_;
    const auto place = places_.find(id);
    CHECK(place != places_.end());
    if (!opened.ok() || stopped_) {
      // If it was made, the next start finds it.
      places_.erase(place);
      return opened.ok() ? absl::UnavailableError("the server is shutting down")
                         : opened.status();
    }
    partition = *std::move(opened);
    place->second.stage = Place::Stage::kHere;
    if (partition->replica() != raft::ReplicaId{}) {
      place->second.replica = partition->replica();
    }
    place->second.partition = partition;
    start = started_;
  }
  // Otherwise Start does.
  if (start) StartOne(*partition);
  return status;
}

// --- Those that go -----------------------------------------------------------

void Host::Impl::Remove(base::PartitionId id) {
  std::shared_ptr<Partition> partition;
  bool ended = false;
  {
    base::MutexLock lock(mu_);
    const auto found = places_.find(id);
    // While the node ends it stays: the next start sees that it was removed.
    if (stopped_ || ports_.loader == nullptr || found == places_.end() ||
        found->second.stage != Place::Stage::kHere) {
      return;
    }
    Place& place = found->second;
    place.stage = Place::Stage::kLeaving;
    partition = std::exchange(place.partition, nullptr);
    ended = place.ended;
  }
  partition->Stop(StopReason::kRemoved);
  if (ports_.on_removed) ports_.on_removed(id);
  if (ended) DropLater(id);
}

void Host::Impl::Ended(base::PartitionId id, uint64_t number) {
  {
    base::MutexLock lock(mu_);
    const auto found = places_.find(id);
    if (found == places_.end() || found->second.number != number) return;
    found->second.ended = true;
    if (found->second.stage != Place::Stage::kLeaving || stopped_) return;
  }
  DropLater(id);
}

void Host::Impl::DropLater(base::PartitionId id) {
  ports_.loader->Post([self = shared_from_this(), id] { self->Drop(id); });
}

void Host::Impl::Drop(base::PartitionId id) {
  raft::ReplicaId replica;
  {
    base::MutexLock lock(mu_);
    if (stopped_) return;
    replica = places_.at(id).replica;
  }
  ports_.transport.SetMembers(id, raft::ReplicaId{}, {});
  ports_.store.DropReplica(
      id, replica, [self = shared_from_this(), id](absl::Status status) {
        self->Dropped(id, std::move(status));
      });
}

void Host::Impl::Dropped(base::PartitionId id, absl::Status status) {
  raft::ReplicaId replica;
  {
    base::MutexLock lock(mu_);
    const auto place = places_.find(id);
    CHECK(place != places_.end());
    replica = place->second.replica;
    if (status.ok()) places_.erase(place);
  }
  if (!status.ok()) {
    return Failed(id, {.status = std::move(status), .of_disk = true});
  }
  LOG(INFO) << "partition " << id << ": replica " << replica
            << " and its data are gone from this node";
}

// --- The door ----------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Host>> Host::Open(
    const Options& options, const HostPorts& ports, uint64_t seed,
    absl::AnyInvocable<void(absl::Status)> on_fatal) {
  CHECK(!ports.executors.empty());
  auto impl = std::make_shared<Impl>(options, ports, seed, std::move(on_fatal));
  RETURN_IF_ERROR(impl->OpenAll());
  return std::unique_ptr<Host>(new Host(std::move(impl)));
}

Host::Host(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Host::~Host() = default;

void Host::Start() { impl_->Start(); }

void Host::Stop() { impl_->Stop(); }

void Host::Receive(base::PartitionId partition,
                   std::vector<raft::Message> messages) {
  if (auto found = Find(partition)) found->Step(std::move(messages));
}

void Host::ReceiveImage(base::PartitionId partition, ImageMessage message) {
  if (auto found = Find(partition)) found->StepImage(std::move(message));
}

void Host::ReceiveNote(base::PartitionId partition, Note note) {
  if (auto found = Find(partition)) found->StepNote(std::move(note));
}

std::shared_ptr<Partition> Host::Find(base::PartitionId id) const {
  return impl_->Find(id);
}

std::vector<std::shared_ptr<Partition>> Host::All() const {
  return impl_->All();
}

void Host::Create(base::PartitionId partition, raft::ReplicaId replica,
                  Created created) {
  if (replica <= raft::ReplicaId{kInitialReplicasMax}) {
    if (created == nullptr) return;
    return created(absl::FailedPreconditionError(
        absl::StrCat("partition ", partition.value(), ": replica ",
                     replica.value(), " is one that it began with")));
  }
  impl_->Create(partition, {.replica = replica}, std::move(created));
}

void Host::CreateWith(base::PartitionId partition,
                      const raft::Configuration& configuration,
                      Created created) {
  impl_->Create(partition, {.configuration = configuration},
                std::move(created));
}

}  // namespace partition
