// Counter is one signed 64-bit number, at first 0. Arithmetic wraps around.

#ifndef PRIMITIVE_COUNTER_H_
#define PRIMITIVE_COUNTER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "primitive/basic_primitive.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

struct CounterRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, CounterRow& row);
  size_t size_bytes() const { return sizeof(value); }

  int64_t value = 0;
};

class Counter final : public BasicPrimitive {
 public:
  Counter(session::TableSet& tables, session::PrimitiveId id);

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;

 private:
  int64_t value() const;
  // Stores `value` and returns it.
  int64_t Set(int64_t value);

  // One row, at 0, once something was stored.
  session::Table<uint64_t, CounterRow> table_;
};

session::PrimitiveType CounterType();

}  // namespace primitive

#endif  // PRIMITIVE_COUNTER_H_
