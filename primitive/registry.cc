#include "primitive/registry.h"

#include "primitive/counter.h"
#include "primitive/countermap.h"
#include "primitive/lock.h"
#include "primitive/map.h"
#include "primitive/set.h"
#include "primitive/value.h"

namespace primitive {

const session::Registry& BuiltinRegistry() {
  static const auto* const registry = new session::Registry({
      CounterType(),
      CounterMapType(),
      LockType(),
      MapType(),
      SetType(),
      ValueType(),
  });
  return *registry;
}

}  // namespace primitive
