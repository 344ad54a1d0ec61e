#include "storage/wal_fragment.h"

#include "base/crc32c.h"

namespace storage {
namespace {

uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

uint32_t Unmask(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return rotated >> 17 | rotated << 15;
}

}  // namespace

std::optional<WalFragment> FirstFragment(absl::string_view rest) {
  if (rest.size() < kWalHeaderBytes) return std::nullopt;
  const size_t size = LittleEndian(rest.substr(4, 2));
  const auto type = static_cast<uint8_t>(rest[6]);
  if (type == 0 || kWalHeaderBytes + size > rest.size()) return std::nullopt;
  const uint32_t crc = Unmask(LittleEndian(rest.substr(0, 4)));
  return WalFragment{
      .type = type,
      .bytes = rest.substr(kWalHeaderBytes, size),
      .is_whole = crc == base::Crc32c(rest.substr(6, 1 + size)) &&
                  type <= WalFragment::kLast};
}

}  // namespace storage
