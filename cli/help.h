// What `multiraftctl help` prints, from the tables of verbs.

#ifndef CLI_HELP_H_
#define CLI_HELP_H_

#include <string>

#include "cli/verb.h"

namespace cli {

std::string HelpForAll();
std::string HelpForGroup(const Group& group);
std::string HelpForVerb(const Group& group, const Verb& verb);
std::string HelpForExitCodes();

// "map put NAME KEY VALUE".
std::string Usage(const Group& group, const Verb& verb);

}  // namespace cli

#endif  // CLI_HELP_H_
