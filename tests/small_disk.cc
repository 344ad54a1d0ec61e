#include "tests/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/check.h"

namespace tests {

int EnterMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return errno;
  }
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0
                                                                        : errno;
}

SmallDisk::SmallDisk(const std::string& path, const std::string& size)
    : path_(path) {
  std::filesystem::create_directories(path_);
  const std::string options = "size=" + size;
  CHECK_EQ(mount("tmpfs", path_.c_str(), "tmpfs", 0, options.c_str()), 0)
      << path_ << ": " << strerror(errno);
}

SmallDisk::~SmallDisk() { umount2(path_.c_str(), MNT_DETACH); }

void SmallDisk::Fill(int64_t leave_bytes) {
  const int fd = open((path_ + "/others").c_str(), O_CREAT | O_WRONLY, 0644);
  CHECK_GE(fd, 0) << strerror(errno);
  struct statvfs space = {};
  CHECK_EQ(statvfs(path_.c_str(), &space), 0);
  const auto free = static_cast<int64_t>(space.f_bavail * space.f_frsize);
  // A server that writes meanwhile may be quicker: then it is full as well.
  if (free > leave_bytes) {
    const int failed =
        posix_fallocate(fd, lseek(fd, 0, SEEK_END), free - leave_bytes);
    CHECK(failed == 0 || failed == ENOSPC) << strerror(failed);
  }
  close(fd);
}

void SmallDisk::MakeSpace() { std::filesystem::remove(path_ + "/others"); }

}  // namespace tests
