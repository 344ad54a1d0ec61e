#include "server/service/generation.h"

#include "absl/strings/str_cat.h"

namespace server::service {

using session::Generation;

std::string SharedService(Generation generation, absl::string_view service) {
  switch (generation) {
    case Generation::kMultiRaft:
      return absl::StrCat("atomix.multiraft.v1.", service);
    case Generation::kRsm:
      return absl::StrCat("atomix.protocols.rsm.v1.", service);
  }
  return "";
}

ErrorProfile ProfileOf(Generation generation) {
  switch (generation) {
    case Generation::kMultiRaft:
      return {.unknown_session = absl::StatusCode::kPermissionDenied};
    case Generation::kRsm:
      return {.unknown_session = absl::StatusCode::kDataLoss};
  }
  return {};
}

}  // namespace server::service
