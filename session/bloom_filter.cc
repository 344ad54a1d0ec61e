#include "session/bloom_filter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/bloom.h"
#include "base/coding.h"
#include "nlohmann/json.hpp"

namespace session {
namespace {

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("input_filter: ", why));
}

// Takes the members of the one object as the parser meets them, so that nothing
// is ever built of a hostile text; the first refusal ends the parse.
class Members final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::optional<uint64_t> bits;
  std::optional<uint64_t> hashes;
  std::optional<std::string> text;

  const std::string& why() const { return why_; }

  bool start_object(size_t) override {
    if (in_object_) return Refuse("an object in the object");
    in_object_ = true;
    return true;
  }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return Refuse("an array"); }
  bool end_array() override { return true; }

  bool key(string_t& name) override {
    key_ = name;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (key_ == "m") return Take(bits, uint64_t{value});
    if (key_ == "k") return Take(hashes, uint64_t{value});
    return Other();
  }
  bool string(string_t& value) override {
    if (key_ == "b") return Take(text, std::move(value));
    return Other();
  }
  bool null() override { return Other(); }
  bool boolean(bool) override { return Other(); }
  bool number_integer(number_integer_t) override { return Other(); }
  bool number_float(number_float_t, const string_t&) override {
    return Other();
  }
  bool binary(binary_t&) override { return Other(); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Refuse(absl::StrCat("no JSON at byte ", position));
  }

 private:
  template <class T>
  bool Take(std::optional<T>& member, T value) {
    if (member.has_value()) return Refuse(key_ + " is there twice");
    member = std::move(value);
    return true;
  }

  // A value that is not of its member's type. Members we do not know may be
  // any scalar, as Go has it.
  bool Other() {
    if (!in_object_) return Refuse("no object");
    if (key_ == "b") return Refuse("b is no string");
    if (key_ == "m" || key_ == "k") {
      return Refuse(key_ + " is no unsigned 64-bit integer");
    }
    return true;
  }

  bool Refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }

  bool in_object_ = false;
  std::string key_;
  std::string why_;
};

bool IsWebSafe(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Base64 with the URL's alphabet and padding, as Go insists on; absl alone also
// takes it without, and more.
bool DecodeBase64(absl::string_view text, std::string& bytes) {
  if (text.size() % 4 != 0) return false;
  absl::string_view digits = text;
  for (int i = 0; i < 2 && !digits.empty() && digits.back() == '='; ++i) {
    digits.remove_suffix(1);
  }
  return std::all_of(digits.begin(), digits.end(), IsWebSafe) &&
         absl::WebSafeBase64Unescape(digits, &bytes);
}

}  // namespace

absl::StatusOr<BloomFilter> BloomFilter::Parse(absl::string_view json,
                                               const Limits& limits) {
  if (json.size() > limits.filter_bytes_max) {
    return Bad(
        absl::StrCat(json.size(), " bytes, at most ", limits.filter_bytes_max));
  }
  // The parser takes a NUL for the end and skips a byte order mark.
  if (json.find('\0') != json.npos) return Bad("a NUL byte");
  if (!json.empty() && json[0] == '\xef') return Bad("a byte order mark");

  Members members;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &members)) {
    return Bad(members.why());
  }
  if (!members.bits.has_value()) return Bad("m is missing");
  if (!members.hashes.has_value()) return Bad("k is missing");
  if (!members.text.has_value()) return Bad("b is missing");

  std::string bytes;
  if (!DecodeBase64(*members.text, bytes)) return Bad("b is no base64");
  base::Reader reader(bytes);
  const uint64_t set_bits = reader.U64();
  if (!reader.ok()) return Bad("b is shorter than 8 bytes");
  return FromParts(*members.bits, *members.hashes, set_bits, reader.rest(),
                   limits);
}

absl::StatusOr<BloomFilter> BloomFilter::FromParts(uint64_t bits,
                                                   uint64_t hashes,
                                                   uint64_t set_bits,
                                                   absl::string_view words,
                                                   const Limits& limits) {
  if (bits == 0) return Bad("m is 0");
  if (hashes == 0) return Bad("k is 0");
  if (set_bits != 0 && hashes > limits.filter_hashes_max) {
    return Bad(
        absl::StrCat("k is ", hashes, ", at most ", limits.filter_hashes_max));
  }
  if (words.size() > limits.filter_bytes_max) {
    return Bad(absl::StrCat(words.size(), " bytes of bits, at most ",
                            limits.filter_bytes_max));
  }
  const uint64_t words_needed = set_bits / 64 + (set_bits % 64 != 0 ? 1 : 0);
  if (words.size() % 8 != 0 || words.size() / 8 != words_needed) {
    return Bad(absl::StrCat(words.size(), " bytes for ", set_bits, " bits"));
  }
  BloomFilter filter;
  filter.bloom_ = {.bits = bits,
                   .hashes = hashes,
                   .set_bits = set_bits,
                   .words = std::string(words)};
  return filter;
}

bool BloomFilter::Contains(SequenceNum sequence) const {
  return base::BloomContains(bloom_, sequence.value());
}

}  // namespace session
