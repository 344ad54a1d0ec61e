// Value is nothing, or bytes with the index of the command that wrote them and,
// maybe, a time to live.

#ifndef PRIMITIVE_VALUE_H_
#define PRIMITIVE_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "atomix/multiraft/value/v1/fsm.pb.h"
#include "primitive/basic_primitive.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/table.h"
#include "session/types.h"

namespace primitive {

struct ValueRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, ValueRow& row);
  size_t size_bytes() const { return 17 + value.size(); }

  std::string value;
  uint64_t index = 0;                    // Of the command that wrote it.
  uint64_t expire_ns = session::kNever;  // Log time.
};

class Value final : public BasicPrimitive {
 public:
  Value(session::TableSet& tables, session::PrimitiveId id);

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override;
  session::Result Query(uint32_t operation,
                        absl::string_view input) const override;
  session::Listing List(const session::StreamQuery& query,
                        absl::string_view cursor,
                        const session::SliceBounds& bounds) const override;
  bool Watches(const session::StreamQuery& query) const override;
  void TimerFired(session::PrimitiveContext& context,
                  absl::string_view key) override;
  void Loaded(session::PrimitiveContext& context) override;

 private:
  using Context = session::PrimitiveContext;

  session::Result Set(Context& context,
                      const atomix::multiraft::value::v1::SetInput& input);
  session::Result Insert(
      Context& context, const atomix::multiraft::value::v1::InsertInput& input);
  session::Result Update(
      Context& context, const atomix::multiraft::value::v1::UpdateInput& input);
  session::Result Delete(
      Context& context, const atomix::multiraft::value::v1::DeleteInput& input);

  // Null if there is no value.
  const ValueRow* Find() const;
  // As Find, for a command that may write it. One whose time is over goes
  // first: what is due may be more than one entry's share, and no command may
  // see what is left.
  const ValueRow* FindForWrite(Context& context);
  // Stores a row and tells of it. `previous`, if any, is what it replaces.
  void Store(Context& context, ValueRow row,
             const atomix::multiraft::value::v1::IndexedValue* previous);
  // Removes the value, cancels its timer and tells of it.
  void Erase(Context& context, bool expired);

  session::Table<uint64_t, ValueRow> table_;  // One row, or none.
};

session::PrimitiveType ValueType();

}  // namespace primitive

#endif  // PRIMITIVE_VALUE_H_
