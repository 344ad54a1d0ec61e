// PrimitiveSpec is what a CreatePrimitive asks for, however its generation of
// the API says it. Both name the same primitives, so a session may open one
// through either, and share it with sessions of the other.

#ifndef SERVER_SERVICE_PRIMITIVE_SPEC_H_
#define SERVER_SERVICE_PRIMITIVE_SPEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "session/limits.h"
#include "session/registry.h"
#include "session/types.h"

namespace server::service {

struct PrimitiveSpec {
  // A type string of the registry, or one that it does not know: that is
  // answered when it is applied, as the registry may differ between nodes.
  std::string type;
  std::string name_space;
  std::string name;
  std::string profile;  // The first generation's only.
};

// Reads a CreatePrimitiveInput. InvalidArgument, naming the field: it does not
// decode, has no spec, or a name above its limit.
absl::StatusOr<PrimitiveSpec> ParseSpec(session::Generation generation,
                                        absl::string_view input,
                                        const session::Registry& registry,
                                        const session::Limits& limits);

}  // namespace server::service

#endif  // SERVER_SERVICE_PRIMITIVE_SPEC_H_
