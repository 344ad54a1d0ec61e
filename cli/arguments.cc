#include "cli/arguments.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/exit_code.h"

namespace cli {
namespace {

// How many letters have to be changed, added or left out (Levenshtein).
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

absl::StatusOr<Arguments> Arguments::Parse(
    const std::vector<std::string>& args,
    const std::vector<std::string>& takes_no_value) {
  Arguments result;
  bool only_words = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (only_words || (arg != "-h" && !absl::StartsWith(arg, "--"))) {
      result.words_.push_back(arg);
      continue;
    }
    if (arg == "--") {
      only_words = true;
      continue;
    }
    if (arg == "-h") {
      result.flags_["help"] = "";
      continue;
    }
    const size_t equals = arg.find('=');
    const std::string name = absl::StrReplaceAll(
        arg.substr(2, equals == std::string::npos ? equals : equals - 2),
        {{"_", "-"}});
    const bool is_switch =
        std::count(takes_no_value.begin(), takes_no_value.end(), name) != 0;
    if (equals != std::string::npos) {
      if (is_switch) {
        return UsageError(absl::StrCat("--", name, " takes no value"));
      }
      result.flags_[name] = arg.substr(equals + 1);
      result.all_[name].push_back(result.flags_[name]);
    } else if (is_switch) {
      result.flags_[name] = "";
    } else if (i + 1 < args.size()) {
      result.flags_[name] = args[++i];
      result.all_[name].push_back(result.flags_[name]);
    } else {
      return UsageError(absl::StrCat("--", name, " wants a value"));
    }
  }
  return result;
}

std::vector<std::string> Arguments::All(const std::string& flag) const {
  std::vector<std::string> values;
  const auto it = all_.find(flag);
  if (it == all_.end()) return values;
  for (const std::string& value : it->second) {
    for (absl::string_view part : absl::StrSplit(value, ',')) {
      values.emplace_back(part);
    }
  }
  return values;
}

std::string Arguments::Text(const std::string& flag,
                            absl::string_view otherwise) const {
  const auto it = flags_.find(flag);
  return it == flags_.end() ? std::string(otherwise) : it->second;
}

absl::StatusOr<uint64_t> Arguments::Number(const std::string& flag,
                                           uint64_t otherwise) const {
  const auto it = flags_.find(flag);
  if (it == flags_.end()) return otherwise;
  return ParseUnsigned(absl::StrCat("--", flag), it->second);
}

absl::StatusOr<absl::Duration> Arguments::Duration(
    const std::string& flag, absl::Duration otherwise) const {
  const auto it = flags_.find(flag);
  if (it == flags_.end()) return otherwise;
  absl::Duration duration;
  if (!absl::ParseDuration(it->second, &duration) ||
      duration <= absl::ZeroDuration()) {
    return UsageError(absl::StrCat("--", flag, "=", it->second,
                                   ": want a time such as 10s or 500ms"));
  }
  return duration;
}

absl::StatusOr<int64_t> ParseSigned(absl::string_view what,
                                    absl::string_view text) {
  int64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return UsageError(
      absl::StrCat(what, ": \"", text, "\" is not a whole number of 64 bits"));
}

absl::StatusOr<uint64_t> ParseUnsigned(absl::string_view what,
                                       absl::string_view text) {
  uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  return UsageError(
      absl::StrCat(what, ": \"", text, "\" is not a whole number, 0 or more"));
}

std::string Suggestion(absl::string_view typed,
                       const std::vector<std::string>& names) {
  std::string best;
  // A third of the word may be wrong, and two letters of a short one.
  size_t best_distance = std::max<size_t>(2, typed.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = Distance(typed, name);
    if (distance < best_distance && distance < name.size()) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace cli
