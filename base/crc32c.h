// CRC-32C (Castagnoli), the checksum of entries and files.

#ifndef BASE_CRC32C_H_
#define BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace base {

// The CRC-32C of `bytes`: Crc32c("123456789") == 0xe3069283.
uint32_t Crc32c(absl::string_view bytes);

// The CRC-32C of A followed by `bytes`, where `crc` is Crc32c(A).
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes);

}  // namespace base

#endif  // BASE_CRC32C_H_
