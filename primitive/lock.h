// Lock is one lock, held by a session and waited for in the order of the
// Acquires. The index of an Acquire is its fencing token: later holds have
// larger ones. It is KeyLocks with one key.

#ifndef PRIMITIVE_LOCK_H_
#define PRIMITIVE_LOCK_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "primitive/basic_primitive.h"
#include "primitive/key_locks.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table_set.h"
#include "session/types.h"

namespace primitive {

class Lock final : public BasicPrimitive {
 public:
  Lock(session::TableSet& tables, session::PrimitiveId id);

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;
  void TimerFired(session::PrimitiveContext& context,
                  absl::string_view key) override;
  void WaiterCancelled(session::PrimitiveContext& context,
                       session::CommandKey command) override;
  bool SessionClosed(session::PrimitiveContext& context,
                     session::SessionId session, size_t items_max) override;
  void Loaded(session::PrimitiveContext& context) override;

 private:
  KeyLocks locks_;
};

session::PrimitiveType LockType();

}  // namespace primitive

#endif  // PRIMITIVE_LOCK_H_
