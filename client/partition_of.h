// Which partition a key belongs to: the same as with the Atomix drivers, so
// programs with either find what the other has written.

#ifndef CLIENT_PARTITION_OF_H_
#define CLIENT_PARTITION_OF_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"

namespace client {

// FNV-1a with 32 bits.
inline uint32_t Fnv1a32(absl::string_view bytes) {
  uint32_t hash = 2166136261u;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 16777619u;
  }
  return hash;
}

// The position of the key's partition among `partitions`, which are in the
// order of their ids. REQUIRES: partitions > 0.
inline size_t PartitionIndexOf(absl::string_view key, size_t partitions) {
  CHECK_GT(partitions, 0u);
  return Fnv1a32(key) % partitions;
}

}  // namespace client

#endif  // CLIENT_PARTITION_OF_H_
