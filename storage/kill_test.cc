// Processes that write and are killed with SIGKILL at random moments: whatever
// one of them was told is durable, the next finds (D1, P28, U1).

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log_builder.h"
#include "storage/store.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

constexpr uint32_t kPartitions = 4;
constexpr int kRounds = 12;
constexpr uint64_t kInFlight = 8;

// Shared between the writer and its parent; what was written before a SIGKILL
// is there.
struct Shared {
  std::atomic<uint64_t> acknowledged[kPartitions];  // Last index of each.
};

// Lets at most kInFlight in at once.
class Window {
 public:
  void Enter() {
    base::MutexLock lock(mu_);
    while (inside_ == kInFlight) changed_.Wait(mu_);
    ++inside_;
  }
  void Leave() {
    base::MutexLock lock(mu_);
    --inside_;
    changed_.Signal();
  }

 private:
  base::Mutex mu_;
  base::CondVar changed_;
  uint64_t inside_ ABSL_GUARDED_BY(mu_) = 0;
};

// The writer sends one byte down here for each acknowledged write.
constexpr int kProgressFd = 3;
static_assert(std::atomic<uint64_t>::is_always_lock_free);

Shared* MapShared(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  PCHECK(fd >= 0) << path;
  PCHECK(ftruncate(fd, sizeof(Shared)) == 0);
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  PCHECK(memory != MAP_FAILED);
  close(fd);
  return static_cast<Shared*>(memory);
}

std::unique_ptr<Store> OpenStore(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.identity = {.cluster = "kill",
                      .node = base::NodeId{1},
                      .mode = "single",
                      .partitions = kPartitions};
  options.write_buffer_bytes = 64 << 10;  // Flushes and log switches as well.
  options.wal_bytes_max = 256 << 10;
  auto store = Store::Open(std::move(options));
  CHECK(store.ok()) << store.status();
  return *std::move(store);
}

// One partition's writes, kInFlight of them at once. Each also trims and moves
// the image pointer now and then.
void WriteForEver(Store& store, Shared& shared, uint32_t number) {
  const base::PartitionId partition{number + 1};
  (void)store.CreatePartition(partition, OneVoter());
  auto stored = store.LoadPartition(partition);
  CHECK(stored.ok()) << stored.status();
  LogBuilder log(partition, stored->entries.empty()
                                ? stored->image.position
                                : raft::PositionOf(stored->entries.back()));
  Window window;
  while (true) {
    window.Enter();
    LogWrite write{.partition = partition,
                   .entries = {log.Next(1, std::string(300, 'k'))}};
    const raft::Position at = log.position();
    if (at.index.value() % 50 == 0) {
      write.image = ImagePointer{.position = at,
                                 .configuration = OneVoter(),
                                 .checkpoint = at.index.value()};
      write.trim_below = at.index - 10;
    }
    write.done = [&, index = at.index.value()](absl::Status status) {
      CHECK(status.ok()) << status;
      shared.acknowledged[number] = index;
      PCHECK(::write(kProgressFd, "", 1) == 1);
      window.Leave();
    };
    store.Write(std::move(write));
  }
}

[[noreturn]] void RunWriter(const std::string& directory,
                            const std::string& shared_path) {
  Shared& shared = *MapShared(shared_path);
  std::unique_ptr<Store> store = OpenStore(directory);
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < kPartitions; ++number) {
    threads.emplace_back([&, number] { WriteForEver(*store, shared, number); });
  }
  threads.front().join();
  std::abort();
}

struct Writer {
  pid_t pid;
  int progress;  // To be read.
};

Writer StartWriter(const std::string& directory, const std::string& shared) {
  int ends[2];
  PCHECK(pipe2(ends, O_CLOEXEC) == 0);
  const pid_t pid = fork();
  PCHECK(pid >= 0);
  if (pid == 0) {
    if (ends[1] == kProgressFd) {
      fcntl(kProgressFd, F_SETFD, 0);
    } else {
      dup2(ends[1], kProgressFd);
    }
    execl("/proc/self/exe", "kill_test", "--writer", directory.c_str(),
          shared.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  return {.pid = pid, .progress = ends[0]};
}

TEST(KillTest, EverythingAcknowledgedBeforeASigkillIsThere) {
  const TestDirectory directory;
  const TestDirectory shared_file;
  Shared& shared = *MapShared(shared_file.path());
  base::Random random(20);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const Writer writer = StartWriter(directory.path(), shared_file.path());
    // Killed after a random number of writes, wherever it then is.
    for (uint64_t left = 1 + random.Below(500); left > 0; --left) {
      char byte;
      ASSERT_EQ(read(writer.progress, &byte, 1), 1) << "the writer died";
    }
    int status = 0;
    ASSERT_EQ(kill(writer.pid, SIGKILL), 0);
    ASSERT_EQ(waitpid(writer.pid, &status, 0), writer.pid);
    close(writer.progress);
    ASSERT_TRUE(WIFSIGNALED(status));

    std::unique_ptr<Store> store = OpenStore(directory.path());
    for (uint32_t number = 0; number < kPartitions; ++number) {
      const uint64_t acknowledged = shared.acknowledged[number];
      auto stored = store->LoadPartition(base::PartitionId{number + 1});
      if (acknowledged == 0 && !stored.ok()) continue;  // Not created yet.
      ASSERT_OK(stored.status());
      const uint64_t last = stored->entries.empty()
                                ? stored->image.position.index.value()
                                : stored->entries.back().index.value();
      EXPECT_GE(last, acknowledged);
      EXPECT_LE(last, acknowledged + kInFlight);
      shared.acknowledged[number] = last;  // Found, so never to be lost.
    }
  }
}

}  // namespace
}  // namespace storage

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--writer") == 0) {
    storage::RunWriter(argv[2], argv[3]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
