#include "server/flag_types.h"

#include <array>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace server {
namespace {

struct Unit {
  absl::string_view name;
  uint64_t bytes;
};

// From large to small: the first that divides a number is how it is printed.
constexpr std::array<Unit, 3> kUnits = {{
    {"GiB", uint64_t{1} << 30},
    {"MiB", uint64_t{1} << 20},
    {"KiB", uint64_t{1} << 10},
}};

// The codes that --unknown_session_code offers.
struct NamedCode {
  absl::string_view name;
  absl::StatusCode code;
};
constexpr std::array<NamedCode, 2> kCodes = {{
    {"data_loss", absl::StatusCode::kDataLoss},
    {"permission_denied", absl::StatusCode::kPermissionDenied},
}};

}  // namespace

bool AbslParseFlag(absl::string_view text, Bytes* bytes, std::string* error) {
  text = absl::StripAsciiWhitespace(text);
  uint64_t scale = 1;
  for (const Unit& unit : kUnits) {
    if (absl::ConsumeSuffix(&text, unit.name)) {
      scale = unit.bytes;
      break;
    }
  }
  uint64_t number = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &number) ||
      number > std::numeric_limits<uint64_t>::max() / scale) {
    *error = "expected a number of bytes such as 65536, 64KiB, 32MiB or 8GiB";
    return false;
  }
  bytes->value = number * scale;
  return true;
}

std::string AbslUnparseFlag(Bytes bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes.value != 0 && bytes.value % unit.bytes == 0) {
      return absl::StrCat(bytes.value / unit.bytes, unit.name);
    }
  }
  return absl::StrCat(bytes.value);
}

bool AbslParseFlag(absl::string_view text, Nanos* nanos, std::string* error) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) ||
      duration <= absl::ZeroDuration() ||
      duration > absl::Nanoseconds(std::numeric_limits<int64_t>::max())) {
    *error = "expected a positive time such as 100ms, 1.5s or 24h";
    return false;
  }
  nanos->value = static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration));
  return true;
}

std::string AbslUnparseFlag(Nanos nanos) {
  return absl::FormatDuration(
      absl::Nanoseconds(static_cast<int64_t>(nanos.value)));
}

bool AbslParseFlag(absl::string_view text, NanosOrNone* nanos,
                   std::string* error) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) &&
      duration == absl::ZeroDuration()) {
    nanos->value = 0;
    return true;
  }
  Nanos positive;
  if (!AbslParseFlag(text, &positive, error)) {
    *error = "expected a time such as 100ms, 1.5s or 24h, or 0s";
    return false;
  }
  nanos->value = positive.value;
  return true;
}

std::string AbslUnparseFlag(NanosOrNone nanos) {
  return nanos.value == 0 ? "0s" : AbslUnparseFlag(Nanos{nanos.value});
}

bool AbslParseFlag(absl::string_view text, Code* code, std::string* error) {
  for (const NamedCode& named : kCodes) {
    if (absl::AsciiStrToLower(text) == named.name) {
      code->value = named.code;
      return true;
    }
  }
  *error = "expected data_loss or permission_denied";
  return false;
}

std::string AbslUnparseFlag(Code code) {
  for (const NamedCode& named : kCodes) {
    if (code.value == named.code) return std::string(named.name);
  }
  return "";
}

}  // namespace server
