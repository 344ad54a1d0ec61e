#include "base/crc32c.h"

#include <algorithm>

#include "isa-l/crc.h"

namespace base {

uint32_t Crc32c(absl::string_view bytes) { return ExtendCrc32c(0, bytes); }

uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes) {
  // The library neither inverts nor takes more than an int of bytes.
  constexpr size_t kStepMax = size_t{1} << 30;
  crc = ~crc;
  while (!bytes.empty()) {
    const size_t step = std::min(bytes.size(), kStepMax);
    crc = crc32_iscsi(
        reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data())),
        static_cast<int>(step), crc);
    bytes.remove_prefix(step);
  }
  return ~crc;
}

}  // namespace base
