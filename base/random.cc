#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace base {

uint64_t Random::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t Random::Below(uint64_t limit) {
  CHECK_GT(limit, 0u);
  // The high half of a 128-bit product; its bias is below limit / 2^64.
  return static_cast<uint64_t>(
      (static_cast<unsigned __int128>(Next()) * limit) >> 64);
}

uint64_t Random::Between(uint64_t low, uint64_t high) {
  CHECK_LE(low, high);
  if (high - low == UINT64_MAX) return Next();
  return low + Below(high - low + 1);
}

uint64_t SecureSeed() {
  uint64_t seed = 0;
  CHECK_EQ(getrandom(&seed, sizeof(seed), 0),
           static_cast<ssize_t>(sizeof(seed)));
  return seed;
}

}  // namespace base
