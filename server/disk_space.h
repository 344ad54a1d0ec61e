// DiskSpace tells when the disk is about to be full, and when it no longer is:
// a full disk is met before it is full (D6, U10).
//
// It has a thread of its own (PeriodicThread), since asking a disk may hang.

#ifndef SERVER_DISK_SPACE_H_
#define SERVER_DISK_SPACE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "server/periodic_thread.h"

namespace server {

// Bytes that the file system of `directory` has free for us; UINT64_MAX if it
// does not say.
uint64_t FreeBytes(const std::string& directory);
// The size of that disk; as FreeBytes.
uint64_t DiskBytes(const std::string& directory);

class DiskSpace {
 public:
  struct State {
    uint64_t free_bytes = 0;
    uint64_t reserve_bytes = 0;
    bool low = false;
  };

  // Asks `free_bytes` every 100 ms. Below `reserve_bytes` the disk is low, and
  // until an eighth more than that is free again. `on_change` is told what came
  // of it, on this object's thread, and before the constructor returns if the
  // disk is low to begin with.
  DiskSpace(uint64_t reserve_bytes, std::function<uint64_t()> free_bytes,
            std::function<void(const State&)> on_change);
  DiskSpace(const DiskSpace&) = delete;
  DiskSpace& operator=(const DiskSpace&) = delete;

  // As it was last seen. Thread-safe.
  uint64_t free_bytes() const { return last_free_bytes_.load(); }
  uint64_t reserve_bytes() const { return reserve_bytes_; }

 private:
  void Look();

  const uint64_t reserve_bytes_;
  const std::function<uint64_t()> free_bytes_;
  const std::function<void(const State&)> on_change_;
  std::atomic<uint64_t> last_free_bytes_{0};
  bool low_ = false;                      // Of the thread.
  std::optional<PeriodicThread> thread_;  // Last: it uses the above.
};

}  // namespace server

#endif  // SERVER_DISK_SPACE_H_
