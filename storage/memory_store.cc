#include "storage/memory_store.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/records.h"

namespace storage {
namespace {

constexpr size_t kImageSliceBytes = 128 * 1024;

absl::Status Fenced(const absl::Status& cause) {
  return absl::UnavailableError(
      absl::StrCat("the store is fenced: ", cause.message()));
}

}  // namespace

// --- MemoryDisk --------------------------------------------------------------

class MemoryDisk::Sink : public KeyValueSink {
 public:
  explicit Sink(Batch& batch) : batch_(batch) {}

  void Put(Family family, absl::string_view key, absl::string_view head,
           absl::string_view tail) override {
    batch_.push_back({.kind = Change::kPut,
                      .family = family,
                      .key = std::string(key),
                      .value = std::make_shared<const std::string>(
                          absl::StrCat(head, tail))});
  }
  void Delete(Family family, absl::string_view key) override {
    batch_.push_back(
        {.kind = Change::kDelete, .family = family, .key = std::string(key)});
  }
  void DeleteRange(Family family, absl::string_view begin,
                   absl::string_view end) override {
    batch_.push_back({.kind = Change::kDeleteRange,
                      .family = family,
                      .key = std::string(begin),
                      .end = std::string(end)});
  }

 private:
  Batch& batch_;
};

// A cursor over its own copy of the range: what is written later cannot show.
class MemoryDisk::RangeCursor : public Cursor {
 public:
  explicit RangeCursor(Rows rows) : rows_(std::move(rows)), at_(rows_.end()) {}

  void Seek(absl::string_view key) override {
    at_ = rows_.lower_bound(std::string(key));
  }
  void SeekForPrev(absl::string_view key) override {
    at_ = rows_.upper_bound(std::string(key));
    at_ = at_ == rows_.begin() ? rows_.end() : std::prev(at_);
  }
  void Next() override { ++at_; }
  bool valid() const override { return at_ != rows_.end(); }
  absl::string_view key() const override { return at_->first; }
  absl::string_view value() const override { return *at_->second; }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  const Rows rows_;
  Rows::const_iterator at_;
};

class MemoryDisk::View : public KeyValueView {
 public:
  explicit View(const State& state) : state_(state) {}

  absl::StatusOr<std::optional<std::string>> Get(
      Family family, absl::string_view key) override {
    const Rows& rows = state_.families[static_cast<int>(family)];
    const auto found = rows.find(std::string(key));
    if (found == rows.end()) return std::optional<std::string>();
    return std::optional<std::string>(*found->second);
  }

  std::unique_ptr<Cursor> NewCursor(Family family, absl::string_view begin,
                                    absl::string_view end) override {
    const Rows& rows = state_.families[static_cast<int>(family)];
    return std::make_unique<RangeCursor>(
        Rows(rows.lower_bound(std::string(begin)),
             rows.lower_bound(std::string(end))));
  }

 private:
  const State& state_;
};

void MemoryDisk::Apply(const Batch& batch, State& state) {
  for (const Change& change : batch) {
    Rows& rows = state.families[static_cast<int>(change.family)];
    switch (change.kind) {
      case Change::kPut:
        rows[change.key] = change.value;
        break;
      case Change::kDelete:
        rows.erase(change.key);
        break;
      case Change::kDeleteRange:
        rows.erase(rows.lower_bound(change.key), rows.lower_bound(change.end));
        break;
    }
  }
}

void MemoryDisk::Append(Batch batch) {
  Apply(batch, current_);
  unsynced_.push_back(std::move(batch));
}

absl::Status MemoryDisk::Sync() {
  if (!next_sync_.ok()) {
    return std::exchange(next_sync_, absl::OkStatus());
  }
  for (const Batch& batch : unsynced_) {
    Apply(batch, durable_);
    for (const Change& change : batch) {
      synced_bytes_ += change.key.size() + change.end.size() +
                       (change.value == nullptr ? 0 : change.value->size());
    }
  }
  if (!unsynced_.empty()) ++sync_count_;
  unsynced_.clear();
  return absl::OkStatus();
}

void MemoryDisk::Crash(base::Random& random) {
  unsynced_.resize(random.Below(unsynced_.size() + 1));
  for (const Batch& batch : unsynced_) Apply(batch, durable_);
  CrashLosingAll();
}

void MemoryDisk::CrashLosingAll() {
  unsynced_.clear();
  current_ = durable_;
  next_sync_ = absl::OkStatus();
}

bool MemoryDisk::CorruptEntry(base::PartitionId partition, raft::Index index,
                              uint64_t bit) {
  const std::string key = LogKey(partition, index);
  Rows& rows = current_.families[static_cast<int>(Family::kLog)];
  const auto found = rows.find(key);
  if (found == rows.end()) return false;
  std::string value = *found->second;
  bit %= value.size() * 8;
  value[bit / 8] = static_cast<char>(value[bit / 8] ^ (1 << (bit % 8)));
  found->second = std::make_shared<const std::string>(std::move(value));
  Rows& durable = durable_.families[static_cast<int>(Family::kLog)];
  if (durable.contains(key)) durable[key] = found->second;
  return true;
}

// --- MemoryStore -------------------------------------------------------------

MemoryStore::MemoryStore(MemoryDisk& disk) : disk_(disk) {
  // As RocksDB flushes what it recovers: whoever reads it may rely on it.
  fence_ = disk_.Sync();
  MemoryDisk::View view(disk_.current_);
  absl::StatusOr<Extents> extents = ReadExtents(view);
  CHECK(extents.ok()) << extents.status();
  extents_ = *std::move(extents);
  absl::StatusOr<Tombstones> tombstones = ReadTombstones(view);
  CHECK(tombstones.ok()) << tombstones.status();
  tombstones_ = *std::move(tombstones);
}

MemoryStore::~MemoryStore() {
  const absl::Status closed = absl::UnavailableError("the store is closed");
  // A completion may queue more; that is refused just the same.
  if (fence_.ok()) fence_ = closed;
  while (!writes_.empty()) {
    auto done = std::move(writes_.front().done);
    writes_.pop_front();
    if (done) done(closed);
  }
  while (!images_.empty()) {
    auto done = std::move(images_.front().batch.done);
    images_.pop_front();
    if (done) done(closed);
  }
  while (!reads_.empty()) {
    PendingRead read = std::move(reads_.front());
    reads_.pop_front();
    read(closed);
  }
}

absl::StatusOr<std::vector<base::PartitionId>> MemoryStore::ListPartitions() {
  std::vector<base::PartitionId> partitions;
  for (const auto& [partition, extent] : extents_) {
    partitions.push_back(partition);
  }
  return partitions;
}

absl::Status MemoryStore::CreatePartition(
    base::PartitionId partition, const raft::Configuration& configuration) {
  if (!fence_.ok()) return Fenced(fence_);
  RETURN_IF_ERROR(
      CheckCanCreate(partition, raft::ReplicaId{0}, extents_, tombstones_));
  MemoryDisk::Batch batch;
  MemoryDisk::Sink sink(batch);
  extents_[partition] = EncodeNewPartition(partition, configuration, sink);
  return SyncNow(std::move(batch));
}

absl::Status MemoryStore::CreateReplica(base::PartitionId partition,
                                        raft::ReplicaId replica) {
  if (!fence_.ok()) return Fenced(fence_);
  RETURN_IF_ERROR(CheckCanCreate(partition, replica, extents_, tombstones_));
  MemoryDisk::Batch batch;
  MemoryDisk::Sink sink(batch);
  extents_[partition] =
      EncodeNewReplica(partition, replica, DroppedReplica(partition), sink);
  return SyncNow(std::move(batch));
}

absl::Status MemoryStore::SyncNow(MemoryDisk::Batch batch) {
  AppendStep();  // A durable write implies all queued before it.
  disk_.Append(std::move(batch));
  fence_ = disk_.Sync();
  return fence_.ok() ? absl::OkStatus() : Fenced(fence_);
}

raft::ReplicaId MemoryStore::DroppedReplica(base::PartitionId partition) {
  const auto found = tombstones_.find(partition);
  return found == tombstones_.end() ? raft::ReplicaId{0} : found->second;
}

void MemoryStore::DropReplica(base::PartitionId partition,
                              raft::ReplicaId replica,
                              absl::AnyInvocable<void(absl::Status)> done) {
  CHECK_EQ(extents_.erase(partition), 1u) << "partition " << partition;
  const raft::ReplicaId dropped = std::max(replica, DroppedReplica(partition));
  tombstones_[partition] = dropped;
  PendingWrite pending;
  MemoryDisk::Sink sink(pending.batch);
  EncodeDrop(partition, dropped, sink);
  pending.done = std::move(done);
  writes_.push_back(std::move(pending));
}

absl::StatusOr<StoredPartition> MemoryStore::LoadPartition(
    base::PartitionId partition) {
  if (!fence_.ok()) return Fenced(fence_);
  MemoryDisk::View view(disk_.current_);
  return ReadPartition(view, partition);
}

absl::StatusOr<std::unique_ptr<ImageReader>> MemoryStore::OpenImage(
    base::PartitionId partition) {
  MemoryDisk::View view(disk_.current_);
  return storage::ReadImage(view, partition);
}

void MemoryStore::Write(LogWrite write) {
  const auto extent = extents_.find(write.partition);
  if (extent == extents_.end()) {
    CHECK(tombstones_.contains(write.partition))
        << "write to partition " << write.partition << ", which does not exist";
    // In its turn: nothing completes outside of the steps.
    writes_.push_back(
        {.done = [done = std::move(write.done)](const absl::Status&) mutable {
          if (done) done(absl::UnavailableError("the replica was dropped"));
        }});
    return;
  }
  PendingWrite pending;
  MemoryDisk::Sink sink(pending.batch);
  EncodeLogWrite(write, extent->second, sink);
  pending.done = std::move(write.done);
  writes_.push_back(std::move(pending));
}

void MemoryStore::WriteImage(ImageBatch batch) {
  images_.push_back({.batch = std::move(batch)});
}

void MemoryStore::ReadEntries(
    base::PartitionId partition, raft::Index from, uint64_t bytes_max,
    absl::AnyInvocable<void(absl::StatusOr<std::vector<raft::Entry>>)> done) {
  reads_.push_back(
      [=, this, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return done(std::move(status));
        MemoryDisk::View view(disk_.current_);
        done(storage::ReadLog(view, partition, from, bytes_max));
      });
}

void MemoryStore::PinImage(
    base::PartitionId partition,
    absl::AnyInvocable<void(absl::StatusOr<PinnedImage>)> done) {
  reads_.push_back(
      [=, this, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return done(std::move(status));
        done(pinned_images_.Pin(OpenImage(partition)));
      });
}

void MemoryStore::ReadImage(
    ImagePin pin, std::optional<ImageRowId> after, uint64_t bytes_max,
    absl::AnyInvocable<void(absl::StatusOr<ImageSlice>)> done) {
  reads_.push_back([=, this, after = std::move(after),
                    done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    done(pinned_images_.Read(pin, after, bytes_max));
  });
}

void MemoryStore::AppendStep() {
  if (!fence_.ok()) return;
  for (; appended_ < writes_.size(); ++appended_) {
    disk_.Append(std::move(writes_[appended_].batch));
  }
}

void MemoryStore::SyncStep() {
  if (writes_.empty()) return;
  AppendStep();
  if (fence_.ok()) fence_ = disk_.Sync();
  const absl::Status result = fence_.ok() ? absl::OkStatus() : Fenced(fence_);
  // What the completions queue belongs to the next step.
  std::deque<PendingWrite> finished = std::exchange(writes_, {});
  appended_ = 0;
  for (PendingWrite& write : finished) {
    if (write.done) write.done(result);
  }
}

void MemoryStore::ImageStep() {
  if (images_.empty()) return;
  PendingImage& image = images_.front();
  if (fence_.ok()) {
    MemoryDisk::Batch batch;
    MemoryDisk::Sink sink(batch);
    EncodeImageSlice(image.batch, kImageSliceBytes, image.progress, sink);
    disk_.Append(std::move(batch));
    if (!IsComplete(image.batch, image.progress)) return;
  }
  auto done = std::move(image.batch.done);
  images_.pop_front();
  if (done) done(fence_.ok() ? absl::OkStatus() : Fenced(fence_));
}

void MemoryStore::ReadStep() {
  if (reads_.empty()) return;
  PendingRead read = std::move(reads_.front());
  reads_.pop_front();
  read(absl::OkStatus());
}

void MemoryStore::Abandon() {
  writes_.clear();
  appended_ = 0;
  images_.clear();
  reads_.clear();
}

}  // namespace storage
