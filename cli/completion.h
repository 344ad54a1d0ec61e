// Scripts by which a shell completes lines of multiraftctl: groups, verbs and
// flags, made from the tables of verbs.

#ifndef CLI_COMPLETION_H_
#define CLI_COMPLETION_H_

#include <string>
#include <vector>

#include "cli/verb.h"

namespace cli {

std::string BashCompletion(const std::vector<const Group*>& groups,
                           const std::vector<Flag>& global_flags);
std::string ZshCompletion(const std::vector<const Group*>& groups,
                          const std::vector<Flag>& global_flags);

}  // namespace cli

#endif  // CLI_COMPLETION_H_
