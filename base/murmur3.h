// Murmur3 is MurmurHash3 x64-128 with seed 0, as drivers use it in their Bloom
// filters. Not for secrets, and nothing new should use it: see hash.h.

#ifndef BASE_MURMUR3_H_
#define BASE_MURMUR3_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace base {

struct Murmur3Hash {
  uint64_t first = 0;
  uint64_t second = 0;

  bool operator==(const Murmur3Hash&) const = default;
};

Murmur3Hash Murmur3(absl::string_view bytes);

}  // namespace base

#endif  // BASE_MURMUR3_H_
