// How the term of an election looks, for `election` and for `watch`.

#ifndef CLI_ELECTION_FORMAT_H_
#define CLI_ELECTION_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

// A line, which ends itself.
std::string ToText(const client::ElectionTerm& term);
Json ToJson(const client::ElectionTerm& term);

}  // namespace cli

#endif  // CLI_ELECTION_FORMAT_H_
