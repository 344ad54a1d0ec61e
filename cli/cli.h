// The command line as a function, so that tests run commands as users do.

#ifndef CLI_CLI_H_
#define CLI_CLI_H_

#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/run.h"

namespace cli {

// Runs one command; `args` without the program's name. Errors are on `err`.
ExitCode RunCli(const std::vector<std::string>& args,
                const Environment& environment);

}  // namespace cli

#endif  // CLI_CLI_H_
