// Do not change: on disk.
//
//   offset 0    slot: magic u32 ("mrwm"), sequence u64, log u64,
//                     crc32c of the 20 bytes before u32
//   offset 512  slot
//
// Big-endian. Advance writes the slots in turn, so that a torn write leaves the
// other one; the higher valid sequence counts. A file that ends behind the
// first slot, as it is for a moment when it is made, has no second one.

#include "storage/watermark.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"

namespace storage {
namespace {

constexpr uint32_t kMagic = 0x6d72776d;  // "mrwm"
constexpr size_t kSlotBytes = 24;
constexpr off_t kSlotOffsets[2] = {0, 512};
constexpr size_t kFileBytes = 512 + kSlotBytes;

std::string EncodeSlot(const Watermark::Mark& mark) {
  std::string slot;
  base::AppendU32(slot, kMagic);
  base::AppendU64(slot, mark.sequence);
  base::AppendU64(slot, mark.log);
  base::AppendU32(slot, base::Crc32c(slot));
  return slot;
}

std::optional<Watermark::Mark> DecodeSlot(absl::string_view slot) {
  base::Reader reader(slot);
  const uint32_t magic = reader.U32();
  Watermark::Mark mark;
  mark.sequence = reader.U64();
  mark.log = reader.U64();
  const uint32_t crc = reader.U32();
  if (!reader.done() || magic != kMagic ||
      crc != base::Crc32c(slot.substr(0, kSlotBytes - 4))) {
    return std::nullopt;
  }
  return mark;
}

absl::Status Errno(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

std::optional<Watermark::Mark> ReadSlot(int fd, int slot) {
  char bytes[kSlotBytes];
  const ssize_t size = pread(fd, bytes, sizeof(bytes), kSlotOffsets[slot]);
  return DecodeSlot(absl::string_view(bytes, size < 0 ? 0 : size));
}

// Makes the file what its first slot says before it gets its length: a crash in
// between leaves a whole first slot, or an empty file.
bool WriteNewFile(int fd) {
  const std::string slot = EncodeSlot(Watermark::Mark());
  return pwrite(fd, slot.data(), slot.size(), kSlotOffsets[0]) ==
             static_cast<ssize_t>(slot.size()) &&
         fsync(fd) == 0;
}

}  // namespace

// The file, open and mapped.
class Watermark::Page {
 public:
  // Takes over `fd`.
  explicit Page(int fd) : fd_(fd) {}
  ~Page() {
    if (bytes_ != MAP_FAILED) munmap(bytes_, kFileBytes);
    close(fd_);
  }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  // Makes the file long enough, and maps it; false, with errno, if that cannot
  // be. The blocks are allocated here: where none is to be had a store into the
  // page would end the process (SIGBUS).
  bool Map() {
    if (lseek(fd_, 0, SEEK_END) < static_cast<off_t>(kFileBytes)) {
      const int error = posix_fallocate(fd_, 0, kFileBytes);
      if (error != 0) {
        errno = error;
        return false;
      }
      if (fsync(fd_) != 0) return false;
    }
    bytes_ =
        mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    return bytes_ != MAP_FAILED;
  }

  // REQUIRES: mapped.
  void Write(int slot, const std::string& bytes) {
    // Never both slots half written, whenever the kernel takes the page.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::memcpy(static_cast<char*>(bytes_) + kSlotOffsets[slot], bytes.data(),
                bytes.size());
  }

  bool Sync() { return msync(bytes_, kFileBytes, MS_SYNC) == 0; }

 private:
  const int fd_;
  void* bytes_ = MAP_FAILED;
};

absl::StatusOr<std::unique_ptr<Watermark>> Watermark::Open(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Errno("cannot open", path);
  auto page = std::make_unique<Page>(fd);
  const std::optional<Mark> first = ReadSlot(fd, 0);
  const std::optional<Mark> second = ReadSlot(fd, 1);
  const bool created = !first.has_value() && !second.has_value();
  const Mark marks[2] = {first.value_or(Mark()), second.value_or(Mark())};
  const int slot = marks[1].sequence > marks[0].sequence ? 1 : 0;
  if (created) {
    if (lseek(fd, 0, SEEK_END) > 0) {
      return absl::DataLossError(
          absl::StrCat("the watermark file ", path, " is damaged"));
    }
    if (!WriteNewFile(fd)) return Errno("cannot write", path);
  }
  if (!page->Map()) return Errno("cannot map", path);
  return std::unique_ptr<Watermark>(
      new Watermark(std::move(page), marks[slot], slot, created));
}

Watermark::Watermark(std::unique_ptr<Page> page, const Mark& opened_at,
                     int slot, bool created)
    : page_(std::move(page)),
      opened_at_(opened_at),
      created_(created),
      sequence_(opened_at.sequence),
      slot_(slot) {}

Watermark::~Watermark() = default;

void Watermark::Advance(const Mark& mark) {
  if (mark.sequence <= sequence_) return;
  sequence_ = mark.sequence;
  slot_ = 1 - slot_;
  page_->Write(slot_, EncodeSlot(mark));
  dirty_.store(true, std::memory_order_release);
}

absl::Status Watermark::Sync() {
  if (!dirty_.exchange(false, std::memory_order_acq_rel)) {
    return absl::OkStatus();
  }
  if (!page_->Sync()) {
    return absl::UnavailableError(
        absl::StrCat("cannot sync the watermark: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace storage
