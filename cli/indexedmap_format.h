// How entries, events and updates of an indexed map look, for `indexedmap` and
// for `watch`.

#ifndef CLI_INDEXEDMAP_FORMAT_H_
#define CLI_INDEXEDMAP_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

Json ToJson(const client::IndexedMapEntry& entry);

// Lines end themselves.
std::string ToText(const client::IndexedMapEvent& event);
Json ToJson(const client::IndexedMapEvent& event);
std::string ToText(const client::IndexedMapUpdate& update);
Json ToJson(const client::IndexedMapUpdate& update);

}  // namespace cli

#endif  // CLI_INDEXEDMAP_FORMAT_H_
