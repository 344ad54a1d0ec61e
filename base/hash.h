// Hash64 is XXH3-64: stable across versions and machines, so it may be written
// to disk (entry chains, row digests, input hashes). Not for secrets.

#ifndef BASE_HASH_H_
#define BASE_HASH_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace base {

uint64_t Hash64(absl::string_view bytes, uint64_t seed = 0);

}  // namespace base

#endif  // BASE_HASH_H_
