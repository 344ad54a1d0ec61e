#include "session/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace session {
namespace {

constexpr char kMultiRaftPackage[] = "atomix.multiraft.";
constexpr char kRsmPackage[] = "atomix.protocols.rsm.";

}  // namespace

std::string PrimitiveType::ServiceIn(Generation generation) const {
  if (generation == Generation::kMultiRaft) return service;
  absl::string_view rest = service;
  if (first_generation_only || !absl::ConsumePrefix(&rest, kMultiRaftPackage)) {
    return "";
  }
  return absl::StrCat(kRsmPackage, rest);
}

const Operation* PrimitiveType::FindOperation(uint32_t id) const {
  for (const Operation& operation : operations) {
    if (operation.id == id) return &operation;
  }
  return nullptr;
}

const Operation* PrimitiveType::FindOperation(uint32_t id,
                                              uint32_t machine_version) const {
  const Operation* operation = FindOperation(id);
  return operation == nullptr || operation->since_version > machine_version
             ? nullptr
             : operation;
}

Registry::Registry(std::vector<PrimitiveType> types)
    : types_(std::move(types)) {}

const PrimitiveType* Registry::FindByTypeString(
    absl::string_view type_string) const {
  for (const PrimitiveType& type : types_) {
    for (const std::string& candidate : type.type_strings) {
      if (candidate == type_string) return &type;
    }
  }
  return nullptr;
}

const PrimitiveType* Registry::FindByTypeString(
    absl::string_view type_string, uint32_t machine_version) const {
  const PrimitiveType* type = FindByTypeString(type_string);
  return type == nullptr || type->since_version > machine_version ? nullptr
                                                                  : type;
}

const PrimitiveType* Registry::FindByName(absl::string_view name) const {
  for (const PrimitiveType& type : types_) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

const PrimitiveType* Registry::FindByRsmType(
    absl::string_view name, absl::string_view api_version) const {
  for (const PrimitiveType& type : types_) {
    if (type.ServiceIn(Generation::kRsm) ==
        absl::StrCat(kRsmPackage, type.name, ".", api_version, ".", name)) {
      return &type;
    }
  }
  return nullptr;
}

}  // namespace session
