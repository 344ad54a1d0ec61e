// Arguments is a command line, taken apart: words, and flags with their values.
//
//   map put users ann admin --ttl=10s   or   --ttl 10s
//
// Flags may stand anywhere; `--` ends them, and what begins with one hyphen
// (-5) is a word. Underscores in a flag's name are hyphens.

#ifndef CLI_ARGUMENTS_H_
#define CLI_ARGUMENTS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cli {

class Arguments {
 public:
  // `args` without the program's name. `takes_no_value` names flags such as
  // "json"; every other one takes a value. An error if a value is missing.
  static absl::StatusOr<Arguments> Parse(
      const std::vector<std::string>& args,
      const std::vector<std::string>& takes_no_value);

  const std::vector<std::string>& words() const { return words_; }
  const std::map<std::string, std::string>& flags() const { return flags_; }

  bool Has(const std::string& flag) const { return flags_.count(flag) != 0; }

  // The values of a flag that may be given more than once, or with commas in
  // one value.
  std::vector<std::string> All(const std::string& flag) const;

  // The value of a flag, or the default. An error if it makes no sense.
  std::string Text(const std::string& flag, absl::string_view otherwise) const;
  absl::StatusOr<uint64_t> Number(const std::string& flag,
                                  uint64_t otherwise) const;
  absl::StatusOr<absl::Duration> Duration(const std::string& flag,
                                          absl::Duration otherwise) const;

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::string> flags_;  // The last of each.
  std::map<std::string, std::vector<std::string>> all_;
};

// Of a word: `what` names it in the error.
absl::StatusOr<int64_t> ParseSigned(absl::string_view what,
                                    absl::string_view text);
absl::StatusOr<uint64_t> ParseUnsigned(absl::string_view what,
                                       absl::string_view text);

// The name among `names` that was probably meant, or "".
std::string Suggestion(absl::string_view typed,
                       const std::vector<std::string>& names);

}  // namespace cli

#endif  // CLI_ARGUMENTS_H_
