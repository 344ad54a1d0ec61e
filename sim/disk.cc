#include "sim/disk.h"

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/check.h"
#include "raft/configuration.h"

namespace sim {

// The store of one process: hands everything to a MemoryStore, whose steps it
// puts on the event loop. An event that finds the process gone does nothing.
class Disk::Driven : public storage::LogStore,
                     public std::enable_shared_from_this<Disk::Driven> {
 public:
  explicit Driven(Disk& disk)
      : disk_(disk),
        store_(std::make_unique<storage::MemoryStore>(disk.disk_)) {}

  // --- LogStore -------------------------------------------------------------

  absl::StatusOr<std::vector<base::PartitionId>> ListPartitions() override {
    return store_->ListPartitions();
  }
  absl::Status CreatePartition(
      base::PartitionId partition,
      const raft::Configuration& configuration) override {
    return store_->CreatePartition(partition, configuration);
  }
  raft::ReplicaId DroppedReplica(base::PartitionId partition) override {
    return store_->DroppedReplica(partition);
  }
  absl::Status CreateReplica(base::PartitionId partition,
                             raft::ReplicaId replica) override {
    absl::Status status = store_->CreateReplica(partition, replica);
    if (status.ok()) disk_.observer_.OnCreated(partition, replica);
    return status;
  }
  void DropReplica(base::PartitionId partition, raft::ReplicaId replica,
                   absl::AnyInvocable<void(absl::Status)> done) override {
    const raft::ReplicaId tombstone =
        disk_.options_.forgets_tombstones ? raft::ReplicaId{1} : replica;
    store_->DropReplica(
        partition, tombstone,
        [this, partition, replica,
         done = std::move(done)](absl::Status status) mutable {
          if (status.ok()) disk_.observer_.OnDropped(partition, replica);
          told_.push_back(
              [done = std::move(done), status = std::move(status)]() mutable {
                done(status);
              });
        });
    ScheduleSync();
  }
  absl::StatusOr<storage::StoredPartition> LoadPartition(
      base::PartitionId partition) override {
    return store_->LoadPartition(partition);
  }
  absl::StatusOr<std::unique_ptr<storage::ImageReader>> OpenImage(
      base::PartitionId partition) override {
    return store_->OpenImage(partition);
  }

  void Write(storage::LogWrite write) override {
    DiskWrite copy{.partition = write.partition,
                   .hard_state = write.hard_state,
                   .entries = write.entries,
                   .image = write.image,
                   .keeps_log = write.keeps_log,
                   .trim_below = write.trim_below};
    disk_.observer_.OnQueued(copy);
    write.done = [this, copy = std::move(copy),
                  done = std::move(write.done)](absl::Status status) mutable {
      if (status.ok()) disk_.observer_.OnDurable(copy);
      told_.push_back([done = std::move(done),
                       status = std::move(status)]() mutable { done(status); });
    };
    store_->Write(std::move(write));
    ScheduleSync();
  }

  void WriteImage(storage::ImageBatch batch) override {
    store_->WriteImage(std::move(batch));
    ScheduleImage();
  }

  void ReadEntries(
      base::PartitionId partition, raft::Index from, uint64_t bytes_max,
      absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)> done)
      override {
    store_->ReadEntries(partition, from, bytes_max, std::move(done));
    ScheduleRead();
  }

  void PinImage(base::PartitionId partition,
                absl::AnyInvocable<void(absl::StatusOr<storage::PinnedImage>)>
                    done) override {
    store_->PinImage(partition, std::move(done));
    ScheduleRead();
  }
  void ReadImage(storage::ImagePin pin,
                 std::optional<storage::ImageRowId> after, uint64_t bytes_max,
                 absl::AnyInvocable<void(absl::StatusOr<storage::ImageSlice>)>
                     done) override {
    store_->ReadImage(pin, std::move(after), bytes_max, std::move(done));
    ScheduleRead();
  }
  void UnpinImage(storage::ImagePin pin) override {
    if (store_ != nullptr) store_->UnpinImage(pin);
  }

  // --- End ------------------------------------------------------------------

  void Close() {
    store_ = nullptr;  // Completes what is queued.
    Tell();
  }
  void Die() {
    store_->Abandon();
    store_ = nullptr;
    told_.clear();
  }

 private:
  template <class Step>
  void After(uint64_t delay_ns, Step step) {
    disk_.loop_.After(delay_ns, [weak = weak_from_this(), step] {
      auto self = weak.lock();
      if (self != nullptr && self->store_ != nullptr) step(*self);
    });
  }

  // True: the machine failed, and this store with it.
  bool Fails(DiskMoment moment) { return disk_.observer_.FailsHere(moment); }

  // One sync is under way at a time; what is queued meanwhile waits for it.
  void ScheduleSync() {
    if (syncing_) return;
    syncing_ = true;
    After(0, [](Driven& self) { self.StartSync(); });
  }

  void StartSync() {
    if (Fails(DiskMoment::kQueued)) return;
    store_->AppendStep();
    if (Fails(DiskMoment::kAppended)) return;
    const DiskOptions& options = disk_.options_;
    uint64_t delay_ns =
        disk_.random_.Between(options.sync_ns_min, options.sync_ns_max);
    if (options.stall_one_in != 0 &&
        disk_.random_.OneIn(options.stall_one_in)) {
      delay_ns += options.stall_ns;
    }
    After(delay_ns, [](Driven& self) { self.FinishSync(); });
  }

  void FinishSync() {
    // Its completions are kept back for a moment.
    store_->SyncStep();
    if (Fails(DiskMoment::kSynced)) return;
    Tell();
    syncing_ = false;
    if (Fails(DiskMoment::kReported)) return;
    if (store_->has_pending_writes()) ScheduleSync();
  }

  void Tell() {
    auto told = std::exchange(told_, {});
    for (absl::AnyInvocable<void()>& tell : told) tell();
  }

  // Each read takes its own time; they are answered in order.
  void ScheduleRead() {
    After(disk_.random_.Below(disk_.options_.image_ns_max + 1),
          [](Driven& self) { self.store_->ReadStep(); });
  }

  void ScheduleImage() {
    if (imaging_) return;
    imaging_ = true;
    After(disk_.random_.Below(disk_.options_.image_ns_max + 1),
          [](Driven& self) {
            self.imaging_ = false;
            self.store_->ImageStep();
            if (self.Fails(DiskMoment::kImageSlice)) return;
            if (self.store_->has_pending_images()) self.ScheduleImage();
          });
  }

  Disk& disk_;
  std::unique_ptr<storage::MemoryStore> store_;  // Null: closed.
  bool syncing_ = false;
  bool imaging_ = false;
  std::vector<absl::AnyInvocable<void()>> told_;  // Durable, to be reported.
};

Disk::Disk(EventLoop& loop, const DiskOptions& options, uint64_t seed,
           DiskObserver& observer)
    : loop_(loop), options_(options), random_(seed), observer_(observer) {}

Disk::~Disk() {
  if (store_ != nullptr) Die(Loss::kNothing);
}

storage::LogStore& Disk::Open() {
  CHECK(store_ == nullptr);
  disk_.FailNextSync(absl::OkStatus());
  store_ = std::make_shared<Driven>(*this);
  return *store_;
}

void Disk::Close() {
  CHECK(store_ != nullptr);
  store_->Close();
  store_ = nullptr;
}

void Disk::Die(Loss loss) {
  CHECK(store_ != nullptr);
  store_->Die();
  store_ = nullptr;
  switch (loss) {
    case Loss::kNothing:
      return;
    case Loss::kSome:
      return disk_.Crash(random_);
    case Loss::kUnsynced:
      return disk_.CrashLosingAll();
  }
}

void Disk::FailNextSync() {
  disk_.FailNextSync(absl::DataLossError("sync: simulated I/O error"));
}

}  // namespace sim
