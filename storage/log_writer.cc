#include "storage/log_writer.h"

#include <utility>

#include "base/check.h"
#include "storage/worker_thread.h"

namespace storage {

LogWriter::LogWriter(Database& database, const FileSystem& file_system,
                     Watermark& watermark, Fence& fence, Extents extents)
    : database_(database),
      file_system_(file_system),
      watermark_(watermark),
      fence_(fence),
      gathering_{.batch = database.NewBatch()},
      extents_(std::move(extents)),
      thread_([this] {
        NameThisThread("log-writer", /*low=*/false);
        Run();
      }) {}

LogWriter::~LogWriter() { Stop(); }

void LogWriter::Write(LogWrite write) {
  bool wake = false;
  bool stopped = false;
  {
    base::MutexLock lock(mu_);
    stopped = stopping_;
    if (!stopped) {
      const auto extent = extents_.find(write.partition);
      CHECK(extent != extents_.end())
          << "write to partition " << write.partition
          << ", which does not exist";
      EncodeLogWrite(write, extent->second, gathering_.batch);
      gathering_.done.push_back(std::move(write.done));
      wake = std::exchange(idle_, false);
    }
  }
  if (wake) queued_.Signal();
  if (stopped && write.done) {
    write.done(absl::UnavailableError("the store is closed"));
  }
}

bool LogWriter::Create(base::PartitionId partition,
                       const raft::Configuration& configuration, Done done) {
  {
    base::MutexLock lock(mu_);
    if (extents_.contains(partition)) return false;
    if (!stopping_) {
      extents_[partition] =
          EncodeNewPartition(partition, configuration, gathering_.batch);
      gathering_.done.push_back(std::move(done));
      idle_ = false;
    }
  }
  queued_.Signal();
  if (done) done(absl::UnavailableError("the store is closed"));
  return true;
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
  }
  queued_.Signal();
  if (thread_.joinable()) thread_.join();
}

void LogWriter::Run() {
  Gathering writing{.batch = database_.NewBatch()};
  while (true) {
    {
      base::MutexLock lock(mu_);
      while (gathering_.done.empty() && !stopping_) {
        idle_ = true;
        queued_.Wait(mu_);
      }
      idle_ = false;
      if (gathering_.done.empty()) return;
      std::swap(gathering_, writing);
    }
    Complete(writing);
    writing.batch.Clear();
    writing.done.clear();
  }
}

void LogWriter::Complete(Gathering& gathered) {
  const absl::Status result = WriteSynced(gathered.batch);
  for (Done& done : gathered.done) {
    if (done) done(result);
  }
}

absl::Status LogWriter::WriteSynced(DatabaseBatch& batch) {
  if (fence_.raised()) return fence_.status();
  if (batch.empty()) return absl::OkStatus();  // All before it is durable.

  // What RocksDB holds now is in the log before `batch` and durable with it.
  const uint64_t before = database_.latest_sequence();
  const absl::Status written =
      database_.Write(batch, Database::Durability::kSynced);
  if (!written.ok()) fence_.Raise(written);
  // Also when another thread raised it meanwhile: after a failed sync of the
  // same log no later success counts (P32).
  if (fence_.raised()) return fence_.status();
  watermark_.Advance(
      {.sequence = before + batch.size(), .log = file_system_.newest_log()});
  batches_.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace storage
