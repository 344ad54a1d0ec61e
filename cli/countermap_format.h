// How entries, events and updates of a counter map look, for `countermap` and
// for `watch`.

#ifndef CLI_COUNTERMAP_FORMAT_H_
#define CLI_COUNTERMAP_FORMAT_H_

#include <string>

#include "cli/output.h"
#include "client/client.h"

namespace cli {

Json ToJson(const client::CounterMapEntry& entry);

// Lines end themselves.
std::string ToText(const client::CounterMapEvent& event);
Json ToJson(const client::CounterMapEvent& event);
std::string ToText(const client::CounterMapUpdate& update);
Json ToJson(const client::CounterMapUpdate& update);

}  // namespace cli

#endif  // CLI_COUNTERMAP_FORMAT_H_
