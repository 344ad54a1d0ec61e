// The file, in the byte order of the machine that reads it again:
//
//   magic u32, partition u32, index u64, check u64

#include "base/crash_note.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace base {
namespace {

constexpr uint32_t kMagic = 0x6d72636e;
constexpr off_t kFileBytes = 4096;
constexpr int kSignals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

struct Record {
  uint32_t magic;
  uint32_t partition;
  uint64_t index;
  uint64_t check;
};

// Of this thread; partition 0: nothing. Read by the signal handler, which runs
// on the thread that dies, hence volatile is enough.
constinit thread_local volatile uint32_t now_partition = 0;
constinit thread_local volatile uint64_t now_index = 0;

std::atomic<int> note_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

// For a signal handler: nothing but arithmetic.
uint64_t CheckOf(uint32_t partition, uint64_t index) {
  return (index ^ (uint64_t{partition} << 32) ^ kMagic) *
         uint64_t{0x9e3779b97f4a7c15};
}

void WriteNote(int number) {
  // Whoever looks at errno behind this is the code that was interrupted.
  const int saved = errno;
  const int fd = note_fd.load(std::memory_order_relaxed);
  if (fd >= 0 && now_partition != 0) {
    Record record{.magic = kMagic,
                  .partition = now_partition,
                  .index = now_index,
                  .check = CheckOf(now_partition, now_index)};
    [[maybe_unused]] const ssize_t written =
        pwrite(fd, &record, sizeof(record), 0);
  }
  errno = saved;
  // The handler is gone already (SA_RESETHAND): when this returns the signal
  // comes again, and ends the process as without us.
  raise(number);
}

}  // namespace

CrashScope::CrashScope(uint32_t partition, uint64_t index) {
  now_index = index;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  now_partition = partition;
}

CrashScope::~CrashScope() { now_partition = 0; }

absl::Status KeepCrashNotes(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  const Record none{};
  if (const int error = posix_fallocate(fd, 0, kFileBytes); error != 0) {
    close(fd);
    return absl::ErrnoToStatus(error, path);
  }
  if (pwrite(fd, &none, sizeof(none), 0) != sizeof(none) || fsync(fd) != 0) {
    const absl::Status status = absl::ErrnoToStatus(errno, path);
    close(fd);
    return status;
  }
  const int old = note_fd.exchange(fd);
  if (old >= 0) {
    close(old);
    return absl::OkStatus();
  }
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = WriteNote;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int number : kSignals) {
    CHECK_EQ(sigaction(number, &action, nullptr), 0);
  }
  return absl::OkStatus();
}

std::optional<CrashNote> ReadCrashNote(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  Record record{};
  const ssize_t size = pread(fd, &record, sizeof(record), 0);
  close(fd);
  if (size != sizeof(record) || record.magic != kMagic ||
      record.partition == 0 ||
      record.check != CheckOf(record.partition, record.index)) {
    return std::nullopt;
  }
  return CrashNote{.partition = record.partition, .index = record.index};
}

}  // namespace base
