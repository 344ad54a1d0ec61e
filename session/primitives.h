// Primitives is the primitives of a partition: their specs, the objects that
// hold their state, and which sessions have opened them.
//
// Not thread-safe: used on its partition's worker only.

#ifndef SESSION_PRIMITIVES_H_
#define SESSION_PRIMITIVES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "session/rows.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/types.h"

namespace session {

class Primitives {
 public:
  struct Member {
    PrimitiveId id;
    const PrimitiveType* type = nullptr;
    std::unique_ptr<Primitive> primitive;
  };

  // Both must outlive it.
  Primitives(TableSet& tables, const Registry& registry);

  // Null if there is none. Valid for ever: primitives are not deleted.
  Member* Find(PrimitiveId id);
  const Member* Find(PrimitiveId id) const;
  // By namespace, name and profile.
  const Member* FindByName(const PrimitiveRow& spec) const;

  // REQUIRES: FindByName has none, and spec.type is type.name.
  Member& Create(PrimitiveId id, const PrimitiveType& type, PrimitiveRow spec);

  size_t size() const { return members_.size(); }
  // In the order of ids.
  void ForEach(absl::FunctionRef<void(Member&)> visit);

  // The row of `id` was loaded: makes the primitive, so that its own rows find
  // their tables. FailedPrecondition: a type this binary does not have.
  absl::Status Load(PrimitiveId id);

  // --- Users ----------------------------------------------------------------

  void AddUser(UserKey user);
  // The session closes it; its user stays until what it holds is released.
  void CloseUser(UserKey user);
  void RemoveUser(UserKey user);
  // Null if the session never opened it, or is done with it.
  const UserRow* FindUser(UserKey user) const { return users_.Find(user); }
  // Its first primitive, closing or not.
  std::optional<PrimitiveId> FirstOf(SessionId session) const;
  void ForEachUser(
      absl::FunctionRef<void(const UserKey&, const UserRow&)> visit) const;

 private:
  Member& Add(PrimitiveId id, const PrimitiveType& type,
              const PrimitiveRow& spec);

  TableSet& tables_;
  const Registry& registry_;
  Table<PrimitiveId, PrimitiveRow> table_;
  Table<UserKey, UserRow> users_;

  // Derived.
  absl::flat_hash_map<PrimitiveId, std::unique_ptr<Member>> members_;
  absl::flat_hash_map<std::string, PrimitiveId> by_name_;
};

}  // namespace session

#endif  // SESSION_PRIMITIVES_H_
