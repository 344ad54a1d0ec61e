// What of the two generations of the public API is different where requests
// are translated: what services are called, and the code for a session that
// does not exist. (What operations answer differently is decided by primitives,
// from the generation that is part of each command: docs/generations.md.)
//
// Their messages have the same numbers and types, so the services read and
// write those of the first generation in both; CreatePrimitive alone has
// another shape (primitive_spec.h).

#ifndef SERVER_SERVICE_GENERATION_H_
#define SERVER_SERVICE_GENERATION_H_

#include <string>

#include "absl/strings/string_view.h"
#include "server/service/error.h"
#include "session/types.h"

namespace server::service {

// A service that is not a primitive's, "Partition", by its full name.
std::string SharedService(session::Generation generation,
                          absl::string_view service);

// How a call fails there.
ErrorProfile ProfileOf(session::Generation generation);

}  // namespace server::service

#endif  // SERVER_SERVICE_GENERATION_H_
