// The primitives this server has. Adding one adds a row here: README.md.

#ifndef PRIMITIVE_REGISTRY_H_
#define PRIMITIVE_REGISTRY_H_

#include "session/registry.h"

namespace primitive {

// All of them; never destroyed.
const session::Registry& BuiltinRegistry();

}  // namespace primitive

#endif  // PRIMITIVE_REGISTRY_H_
