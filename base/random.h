// Random is our own small generator (SplitMix64): the same seed gives the same
// numbers on every library and compiler, which std distributions do not.
//
// Not thread-safe. Not for secrets: see SecureSeed.

#ifndef BASE_RANDOM_H_
#define BASE_RANDOM_H_

#include <cstdint>

namespace base {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // Any 64-bit number.
  uint64_t Next();

  // A number in [0, limit). REQUIRES: limit > 0.
  uint64_t Below(uint64_t limit);

  // A number in [low, high]. REQUIRES: low <= high.
  uint64_t Between(uint64_t low, uint64_t high);

  // True once in `denominator` times on average. REQUIRES: denominator > 0.
  bool OneIn(uint64_t denominator) { return Below(denominator) == 0; }

 private:
  uint64_t state_;
};

// A seed from the operating system, different for each call and process.
uint64_t SecureSeed();

}  // namespace base

#endif  // BASE_RANDOM_H_
