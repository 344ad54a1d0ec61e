// How events and updates of a set look, for `set` and for `watch`.

#ifndef CLI_SET_FORMAT_H_
#define CLI_SET_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

// Lines end themselves.
std::string ToText(const client::SetEvent& event);
Json ToJson(const client::SetEvent& event);
std::string ToText(const client::SetUpdate& update);
Json ToJson(const client::SetUpdate& update);

}  // namespace cli

#endif  // CLI_SET_FORMAT_H_
