#include "server/service/primitive_spec.h"

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "atomix/protocols/rsm/v1/fsm.pb.h"
#include "base/status_macros.h"

namespace server::service {
namespace {

namespace multiraft = ::atomix::multiraft::v1;
namespace rsm = ::atomix::protocols::rsm::v1;

absl::Status CheckName(absl::string_view field, absl::string_view name,
                       const session::Limits& limits) {
  if (name.size() <= limits.name_bytes_max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("input.spec.", field, " has ", name.size(),
                   " bytes, more than ", limits.name_bytes_max));
}

template <class Input>
absl::Status ParseInput(absl::string_view bytes, Input& input) {
  if (!input.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("input does not decode");
  }
  if (!input.has_spec()) {
    return absl::InvalidArgumentError("input.spec is missing");
  }
  return absl::OkStatus();
}

absl::StatusOr<PrimitiveSpec> ParseMultiRaft(absl::string_view bytes,
                                             const session::Limits& limits) {
  multiraft::CreatePrimitiveInput input;
  RETURN_IF_ERROR(ParseInput(bytes, input));
  const multiraft::PrimitiveSpec& spec = input.spec();
  RETURN_IF_ERROR(CheckName("service", spec.service(), limits));
  RETURN_IF_ERROR(CheckName("namespace", spec.namespace_(), limits));
  RETURN_IF_ERROR(CheckName("name", spec.name(), limits));
  RETURN_IF_ERROR(CheckName("profile", spec.profile(), limits));
  return PrimitiveSpec{.type = spec.service(),
                       .name_space = spec.namespace_(),
                       .name = spec.name(),
                       .profile = spec.profile()};
}

// What is proposed says it in the words of the first generation, which every
// replica knows, also one that does not serve the second yet.
std::string TypeStringOf(const rsm::PrimitiveType& type,
                         const session::Registry& registry) {
  const session::PrimitiveType* const found =
      registry.FindByRsmType(type.name(), type.apiversion());
  if (found != nullptr) return found->type_strings.front();
  return absl::StrCat(type.name(), "/", type.apiversion());
}

absl::StatusOr<PrimitiveSpec> ParseRsm(absl::string_view bytes,
                                       const session::Registry& registry,
                                       const session::Limits& limits) {
  rsm::CreatePrimitiveInput input;
  RETURN_IF_ERROR(ParseInput(bytes, input));
  const rsm::PrimitiveSpec& spec = input.spec();
  RETURN_IF_ERROR(CheckName("type.name", spec.type().name(), limits));
  RETURN_IF_ERROR(
      CheckName("type.apiVersion", spec.type().apiversion(), limits));
  RETURN_IF_ERROR(
      CheckName("name.namespace", spec.name().namespace_(), limits));
  RETURN_IF_ERROR(CheckName("name.name", spec.name().name(), limits));
  return PrimitiveSpec{.type = TypeStringOf(spec.type(), registry),
                       .name_space = spec.name().namespace_(),
                       .name = spec.name().name()};
}

}  // namespace

absl::StatusOr<PrimitiveSpec> ParseSpec(session::Generation generation,
                                        absl::string_view input,
                                        const session::Registry& registry,
                                        const session::Limits& limits) {
  return generation == session::Generation::kRsm
             ? ParseRsm(input, registry, limits)
             : ParseMultiRaft(input, limits);
}

}  // namespace server::service
