// Do not change: on disk.
//
//   offset 0    slot: magic u32 ("mrwm"), sequence u64, log u64,
//                     crc32c of the 20 bytes before u32
//   offset 512  slot
//
// Big-endian. Advance writes the slots in turn, so that a torn write leaves the
// other one; the higher valid sequence counts.

#include "storage/watermark.h"

#include <fcntl.h>
#include <unistd.h>

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

bool WriteSlot(int fd, int slot, const Watermark::Mark& mark) {
  const std::string bytes = EncodeSlot(mark);
  return pwrite(fd, bytes.data(), bytes.size(), kSlotOffsets[slot]) ==
         static_cast<ssize_t>(bytes.size());
}

std::optional<Watermark::Mark> ReadSlot(int fd, int slot) {
  char bytes[kSlotBytes];
  const ssize_t size = pread(fd, bytes, sizeof(bytes), kSlotOffsets[slot]);
  return DecodeSlot(absl::string_view(bytes, size < 0 ? 0 : size));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Watermark>> Watermark::Open(
    const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Errno("cannot open", path);
  const std::optional<Mark> first = ReadSlot(fd, 0);
  const std::optional<Mark> second = ReadSlot(fd, 1);
  const bool created = !first.has_value() && !second.has_value();
  const Mark marks[2] = {first.value_or(Mark()), second.value_or(Mark())};
  const int slot = marks[1].sequence > marks[0].sequence ? 1 : 0;
  const Mark& mark = marks[slot];
  if (created) {
    if (lseek(fd, 0, SEEK_END) > 0) {
      close(fd);
      return absl::DataLossError(
          absl::StrCat("the watermark file ", path, " is damaged"));
    }
    if (!WriteSlot(fd, 0, Mark()) || fsync(fd) != 0) {
      const absl::Status error = Errno("cannot write", path);
      close(fd);
      return error;
    }
  }
  return std::unique_ptr<Watermark>(new Watermark(fd, mark, slot, created));
}

Watermark::Watermark(int fd, const Mark& opened_at, int slot, bool created)
    : fd_(fd),
      opened_at_(opened_at),
      created_(created),
      sequence_(opened_at.sequence),
      slot_(slot) {}

Watermark::~Watermark() { close(fd_); }

void Watermark::Advance(const Mark& mark) {
  if (mark.sequence <= sequence_) return;
  sequence_ = mark.sequence;
  // A write that fails may tear its slot, so the next goes there again: the
  // other one stays good.
  if (WriteSlot(fd_, 1 - slot_, mark)) {
    slot_ = 1 - slot_;
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
