// How events and updates of a list look, for `list` and for `watch`.

#ifndef CLI_LIST_FORMAT_H_
#define CLI_LIST_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

// Lines end themselves.
std::string ToText(const client::ListEvent& event);
Json ToJson(const client::ListEvent& event);
std::string ToText(const client::ListUpdate& update);
Json ToJson(const client::ListUpdate& update);

}  // namespace cli

#endif  // CLI_LIST_FORMAT_H_
