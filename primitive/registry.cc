#include "primitive/registry.h"

#include "primitive/counter.h"
#include "primitive/countermap.h"
#include "primitive/election.h"
#include "primitive/indexedmap.h"
#include "primitive/list.h"
#include "primitive/lock.h"
#include "primitive/map.h"
#include "primitive/multimap.h"
#include "primitive/set.h"
#include "primitive/value.h"

namespace primitive {

const session::Registry& BuiltinRegistry() {
  static const auto* const registry = new session::Registry({
      CounterType(),
      CounterMapType(),
      ElectionType(),
      IndexedMapType(),
      ListType(),
      LockType(),
      MapType(),
      MultiMapType(),
      SetType(),
      ValueType(),
  });
  return *registry;
}

}  // namespace primitive
