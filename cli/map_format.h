// How entries, events and updates of a map look, for `map` and for `watch`.

#ifndef CLI_MAP_FORMAT_H_
#define CLI_MAP_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

Json ToJson(const client::MapEntry& entry);

// Lines end themselves.
std::string ToText(const client::MapEvent& event);
Json ToJson(const client::MapEvent& event);
std::string ToText(const client::MapUpdate& update);
Json ToJson(const client::MapUpdate& update);

}  // namespace cli

#endif  // CLI_MAP_FORMAT_H_
