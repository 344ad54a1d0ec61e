#include "storage/reserve_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"

namespace storage {
namespace {

// UINT64_MAX if the file system does not say.
uint64_t FreeBytesOf(int fd) {
  struct statvfs space = {};
  if (fstatvfs(fd, &space) != 0) return std::numeric_limits<uint64_t>::max();
  return uint64_t{space.f_bavail} * space.f_frsize;
}

}  // namespace

bool ReserveFile::ReleaseIfNeeded() {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const uint64_t free = FreeBytesOf(fd);
  close(fd);
  if (free >= bytes_ || unlink(path_.c_str()) != 0) return false;
  LOG(WARNING) << "the disk is full, " << free << " bytes are free: " << path_
               << " is deleted to make room for the start";
  return true;
}

void ReserveFile::Keep(uint64_t spare_bytes) {
  const int fd =
      open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return;  // It is there, most likely.
  const uint64_t free = FreeBytesOf(fd);
  // Not posix_fallocate, which writes zeros where space cannot be set aside.
  const bool kept = free >= bytes_ && free - bytes_ >= spare_bytes &&
                    fallocate(fd, 0, 0, static_cast<off_t>(bytes_)) == 0;
  close(fd);
  if (!kept) unlink(path_.c_str());
}

}  // namespace storage
