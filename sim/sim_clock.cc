#include "sim/sim_clock.h"

namespace sim {

int64_t SimClock::MonotonicNanos() {
  // Suspended: the reading resumes at since_ns_, which is ahead.
  if (loop_.now_ns() <= since_ns_) return base_ns_;
  const unsigned __int128 virtual_ns = loop_.now_ns() - since_ns_;
  return base_ns_ + static_cast<int64_t>(virtual_ns * rate_ppm_ / kTrueRatePpm);
}

void SimClock::Reboot(int64_t monotonic_ns) {
  base_ns_ = monotonic_ns;
  since_ns_ = loop_.now_ns();
}

void SimClock::Suspend(uint64_t virtual_ns) {
  base_ns_ = MonotonicNanos();
  since_ns_ = loop_.now_ns() + virtual_ns;
}

uint64_t SimClock::ToVirtual(uint64_t own_ns) const {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(own_ns) *
                               kTrueRatePpm / rate_ppm_);
}

}  // namespace sim
