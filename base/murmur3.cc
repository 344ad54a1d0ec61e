#include "base/murmur3.h"

#include <bit>
#include <cstddef>

namespace base {
namespace {

constexpr uint64_t kC1 = 0x87c37b91114253d5;
constexpr uint64_t kC2 = 0x4cf5ad432745937f;
constexpr size_t kBlockBytes = 16;

// Up to eight bytes, little-endian; absent ones are zero.
uint64_t Word(absl::string_view bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size() && i < 8; ++i) {
    word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

uint64_t MixFirst(uint64_t k) { return std::rotl(k * kC1, 31) * kC2; }
uint64_t MixSecond(uint64_t k) { return std::rotl(k * kC2, 33) * kC1; }

uint64_t Finish(uint64_t k) {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccd;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53;
  k ^= k >> 33;
  return k;
}

}  // namespace

Murmur3Hash Murmur3(absl::string_view bytes) {
  const uint64_t size = bytes.size();
  uint64_t h1 = 0;
  uint64_t h2 = 0;
  for (; bytes.size() >= kBlockBytes; bytes.remove_prefix(kBlockBytes)) {
    h1 ^= MixFirst(Word(bytes));
    h1 = std::rotl(h1, 27) + h2;
    h1 = h1 * 5 + 0x52dce729;
    h2 ^= MixSecond(Word(bytes.substr(8)));
    h2 = std::rotl(h2, 31) + h1;
    h2 = h2 * 5 + 0x38495ab5;
  }
  // The tail: an absent word is zero, mixes to zero and changes nothing.
  if (bytes.size() > 8) h2 ^= MixSecond(Word(bytes.substr(8)));
  h1 ^= MixFirst(Word(bytes));

  h1 ^= size;
  h2 ^= size;
  h1 += h2;
  h2 += h1;
  h1 = Finish(h1);
  h2 = Finish(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

}  // namespace base
