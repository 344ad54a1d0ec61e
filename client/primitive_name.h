// PrimitiveName is what tells primitives of one partition apart.

#ifndef CLIENT_PRIMITIVE_NAME_H_
#define CLIENT_PRIMITIVE_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace client {

struct PrimitiveName {
  // A plain name, without the rest: `Map::Open(session, "users")`.
  PrimitiveName(const char* name) : name(name) {}             // NOLINT
  PrimitiveName(absl::string_view name) : name(name) {}       // NOLINT
  PrimitiveName(std::string name) : name(std::move(name)) {}  // NOLINT

  std::string name;

  // Both empty unless an Atomix driver made the primitive: drivers set the
  // namespace from their environment.
  std::string space;
  std::string profile;
};

}  // namespace client

#endif  // CLIENT_PRIMITIVE_NAME_H_
