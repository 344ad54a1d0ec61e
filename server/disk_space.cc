#include "server/disk_space.h"

#include <sys/statvfs.h>

#include <limits>
#include <utility>

namespace server {
namespace {

constexpr int kLookEveryMs = 100;

}  // namespace

uint64_t FreeBytes(const std::string& directory) {
  struct statvfs space = {};
  if (statvfs(directory.c_str(), &space) != 0) {
    return std::numeric_limits<uint64_t>::max();
  }
  return uint64_t{space.f_bavail} * space.f_frsize;
}

uint64_t DiskBytes(const std::string& directory) {
  struct statvfs space = {};
  if (statvfs(directory.c_str(), &space) != 0) {
    return std::numeric_limits<uint64_t>::max();
  }
  return uint64_t{space.f_blocks} * space.f_frsize;
}

DiskSpace::DiskSpace(uint64_t reserve_bytes,
                     std::function<uint64_t()> free_bytes,
                     std::function<void(const State&)> on_change)
    : reserve_bytes_(reserve_bytes),
      free_bytes_(std::move(free_bytes)),
      on_change_(std::move(on_change)) {
  Look();
  thread_.emplace("disk-space", kLookEveryMs, [this] {
    Look();
    return true;
  });
}

void DiskSpace::Look() {
  const uint64_t free = free_bytes_();
  last_free_bytes_.store(free);
  const uint64_t enough =
      low_ ? reserve_bytes_ + reserve_bytes_ / 8 : reserve_bytes_;
  const bool low = free < enough;
  if (low == low_) return;
  low_ = low;
  on_change_({.free_bytes = free, .reserve_bytes = reserve_bytes_, .low = low});
}

}  // namespace server
