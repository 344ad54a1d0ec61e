#include "storage/log_writer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "storage/worker_thread.h"

namespace storage {

LogWriter::LogWriter(Database& database, const FileSystem& file_system,
                     Watermark& watermark, Fence& fence, Extents extents,
                     Tombstones tombstones)
    : database_(database),
      file_system_(file_system),
      watermark_(watermark),
      fence_(fence),
      writing_{.batch = database.NewBatch()},
      synced_(database.latest_sequence()),  // What it opened with is durable.
      gathering_{.batch = database.NewBatch()},
      extents_(std::move(extents)),
      tombstones_(std::move(tombstones)) {
  for (std::thread& thread : threads_) {
    thread = std::thread([this] {
      NameThisThread("log-writer", /*low=*/false);
      Run();
    });
  }
}

LogWriter::~LogWriter() { Stop(); }

void LogWriter::Write(LogWrite write) {
  absl::Status refused;
  {
    base::MutexLock lock(mu_);
    const auto extent = extents_.find(write.partition);
    if (stopping_) {
      refused = absl::UnavailableError("the store is closed");
    } else if (extent == extents_.end()) {
      CHECK(tombstones_.contains(write.partition))
          << "write to partition " << write.partition
          << ", which does not exist";
      refused = absl::UnavailableError("the replica was dropped");
    } else {
      EncodeLogWrite(write, extent->second, gathering_.batch);
      gathering_.done.push_back(std::move(write.done));
      Gathered();
    }
  }
  if (!refused.ok() && write.done) write.done(refused);
}

absl::Status LogWriter::Create(base::PartitionId partition,
                               const raft::Configuration& configuration,
                               Done done) {
  return CreateWith(partition, raft::ReplicaId{0}, std::move(done),
                    [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                      return EncodeNewPartition(partition, configuration,
                                                gathering_.batch);
                    });
}

absl::Status LogWriter::CreateReplica(base::PartitionId partition,
                                      raft::ReplicaId replica, Done done) {
  return CreateWith(partition, replica, std::move(done),
                    [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                      return EncodeNewReplica(partition, replica,
                                              TombstoneOf(partition),
                                              gathering_.batch);
                    });
}

template <class Encode>
absl::Status LogWriter::CreateWith(base::PartitionId partition,
                                   raft::ReplicaId replica, Done done,
                                   Encode encode) {
  {
    base::MutexLock lock(mu_);
    RETURN_IF_ERROR(CheckCanCreate(partition, replica, extents_, tombstones_));
    if (!stopping_) {
      extents_[partition] = encode();
      gathering_.done.push_back(std::move(done));
      done = nullptr;
      // Never left to the caller, who waits for it.
      if (!is_writing_) Wake();
    }
  }
  if (done) done(absl::UnavailableError("the store is closed"));
  return absl::OkStatus();
}

void LogWriter::Drop(base::PartitionId partition, raft::ReplicaId replica,
                     Done done) {
  {
    base::MutexLock lock(mu_);
    if (!stopping_) {
      CHECK_EQ(extents_.erase(partition), 1u) << "partition " << partition;
      const raft::ReplicaId dropped = std::max(replica, TombstoneOf(partition));
      tombstones_[partition] = dropped;
      EncodeDrop(partition, dropped, gathering_.batch);
      gathering_.done.push_back(std::move(done));
      done = nullptr;
      Gathered();
    }
  }
  if (done) done(absl::UnavailableError("the store is closed"));
}

void LogWriter::WriteMeta(const std::string& key,
                          const std::optional<std::string>& value, Done done) {
  {
    base::MutexLock lock(mu_);
    if (!stopping_) {
      if (value.has_value()) {
        gathering_.batch.Put(Family::kMeta, key, *value, absl::string_view());
      } else {
        gathering_.batch.Delete(Family::kMeta, key);
      }
      gathering_.done.push_back(std::move(done));
      done = nullptr;
      if (!is_writing_) Wake();
    }
  }
  if (done) done(absl::UnavailableError("the store is closed"));
}

raft::ReplicaId LogWriter::TombstoneOf(base::PartitionId partition) const {
  const auto found = tombstones_.find(partition);
  return found == tombstones_.end() ? raft::ReplicaId{0} : found->second;
}

raft::ReplicaId LogWriter::Dropped(base::PartitionId partition) const {
  base::MutexLock lock(mu_);
  return TombstoneOf(partition);
}

std::vector<base::PartitionId> LogWriter::Partitions() const {
  std::vector<base::PartitionId> partitions;
  base::MutexLock lock(mu_);
  for (const auto& [partition, extent] : extents_) {
    partitions.push_back(partition);
  }
  return partitions;
}

void LogWriter::Stop() {
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
    WakeAll();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void LogWriter::Gathered() {
  // Who writes looks at what has gathered afterwards, and so does who was
  // woken, or is on its way to sleep.
  if (is_writing_ || woken_ > 0 || sleeping_ == 0) return;
  // A lone write is its caller's. Where several share a sync, callers have
  // better to do than to wait for the disk.
  if (last_batch_ <= 1 && base::HelpScope::Promise(*this)) return;
  Wake();
}

void LogWriter::Wake() {
  if (woken_ == sleeping_) return;
  ++woken_;
  queued_.Signal();
}

void LogWriter::WakeAll() {
  woken_ = sleeping_;
  queued_.SignalAll();
}

void LogWriter::Begin() {
  is_writing_ = true;
  std::swap(gathering_, writing_);
  last_batch_ = writing_.done.size();
}

bool LogWriter::BeginNext() {
  base::MutexLock lock(mu_);
  while (is_writing_ || gathering_.done.empty()) {
    if (stopping_ && !is_writing_) return false;
    ++sleeping_;
    while (woken_ == 0) queued_.Wait(mu_);
    --woken_;
    --sleeping_;
  }
  Begin();
  return true;
}

void LogWriter::Run() {
  bool begun = false;
  while (begun || BeginNext()) {
    const absl::Status result = WriteSynced();
    // What is reported posts turns. With nothing more to write, this thread
    // need not wake another for them; otherwise the next sync comes first.
    base::HelpScope scope(/*errands_max=*/MayHelp() ? 1 : 0);
    Report(result);
    begun = End(/*goes_on=*/!scope.has_errand());
  }
}

void LogWriter::Help() {
  {
    base::MutexLock lock(mu_);
    if (is_writing_ || gathering_.done.empty()) return;
    Begin();
  }
  Report(WriteSynced());
  End(/*goes_on=*/false);
}

bool LogWriter::MayHelp() const {
  base::MutexLock lock(mu_);
  return gathering_.done.empty() && sleeping_ > woken_;
}

void LogWriter::Report(const absl::Status& result) {
  // Before the next batch may be written, by whomever: the order of durability.
  for (Done& done : writing_.done) {
    if (done) done(result);
  }
  writing_.batch.Clear();
  writing_.done.clear();
}

bool LogWriter::End(bool goes_on) {
  // Signalled under the lock: as soon as it is free, Stop may go on and this be
  // destroyed.
  base::MutexLock lock(mu_);
  is_writing_ = false;
  const bool more = !gathering_.done.empty();
  if (stopping_) WakeAll();
  if (more && goes_on) {
    Begin();
    return true;
  }
  if (more) Wake();
  return false;
}

absl::Status LogWriter::WriteSynced() {
  DatabaseBatch& batch = writing_.batch;
  if (fence_.raised()) return fence_.status();
  if (batch.empty()) return absl::OkStatus();  // All before it is durable.

  batch.ClaimSynced(synced_);
  const absl::Status written =
      database_.Write(batch, Database::Durability::kSynced);
  if (!written.ok()) fence_.Raise(written);
  // Also when another thread raised it meanwhile: after a failed sync of the
  // same log no later success counts (P32).
  if (fence_.raised()) return fence_.status();
  synced_ = batch.last_sequence();
  watermark_.Advance({.sequence = synced_, .log = file_system_.newest_log()});
  batches_.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace storage
