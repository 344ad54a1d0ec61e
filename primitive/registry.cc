#include "primitive/registry.h"

#include "primitive/counter.h"
#include "primitive/map.h"

namespace primitive {

const session::Registry& BuiltinRegistry() {
  static const auto* const registry = new session::Registry({
      CounterType(),
      MapType(),
  });
  return *registry;
}

}  // namespace primitive
