// Registry is the table of primitive types: what a CreatePrimitive may name,
// which RPCs each type has, and how to make one. primitive/registry.cc fills
// it; the state machine, the gRPC services and the command line walk it.
//
// Immutable after construction; thread-safe.

#ifndef SESSION_REGISTRY_H_
#define SESSION_REGISTRY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "session/limits.h"
#include "session/primitive.h"
#include "session/types.h"
#include "session/versions.h"

namespace session {

class TableSet;

enum class OperationKind : uint8_t {
  kCommand,        // Unary, through the log.
  kQuery,          // Unary, not through the log.
  kStreamCommand,  // Through the log; its answers are numbered events.
  kStreamQuery,    // A listing, perhaps followed by changes.
};

struct Operation {
  // The field number of the RPC's input in the public <P>Input union.
  // Do not change: on disk.
  uint32_t id = 0;
  std::string rpc;  // "Put"
  OperationKind kind = OperationKind::kCommand;
  // The command can make the state larger: refused at the state bound.
  bool grows = false;

  // Checks an input before it is proposed or executed: it decodes, and every
  // key and value is within limits. InvalidArgument names the field.
  absl::Status (*check)(absl::string_view input,
                        const Limits& limits) = nullptr;

  // Before the partition has this machine version it does not exist, as it does
  // not for the binaries that do not know it. Do not change: on disk, by its
  // effects.
  uint32_t since_version = kMachineVersionMin;
};

struct PrimitiveType {
  std::string name;     // "map"
  std::string service;  // gRPC service, "atomix.multiraft.map.v1.Map"
  // The second generation of the API does not have it.
  bool first_generation_only = false;
  // What CreatePrimitive may call it; the first is stored and compared.
  std::vector<std::string> type_strings;
  std::vector<Operation> operations;

  // Makes a primitive whose tables are in `tables`, empty.
  std::unique_ptr<Primitive> (*create)(TableSet& tables,
                                       PrimitiveId id) = nullptr;

  // As in Operation.
  uint32_t since_version = kMachineVersionMin;

  // Its gRPC service in an API: "atomix.protocols.rsm.map.v1.Map". Empty: it
  // has none.
  std::string ServiceIn(Generation generation) const;

  // Null: there is none.
  const Operation* FindOperation(uint32_t id) const;
  // Nor at `machine_version`.
  const Operation* FindOperation(uint32_t id, uint32_t machine_version) const;
};

class Registry {
 public:
  explicit Registry(std::vector<PrimitiveType> types);

  const std::vector<PrimitiveType>& types() const { return types_; }

  // Null if there is none.
  const PrimitiveType* FindByTypeString(absl::string_view type_string) const;
  // Nor at `machine_version`.
  const PrimitiveType* FindByTypeString(absl::string_view type_string,
                                        uint32_t machine_version) const;
  const PrimitiveType* FindByName(absl::string_view name) const;
  // As the second generation calls it: "Map", "v1".
  const PrimitiveType* FindByRsmType(absl::string_view name,
                                     absl::string_view api_version) const;

 private:
  const std::vector<PrimitiveType> types_;
};

}  // namespace session

#endif  // SESSION_REGISTRY_H_
