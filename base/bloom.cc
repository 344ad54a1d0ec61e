#include "base/bloom.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/coding.h"
#include "base/murmur3.h"

namespace base {
namespace {

constexpr double kFalsePositiveRate = 0.05;

// Bit p is the one with weight 2^(p mod 64) of the big-endian word p / 64.
size_t ByteOf(uint64_t bit) { return bit / 64 * 8 + 7 - bit % 64 / 8; }
uint8_t MaskOf(uint64_t bit) { return static_cast<uint8_t>(1u << bit % 8); }

}  // namespace

BloomHashes HashForBloom(uint64_t number) {
  std::string bytes;
  AppendU64(bytes, number);
  const Murmur3Hash low = Murmur3(bytes);
  AppendU8(bytes, 1);
  const Murmur3Hash high = Murmur3(bytes);
  return {low.first, low.second, high.first, high.second};
}

uint64_t BloomLocation(const BloomHashes& hashes, uint64_t i) {
  return hashes[i % 2] + i * hashes[2 + (i + i % 2) % 4 / 2];
}

Bloom BuildBloom(std::span<const uint64_t> numbers) {
  // What the library makes of an estimate for nothing: k is Go's conversion of
  // NaN, and the bit set has no bits.
  if (numbers.empty()) return {.bits = 1, .hashes = uint64_t{1} << 63};
  const double count = static_cast<double>(numbers.size());
  const double bits = std::ceil(-count * std::log(kFalsePositiveRate) /
                                (std::log(2.0) * std::log(2.0)));
  Bloom bloom;
  bloom.bits = static_cast<uint64_t>(bits);
  bloom.hashes = static_cast<uint64_t>(std::ceil(std::log(2.0) * bits / count));
  bloom.set_bits = bloom.bits;
  bloom.words.assign((bloom.bits + 63) / 64 * 8, '\0');
  for (uint64_t number : numbers) {
    const BloomHashes hashes = HashForBloom(number);
    for (uint64_t i = 0; i < bloom.hashes; ++i) {
      const uint64_t bit = BloomLocation(hashes, i) % bloom.bits;
      char& byte = bloom.words[ByteOf(bit)];
      byte = static_cast<char>(static_cast<uint8_t>(byte) | MaskOf(bit));
    }
  }
  return bloom;
}

std::string BloomJson(const Bloom& bloom) {
  std::string bytes;
  AppendU64(bytes, bloom.set_bits);
  bytes += bloom.words;
  // absl's web-safe encoder leaves the padding out; Go's puts it.
  const std::string text =
      absl::StrReplaceAll(absl::Base64Escape(bytes), {{"+", "-"}, {"/", "_"}});
  return absl::StrCat("{\"m\":", bloom.bits, ",\"k\":", bloom.hashes,
                      ",\"b\":\"", text, "\"}");
}

bool BloomContains(const Bloom& bloom, uint64_t number) {
  if (bloom.set_bits == 0 && bloom.hashes > 0) return false;
  const BloomHashes hashes = HashForBloom(number);
  for (uint64_t i = 0; i < bloom.hashes; ++i) {
    const uint64_t bit = BloomLocation(hashes, i) % bloom.bits;
    if (bit >= bloom.set_bits) return false;
    const auto byte = static_cast<uint8_t>(bloom.words[ByteOf(bit)]);
    if ((byte & MaskOf(bit)) == 0) return false;
  }
  return true;
}

}  // namespace base
