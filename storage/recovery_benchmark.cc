// How long a restart takes with full write-ahead logs: fills a directory with
// entries that are in no table yet, opens it, and prints the figures. Another
// process fills it, or this one would start with memory that a new one has yet
// to be given.
//
//   recovery_benchmark [directory [megabytes [payload bytes]]]

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "raft/configuration.h"
#include "raft/types.h"
#include "storage/store.h"

namespace storage {
namespace {

constexpr base::PartitionId kPartition{1};

StoreOptions Options(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.identity = {.cluster = "benchmark",
                      .node = base::NodeId{1},
                      .mode = "single",
                      .partitions = 1};
  return options;
}

// Of all threads. On a busy machine this says more than the clock.
double CpuMillis() {
  return static_cast<double>(std::clock()) * 1e3 / CLOCKS_PER_SEC;
}

double MillisSince(int64_t start_ns) {
  return static_cast<double>(base::SystemClock().MonotonicNanos() - start_ns) /
         1e6;
}

// Entries in writes of 256, as a busy node does.
constexpr uint64_t kWriteEntries = 256;

uint64_t EntriesIn(uint64_t bytes, size_t payload_bytes) {
  const uint64_t write_bytes = kWriteEntries * (payload_bytes + 50);
  return (bytes + write_bytes - 1) / write_bytes * kWriteEntries;
}

void Fill(const std::string& directory, uint64_t bytes, size_t payload_bytes) {
  StoreOptions options = Options(directory);
  // Everything stays in the log: no table is written.
  options.write_buffer_bytes = 4 * bytes;
  options.wal_bytes_max = 4 * bytes;
  auto store = Store::Open(std::move(options));
  CHECK(store.ok()) << store.status();
  CHECK((*store)->CreatePartition(kPartition, raft::Configuration()).ok());

  const auto payload =
      std::make_shared<const std::string>(std::string(payload_bytes, 'r'));
  const uint32_t crc = base::Crc32c(*payload);
  raft::Position last;
  const uint64_t entries = EntriesIn(bytes, payload_bytes);
  while (last.index.value() < entries) {
    LogWrite write{.partition = kPartition};
    for (uint64_t i = 0; i < kWriteEntries; ++i) {
      raft::Entry entry{.term = raft::Term{1},
                        .index = last.index + 1,
                        .type = raft::EntryType::kApp,
                        .payload_crc = crc,
                        .payload = payload};
      entry.chain = raft::ChainOf(last.chain, kPartition, entry);
      last = raft::PositionOf(entry);
      write.entries.push_back(std::move(entry));
    }
    (*store)->Write(std::move(write));
  }
  (*store)->Close();
}

void FillInAChild(const std::string& directory, uint64_t bytes,
                  size_t payload_bytes) {
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    Fill(directory, bytes, payload_bytes);
    _exit(0);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}

uint64_t LogBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(directory + "/db")) {
    if (file.path().extension() == ".log") bytes += file.file_size();
  }
  return bytes;
}

void Run(const std::string& directory, uint64_t megabytes,
         size_t payload_bytes) {
  std::filesystem::remove_all(directory);
  FillInAChild(directory, megabytes << 20, payload_bytes);
  const uint64_t entries = EntriesIn(megabytes << 20, payload_bytes);
  std::printf("%llu entries of %zu bytes, %.1f MiB of write-ahead log\n",
              static_cast<unsigned long long>(entries), payload_bytes,
              static_cast<double>(LogBytes(directory)) / (1 << 20));
  for (const char* what : {"full log", "after that"}) {
    int64_t start = base::SystemClock().MonotonicNanos();
    double cpu = CpuMillis();
    auto store = Store::Open(Options(directory));
    CHECK(store.ok()) << store.status();
    std::printf("%s: open %.0f ms (%.0f of CPU)", what, MillisSince(start),
                CpuMillis() - cpu);
    start = base::SystemClock().MonotonicNanos();
    cpu = CpuMillis();
    auto loaded = (*store)->LoadPartition(kPartition);
    CHECK(loaded.ok()) << loaded.status();
    CHECK_EQ(loaded->entries.size(), entries);
    std::printf(", load %.0f ms (%.0f of CPU)\n", MillisSince(start),
                CpuMillis() - cpu);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace storage

int main(int argc, char** argv) {
  const std::string directory =
      argc > 1 ? argv[1] : absl::StrCat("/tmp/recovery_benchmark.", getpid());
  const uint64_t full = storage::StoreOptions().wal_bytes_max >> 20;
  storage::Run(directory, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : full,
               argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 256);
  return 0;
}
