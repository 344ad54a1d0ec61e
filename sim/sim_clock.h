// SimClock is the clock of one simulated machine: virtual time at a rate of its
// own, which stands still while the machine is suspended, and a wall clock that
// somebody may set.
//
// Not thread-safe, though base::Clock asks for it: a simulation has one thread.

#ifndef SIM_SIM_CLOCK_H_
#define SIM_SIM_CLOCK_H_

#include <cstdint>

#include "base/clock.h"
#include "sim/event_loop.h"

namespace sim {

class SimClock : public base::Clock {
 public:
  static constexpr uint64_t kTrueRatePpm = 1'000'000;

  // Counts `rate_ppm` nanoseconds in a million. `loop` must outlive it.
  SimClock(const EventLoop& loop, uint64_t rate_ppm)
      : loop_(loop), rate_ppm_(rate_ppm) {}

  int64_t MonotonicNanos() override;
  int64_t WallNanos() override { return MonotonicNanos() + wall_offset_ns_; }

  // The machine starts again: its monotonic clock begins anywhere.
  void Reboot(int64_t monotonic_ns);

  // What the next `virtual_ns` add is taken away again: the machine is
  // suspended for so long from now.
  void Suspend(uint64_t virtual_ns);

  // Somebody sets the wall clock.
  void JumpWall(int64_t by_ns) { wall_offset_ns_ += by_ns; }

  // Virtual time in which this clock counts `own_ns`.
  uint64_t ToVirtual(uint64_t own_ns) const;

  uint64_t rate_ppm() const { return rate_ppm_; }

 private:
  const EventLoop& loop_;
  const uint64_t rate_ppm_;

  uint64_t since_ns_ = 0;  // Virtual time at which base_ns_ was the reading.
  int64_t base_ns_ = 0;
  int64_t wall_offset_ns_ = 0;
};

}  // namespace sim

#endif  // SIM_SIM_CLOCK_H_
