// Values of flags that read better than a bare number: 64MiB, 1.5s.

#ifndef SERVER_FLAG_TYPES_H_
#define SERVER_FLAG_TYPES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace server {

// A number of bytes: "4096", "64KiB", "32MiB", "8GiB".
struct Bytes {
  uint64_t value = 0;
};

// A positive time: "100ms", "1.5s", "24h".
struct Nanos {
  uint64_t value = 0;
};

// A time that may be none: "3s", "0s".
struct NanosOrNone {
  uint64_t value = 0;
};

// A gRPC status code by its name: "data_loss".
struct Code {
  absl::StatusCode value = absl::StatusCode::kUnknown;
};

// What absl flags look for by name.
bool AbslParseFlag(absl::string_view text, Bytes* bytes, std::string* error);
std::string AbslUnparseFlag(Bytes bytes);
bool AbslParseFlag(absl::string_view text, Nanos* nanos, std::string* error);
std::string AbslUnparseFlag(Nanos nanos);
bool AbslParseFlag(absl::string_view text, NanosOrNone* nanos,
                   std::string* error);
std::string AbslUnparseFlag(NanosOrNone nanos);
bool AbslParseFlag(absl::string_view text, Code* code, std::string* error);
std::string AbslUnparseFlag(Code code);

}  // namespace server

#endif  // SERVER_FLAG_TYPES_H_
