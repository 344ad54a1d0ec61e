// Set is a set of strings, each with, maybe, a time to live. Adding one that is
// there changes nothing, its time to live least of all.
//
// Clear empties it at once; listeners may be told with the entries that follow
// (clearable_table.h).

#ifndef PRIMITIVE_SET_H_
#define PRIMITIVE_SET_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "atomix/multiraft/set/v1/fsm.pb.h"
#include "primitive/basic_primitive.h"
#include "primitive/clearable_table.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/types.h"

namespace primitive {

// The row's key is the element.
struct SetRow {
  void Encode(std::string& out) const;
  static bool Decode(absl::string_view bytes, SetRow& row);
  size_t size_bytes() const { return 17; }

  uint64_t index = 0;                    // Of the command that added it.
  uint64_t expire_ns = session::kNever;  // Log time.
};

class Set final : public BasicPrimitive {
 public:
  Set(session::TableSet& tables, session::PrimitiveId id);

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
  using CommandContext = session::CommandContext;

  session::Result Add(CommandContext& context,
                      const atomix::multiraft::set::v1::AddInput& input);
  session::Result Remove(CommandContext& context,
                         const atomix::multiraft::set::v1::RemoveInput& input);
  session::Result Clear(Context& context);

  // The row that a command finds which may write `element`, or null. One that
  // is dead, or whose time is over, goes first: what is due may be more than
  // one entry's share, and no command may see what is left.
  const SetRow* FindForWrite(Context& context, const std::string& element);
  // Removes an element that is there, cancels its timer and tells of it.
  void Erase(Context& context, const std::string& element, bool expired);
  // Tells listeners and watchers that an element goes.
  void TellRemoved(Context& context, const std::string& element,
                   bool expired) const;

  ClearableTable<std::string, SetRow> rows_;
};

session::PrimitiveType SetType();

}  // namespace primitive

#endif  // PRIMITIVE_SET_H_
