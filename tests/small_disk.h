// SmallDisk is a disk that a test can fill: a tmpfs in a mount namespace of the
// process's own, which goes with the process and is there for its children.
//
// Used by one thread.

#ifndef TESTS_SMALL_DISK_H_
#define TESTS_SMALL_DISK_H_

#include <cstdint>
#include <string>

namespace tests {

// 0, or the errno that says why this machine does not let us have mounts of our
// own. REQUIRES: the process has no second thread yet.
int EnterMountNamespace();

class SmallDisk {
 public:
  // Makes the directory `path` and mounts `size` ("256m") there.
  // REQUIRES: EnterMountNamespace has returned 0.
  SmallDisk(const std::string& path, const std::string& size);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  const std::string& path() const { return path_; }

  // Somebody else's file takes all but so many bytes.
  void Fill(int64_t leave_bytes);
  // That file is removed.
  void MakeSpace();

 private:
  const std::string path_;
};

}  // namespace tests

#endif  // TESTS_SMALL_DISK_H_
