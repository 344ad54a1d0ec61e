// How events and updates of a value look, for `value` and for `watch`.

#ifndef CLI_VALUE_FORMAT_H_
#define CLI_VALUE_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

// Lines end themselves.
std::string ToText(const client::ValueEvent& event);
Json ToJson(const client::ValueEvent& event);
std::string ToText(const client::ValueUpdate& update);
Json ToJson(const client::ValueUpdate& update);

}  // namespace cli

#endif  // CLI_VALUE_FORMAT_H_
