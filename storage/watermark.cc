// Do not change: on disk.
//
//   offset 0    slot: magic u32, sequence u64, crc32c of the 12 bytes u32
//   offset 512  slot
//
// Big-endian. Advance writes the slots in turn, so that a torn write leaves the
// other one; the higher valid number counts.

#include "storage/watermark.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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
constexpr size_t kSlotBytes = 16;
constexpr off_t kSlotOffsets[2] = {0, 512};

std::string EncodeSlot(uint64_t sequence) {
  std::string slot;
  base::AppendU32(slot, kMagic);
  base::AppendU64(slot, sequence);
  base::AppendU32(slot, base::Crc32c(slot));
  return slot;
}

std::optional<uint64_t> DecodeSlot(absl::string_view slot) {
  base::Reader reader(slot);
  const uint32_t magic = reader.U32();
  const uint64_t sequence = reader.U64();
  const uint32_t crc = reader.U32();
  if (!reader.done() || magic != kMagic ||
      crc != base::Crc32c(slot.substr(0, kSlotBytes - 4))) {
    return std::nullopt;
  }
  return sequence;
}

absl::Status Errno(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

bool WriteSlot(int fd, int slot, uint64_t sequence) {
  const std::string bytes = EncodeSlot(sequence);
  return pwrite(fd, bytes.data(), bytes.size(), kSlotOffsets[slot]) ==
         static_cast<ssize_t>(bytes.size());
}

std::optional<uint64_t> ReadSlot(int fd, int slot) {
  char bytes[kSlotBytes];
  const ssize_t size = pread(fd, bytes, sizeof(bytes), kSlotOffsets[slot]);
  return DecodeSlot(absl::string_view(bytes, size < 0 ? 0 : size));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Watermark>> Watermark::Open(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Errno("cannot open", path);
  const std::optional<uint64_t> first = ReadSlot(fd, 0);
  const std::optional<uint64_t> second = ReadSlot(fd, 1);
  const bool created = !first.has_value() && !second.has_value();
  const int slot = second.value_or(0) > first.value_or(0) ? 1 : 0;
  const uint64_t sequence = std::max(first.value_or(0), second.value_or(0));
  if (created) {
    if (lseek(fd, 0, SEEK_END) > 0) {
      close(fd);
      return absl::DataLossError(
          absl::StrCat("the watermark file ", path, " is damaged"));
    }
    if (!WriteSlot(fd, 0, 0) || fsync(fd) != 0) {
      const absl::Status error = Errno("cannot write", path);
      close(fd);
      return error;
    }
  }
  return std::unique_ptr<Watermark>(new Watermark(fd, sequence, slot, created));
}

Watermark::Watermark(int fd, uint64_t opened_at, int slot, bool created)
    : fd_(fd),
      opened_at_(opened_at),
      created_(created),
      sequence_(opened_at),
      slot_(slot) {}

Watermark::~Watermark() { close(fd_); }

void Watermark::Advance(uint64_t sequence) {
  if (sequence <= sequence_) return;
  sequence_ = sequence;
  slot_ = 1 - slot_;
  if (WriteSlot(fd_, slot_, sequence)) {
    dirty_.store(true, std::memory_order_release);
  }
}

absl::Status Watermark::Sync() {
  if (!dirty_.exchange(false, std::memory_order_acq_rel)) {
    return absl::OkStatus();
  }
  if (fdatasync(fd_) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot sync the watermark: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace storage
