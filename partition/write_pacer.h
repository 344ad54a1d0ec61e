// WritePacer slows a leader's writers while a follower gets an image: the log
// behind that image stays, however long it takes, so it must not grow without a
// bound; and one slow follower must not stop everybody (D3, U18).
//
//   log behind the oldest image under way
//     up to `bound`     nothing is slowed
//     up to 2 * bound   writers get half of the rate at which image bytes
//     leave,
//                       but never less than fills the second bound only in
//                       `idle_ns`: then a transfer that stands still ends first
//     beyond            the transfer is given up, not the writers
//
// Not thread-safe: used on its partition's executor only.

#ifndef PARTITION_WRITE_PACER_H_
#define PARTITION_WRITE_PACER_H_

#include <cstdint>

namespace partition {

class WritePacer {
 public:
  // `idle_ns`: how long a transfer may go without progress. REQUIRES: both > 0.
  WritePacer(uint64_t bound_bytes, uint64_t idle_ns);

  // At each tick: what is behind the oldest image under way (0: none is), and
  // all image bytes sent so far.
  void Tick(uint64_t behind_bytes, uint64_t sent_bytes, uint64_t now_ns);

  // Whether a command of `bytes` may be proposed; it then counts.
  bool Admit(uint64_t bytes);

  // So much is behind an image that its transfer should end.
  bool IsTooMuch(uint64_t behind_bytes) const {
    return behind_bytes > 2 * bound_bytes_;
  }

  bool slows() const { return slows_; }
  // What writers get while they are slowed.
  uint64_t bytes_per_second() const;

 private:
  const uint64_t bound_bytes_;
  const uint64_t floor_;  // Bytes a second.

  uint64_t last_ns_ = 0;  // Of the last tick; 0: none yet.
  uint64_t last_sent_bytes_ = 0;
  uint64_t rate_ = 0;  // Of the images, smoothed; bytes a second.
  bool slows_ = false;
  uint64_t budget_ = 0;  // Until the next tick.
};

}  // namespace partition

#endif  // PARTITION_WRITE_PACER_H_
