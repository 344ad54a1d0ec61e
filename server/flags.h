// Flags turns a command line, and the config file it may name, into Options.
//
// A config file has one `name: value` or `name = value` a line, with the names
// of the flags; what follows a # is a comment. The command line wins.

#ifndef SERVER_FLAGS_H_
#define SERVER_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/options.h"

namespace server {

struct CommandLine {
  Options options;

  // Not empty: print this and exit; `options` does not count (--help).
  std::string text;
};

// `arguments` are those behind the program's name. InvalidArgument, in one line
// that names the flag or the file and line, for everything unknown, malformed
// or out of range. Paths come back absolute: relative ones start where the
// caller is, also under `bazel run`.
//
// Sets the process's absl flags, so it is called once (tests: FlagSaver).
absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments);

}  // namespace server

#endif  // SERVER_FLAGS_H_
