#include "base/coding.h"

namespace base {
namespace {

void AppendNumber(std::string& out, uint64_t value, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

}  // namespace

void AppendU8(std::string& out, uint8_t value) { AppendNumber(out, value, 1); }
void AppendU16(std::string& out, uint16_t value) {
  AppendNumber(out, value, 2);
}
void AppendU32(std::string& out, uint32_t value) {
  AppendNumber(out, value, 4);
}
void AppendU64(std::string& out, uint64_t value) {
  AppendNumber(out, value, 8);
}

void AppendOrdered(std::string& out, absl::string_view bytes) {
  for (char c : bytes) {
    out.push_back(c);
    if (c == '\x00') out.push_back('\xff');
  }
  out.push_back('\x00');
  out.push_back('\x01');
}

void Reader::Fail() {
  ok_ = false;
  rest_ = absl::string_view();
}

uint64_t Reader::Number(size_t size) {
  absl::string_view bytes = Bytes(size);
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

absl::string_view Reader::Bytes(size_t size) {
  if (rest_.size() < size) {
    Fail();
    return absl::string_view();
  }
  absl::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::string Reader::Ordered() {
  std::string bytes;
  for (size_t i = 0; i + 1 < rest_.size(); ++i) {
    if (rest_[i] != '\x00') {
      bytes.push_back(rest_[i]);
      continue;
    }
    const char next = rest_[++i];
    if (next == '\x01') {
      rest_.remove_prefix(i + 1);
      return bytes;
    }
    if (next != '\xff') break;
    bytes.push_back('\x00');
  }
  Fail();
  return std::string();
}

}  // namespace base
