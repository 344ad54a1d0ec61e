// How entries, events and updates of a multimap look, for `multimap` and for
// `watch`.

#ifndef CLI_MULTIMAP_FORMAT_H_
#define CLI_MULTIMAP_FORMAT_H_

#include <string>
#include <vector>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

// "1, 2".
std::string ValuesText(const std::vector<std::string>& values);

Json ToJson(const client::MultiMapEntry& entry);

// Lines end themselves.
std::string ToText(const client::MultiMapEvent& event);
Json ToJson(const client::MultiMapEvent& event);
std::string ToText(const client::MultiMapUpdate& update);
Json ToJson(const client::MultiMapUpdate& update);

}  // namespace cli

#endif  // CLI_MULTIMAP_FORMAT_H_
