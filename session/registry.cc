#include "session/registry.h"

#include <utility>

namespace session {

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

}  // namespace session
