// DiskGate tells the partitions of a node that its disk is about to be full
// (D6, U10-U12). Until there is space again they take no commands and no
// entries, hand leadership over and do not stand for election; votes are still
// kept, reads are still answered, and nothing has to be restarted afterwards.
//
// Thread-safe.

#ifndef PARTITION_DISK_GATE_H_
#define PARTITION_DISK_GATE_H_

#include <atomic>
#include <cstdint>

namespace partition {

class DiskGate {
 public:
  void Set(bool low, uint64_t free_bytes, uint64_t reserve_bytes) {
    free_bytes_.store(free_bytes, std::memory_order_relaxed);
    reserve_bytes_.store(reserve_bytes, std::memory_order_relaxed);
    low_.store(low, std::memory_order_release);
  }

  bool is_low() const { return low_.load(std::memory_order_acquire); }
  // When it became low, or was enough again.
  uint64_t free_bytes() const {
    return free_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t reserve_bytes() const {
    return reserve_bytes_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> low_{false};
  std::atomic<uint64_t> free_bytes_{0};
  std::atomic<uint64_t> reserve_bytes_{0};
};

}  // namespace partition

#endif  // PARTITION_DISK_GATE_H_
