#include "proto/golden.h"

#include <cstddef>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"

namespace proto {
namespace {

// $Name -> what it stands for, in the fields and in the bytes.
struct Definitions {
  std::map<std::string, std::string> fields;
  std::map<std::string, std::string> hex;
};

// The bytes of lines such as "0a 11 $Name ; comment".
std::string ToBytes(const std::vector<std::string>& lines,
                    const Definitions& definitions, const std::string& where) {
  std::string hex;
  for (const std::string& line : lines) {
    const std::vector<std::string> parts = absl::StrSplit(line, ';');
    absl::StrAppend(
        &hex, absl::StrReplaceAll(
                  absl::StrReplaceAll(parts[0], definitions.hex), {{" ", ""}}));
  }
  for (const char c : hex) {
    CHECK(absl::ascii_isxdigit(c)) << where << ": not hex: " << hex;
  }
  CHECK_EQ(hex.size() % 2, 0u) << where << ": half a byte in " << hex;
  return absl::HexStringToBytes(hex);
}

// Reads one block, of `lines` without comments, and obeys its `define`.
Golden ReadBlock(const std::string& where, std::vector<std::string> lines,
                 Definitions* definitions) {
  absl::string_view name = lines[0];
  const bool defines = absl::ConsumePrefix(&name, "define ");
  Golden golden{.where = where, .message = std::string(name)};
  std::size_t at = 1;
  for (; at < lines.size() && lines[at] != "----"; ++at) {
    absl::StrAppend(&golden.fields, at == 1 ? "" : " ", lines[at]);
  }
  CHECK_LT(at, lines.size()) << where << ": no ---- in the block";
  lines.erase(lines.begin(), lines.begin() + at + 1);
  golden.fields = absl::StrReplaceAll(golden.fields, definitions->fields);
  golden.bytes = ToBytes(lines, *definitions, where);
  if (defines) {
    const std::size_t dot = golden.message.rfind('.');
    const std::string key = absl::StrCat("$", golden.message.substr(dot + 1));
    definitions->fields[key] = golden.fields;
    definitions->hex[key] = absl::BytesToHexString(golden.bytes);
  }
  return golden;
}

void ReadFile(const std::string& path, Definitions* definitions,
              std::vector<Golden>* goldens) {
  std::ifstream file(path);
  CHECK(file.is_open()) << "cannot open " << path;
  std::vector<std::string> block;
  std::string where;
  const auto finish_block = [&] {
    if (!block.empty()) {
      goldens->push_back(ReadBlock(where, std::move(block), definitions));
    }
    block.clear();
  };
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) {
      finish_block();
    } else if (line[0] != '#') {
      if (block.empty()) where = absl::StrCat(path, ":", number);
      block.push_back(line);
    }
  }
  finish_block();
}

}  // namespace

std::vector<Golden> ReadGoldens(const std::vector<std::string>& paths) {
  Definitions definitions;
  std::vector<Golden> goldens;
  for (const std::string& path : paths) {
    ReadFile(path, &definitions, &goldens);
  }
  return goldens;
}

}  // namespace proto
