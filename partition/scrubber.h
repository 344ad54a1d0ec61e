// Scrubber says when the next slice of a partition's state is to be read
// through (session/table_set.h, Scrub): all of it once in `period_ns`, in
// slices of at most kSliceRows rows or kSliceBytes bytes, one a tick at most.
//
// What it costs: nothing but a count in a tick without a slice. A slice is
// hashing of 256 small rows, or of 256 KiB, which is tenths of a millisecond.
// A partition of up to 256 rows needs one slice in a period, so a machine with
// ten thousand of those and the default of an hour does 2.8 slices a second in
// all; they begin at different moments. One with a million rows of 1 KiB does
// 1.1 slices a second. With ticks of 100 ms, what is larger than 9 million rows
// or 9 GiB takes longer than an hour, and never more than 10 slices a second.
//
// Pure; used on its partition's executor.

#ifndef PARTITION_SCRUBBER_H_
#define PARTITION_SCRUBBER_H_

#include <cstddef>
#include <cstdint>

namespace partition {

class Scrubber {
 public:
  static constexpr size_t kSliceRows = 256;
  static constexpr size_t kSliceBytes = 256 << 10;

  // A period of 0: never. `seed` spreads the partitions of a node over it.
  Scrubber(uint64_t period_ns, uint64_t tick_ns, uint64_t seed);

  // A tick passed, and the state has so much. True: a slice is due.
  bool Tick(uint64_t rows, uint64_t bytes);

 private:
  // From one slice to the next.
  uint64_t TicksFor(uint64_t rows, uint64_t bytes) const;

  const uint64_t period_ticks_;
  uint64_t seed_;  // 0: the first tick has been.
  uint64_t wait_ticks_ = 0;
};

}  // namespace partition

#endif  // PARTITION_SCRUBBER_H_
