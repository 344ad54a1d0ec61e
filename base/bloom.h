// The Bloom filter of the drivers' KeepAlives, bit for bit that of the Go
// bits-and-blooms library: how a client builds it and how a number is looked up
// in it. Reading one that a stranger sent is session/bloom_filter.h.

#ifndef BASE_BLOOM_H_
#define BASE_BLOOM_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace base {

struct Bloom {
  uint64_t bits = 0;      // m
  uint64_t hashes = 0;    // k
  uint64_t set_bits = 0;  // L; bits from here on read as 0.
  std::string words;      // ceil(L / 64) words of 8 bytes, big-endian.

  bool operator==(const Bloom&) const = default;
};

// The filter a driver makes of the numbers of its open requests; the false
// positive rate is 0.05. REQUIRES: `numbers` are distinct.
Bloom BuildBloom(std::span<const uint64_t> numbers);

// The text of KeepAlive's input_filter.
std::string BloomJson(const Bloom& bloom);

// True for every number that was added, and for a few that were not; stops at
// the first zero bit. REQUIRES: bits > 0 and enough words for set_bits.
bool BloomContains(const Bloom& bloom, uint64_t number);

// The four hashes of a number, and its i-th bit location before "modulo m".
using BloomHashes = std::array<uint64_t, 4>;
BloomHashes HashForBloom(uint64_t number);
uint64_t BloomLocation(const BloomHashes& hashes, uint64_t i);

}  // namespace base

#endif  // BASE_BLOOM_H_
