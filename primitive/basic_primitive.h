// BasicPrimitive is a primitive that has no listings, timers or waiters, and
// where sessions hold nothing: a primitive overrides what it does have.

#ifndef PRIMITIVE_BASIC_PRIMITIVE_H_
#define PRIMITIVE_BASIC_PRIMITIVE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "session/primitive.h"
#include "session/table_set.h"
#include "session/types.h"

namespace primitive {

class BasicPrimitive : public session::Primitive {
 public:
  session::Listing List(const session::StreamQuery&, absl::string_view,
                        const session::SliceBounds&) const override {
    return {.done = true};
  }
  bool Watches(const session::StreamQuery&) const override { return false; }
  void TimerFired(session::PrimitiveContext&, absl::string_view) override {}
  void WaiterCancelled(session::PrimitiveContext&,
                       session::CommandKey) override {}
  bool SessionClosed(session::PrimitiveContext&, session::SessionId,
                     size_t) override {
    return true;
  }
  void Loaded(session::PrimitiveContext&) override {}
};

// As session::PrimitiveType::create wants it.
template <class Type>
std::unique_ptr<session::Primitive> CreatePrimitive(session::TableSet& tables,
                                                    session::PrimitiveId id) {
  return std::make_unique<Type>(tables, id);
}

}  // namespace primitive

#endif  // PRIMITIVE_BASIC_PRIMITIVE_H_
