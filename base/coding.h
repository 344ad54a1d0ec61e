// Byte coding for keys and records: big-endian fixed-width numbers, so that
// bytewise order is numeric order, and a cursor that reads them back.

#ifndef BASE_CODING_H_
#define BASE_CODING_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace base {

void AppendU8(std::string& out, uint8_t value);
void AppendU16(std::string& out, uint16_t value);
void AppendU32(std::string& out, uint32_t value);
void AppendU64(std::string& out, uint64_t value);

// Appends `bytes` so that the order of encodings is the order of byte strings
// and none is a prefix of another: 00 becomes 00 FF, and 00 01 ends it.
void AppendOrdered(std::string& out, absl::string_view bytes);

// Reader takes values off the front of a byte string. After a read beyond the
// end, or of a malformed value, ok() is false and every value is zero or empty.
class Reader {
 public:
  // `bytes` must outlive the reader and the views it returns.
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}

  uint8_t U8() { return static_cast<uint8_t>(Number(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t U64() { return Number(8); }
  std::string Ordered();
  absl::string_view Bytes(size_t size);

  absl::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }
  // Everything was read, and all of it was well formed.
  bool done() const { return ok_ && rest_.empty(); }

 private:
  uint64_t Number(size_t size);
  void Fail();

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace base

#endif  // BASE_CODING_H_
