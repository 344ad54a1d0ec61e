#include "partition/scrubber.h"

#include <algorithm>

#include "base/random.h"

namespace partition {

Scrubber::Scrubber(uint64_t period_ns, uint64_t tick_ns, uint64_t seed)
    : period_ticks_(
          period_ns == 0 ? 0 : std::max<uint64_t>(1, period_ns / tick_ns)),
      seed_(seed | 1) {}

bool Scrubber::Tick(uint64_t rows, uint64_t bytes) {
  if (period_ticks_ == 0) return false;
  if (seed_ != 0) {
    base::Random random(seed_);
    seed_ = 0;
    wait_ticks_ = 1 + random.Below(TicksFor(rows, bytes));
  }
  if (--wait_ticks_ > 0) return false;
  wait_ticks_ = TicksFor(rows, bytes);
  return true;
}

uint64_t Scrubber::TicksFor(uint64_t rows, uint64_t bytes) const {
  const uint64_t slices =
      std::max<uint64_t>({1, rows / kSliceRows, bytes / kSliceBytes});
  return std::max<uint64_t>(1, period_ticks_ / slices);
}

}  // namespace partition
