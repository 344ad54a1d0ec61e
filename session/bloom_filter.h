// BloomFilter is the set of requests a client still runs, as its KeepAlive
// sends it: the Go bits-and-blooms filter (base/bloom.h), read with distrust.

#ifndef SESSION_BLOOM_FILTER_H_
#define SESSION_BLOOM_FILTER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bloom.h"
#include "session/limits.h"
#include "session/types.h"

namespace session {

class BloomFilter {
 public:
  // Reads the JSON a driver sends, {"m":..,"k":..,"b":".."}. InvalidArgument,
  // saying what is wrong, for everything that is not a usable filter: hostile
  // sizes included. The empty filter (L = 0, k perhaps 2^63) is usable.
  static absl::StatusOr<BloomFilter> Parse(absl::string_view json,
                                           const Limits& limits);

  // From its four parts (disk.v1.BloomFilter); same checks.
  static absl::StatusOr<BloomFilter> FromParts(uint64_t bits, uint64_t hashes,
                                               uint64_t set_bits,
                                               absl::string_view words,
                                               const Limits& limits);

  // True for every number that was added, and for a few that were not.
  bool Contains(SequenceNum sequence) const;

  uint64_t bits() const { return bloom_.bits; }          // m
  uint64_t hashes() const { return bloom_.hashes; }      // k
  uint64_t set_bits() const { return bloom_.set_bits; }  // L
  // ceil(L / 64) words, big-endian.
  const std::string& words() const { return bloom_.words; }

 private:
  BloomFilter() = default;

  base::Bloom bloom_;
};

}  // namespace session

#endif  // SESSION_BLOOM_FILTER_H_
