#include "session/primitives.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"

namespace session {
namespace {

std::string NameKey(const PrimitiveRow& spec) {
  std::string key;
  base::AppendOrdered(key, spec.name_space);
  base::AppendOrdered(key, spec.name);
  base::AppendOrdered(key, spec.profile);
  return key;
}

}  // namespace

Primitives::Primitives(TableSet& tables, const Registry& registry)
    : tables_(tables),
      registry_(registry),
      table_(tables, TableId::kPrimitives),
      users_(tables, TableId::kUsers) {}

Primitives::Member* Primitives::Find(PrimitiveId id) {
  auto it = members_.find(id);
  return it == members_.end() ? nullptr : it->second.get();
}

const Primitives::Member* Primitives::Find(PrimitiveId id) const {
  auto it = members_.find(id);
  return it == members_.end() ? nullptr : it->second.get();
}

const Primitives::Member* Primitives::FindByName(
    const PrimitiveRow& spec) const {
  auto it = by_name_.find(NameKey(spec));
  return it == by_name_.end() ? nullptr : Find(it->second);
}

Primitives::Member& Primitives::Create(PrimitiveId id,
                                       const PrimitiveType& type,
                                       PrimitiveRow spec) {
  return Add(id, type, table_.Insert(id, std::move(spec)));
}

Primitives::Member& Primitives::Add(PrimitiveId id, const PrimitiveType& type,
                                    const PrimitiveRow& spec) {
  auto member = std::make_unique<Member>();
  member->id = id;
  member->type = &type;
  member->primitive = type.create(tables_, id);
  const bool added = by_name_.emplace(NameKey(spec), id).second;
  CHECK(added) << "primitive " << id << " has the name of another";
  return *(members_[id] = std::move(member));
}

void Primitives::ForEach(absl::FunctionRef<void(Member&)> visit) {
  table_.Scan([&](const PrimitiveId& id, const PrimitiveRow&) {
    visit(*members_.at(id));
    return true;
  });
}

absl::Status Primitives::Load(PrimitiveId id) {
  const PrimitiveRow* row = table_.Find(id);
  if (row == nullptr) {
    return absl::DataLossError(
        absl::StrCat("primitive ", id.value(), " has no row"));
  }
  const PrimitiveType* type = registry_.FindByName(row->type);
  if (type == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("primitive ", id.value(), " is of type ", row->type,
                     ", which this version does not have"));
  }
  if (FindByName(*row) != nullptr) {
    return absl::DataLossError(
        absl::StrCat("primitive ", id.value(), " has the name of another"));
  }
  Add(id, *type, *row);
  return absl::OkStatus();
}

void Primitives::AddUser(UserKey user) { users_.Put(user, UserRow()); }

void Primitives::CloseUser(UserKey user) {
  users_.Put(user, UserRow{.closing = true});
}

void Primitives::RemoveUser(UserKey user) { users_.Erase(user); }

std::optional<PrimitiveId> Primitives::FirstOf(SessionId session) const {
  std::optional<PrimitiveId> first;
  users_.ScanFrom({session, PrimitiveId(0)},
                  [&](const UserKey& key, const UserRow&) {
                    if (key.first == session) first = key.second;
                    return false;
                  });
  return first;
}

void Primitives::ForEachUser(
    absl::FunctionRef<void(const UserKey&, const UserRow&)> visit) const {
  users_.Scan([&](const UserKey& key, const UserRow& row) {
    visit(key, row);
    return true;
  });
}

}  // namespace session
