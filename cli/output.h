// How values, entries and tables look, for people and for scripts.

#ifndef CLI_OUTPUT_H_
#define CLI_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace cli {

// Keeps the order in which fields are set.
using Json = nlohmann::ordered_json;

bool IsUtf8(absl::string_view bytes);

// For a line of text: as it is, but what is not UTF-8, or would break the line
// or the terminal, is escaped as in C.
std::string OneLine(absl::string_view bytes);

// Sets `name` to the text, or `name`_base64 if the bytes are not UTF-8.
void SetBytes(absl::string_view name, absl::string_view bytes, Json& object);

// Columns as wide as they need to be, two spaces between, none at the end of a
// line. Every row has as many cells as the first, which is the heading.
std::string Table(const std::vector<std::vector<std::string>>& rows);

// "1.5 MiB".
std::string Bytes(uint64_t bytes);

// "3m12s": two units.
std::string Age(uint64_t ms);

// One line, even if a text in it is not UTF-8.
std::string Line(const Json& object);

}  // namespace cli

#endif  // CLI_OUTPUT_H_
