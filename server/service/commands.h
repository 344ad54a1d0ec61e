// Commands are a client's requests as they are written to the log: bytes of
// disk.v1.Command.

#ifndef SERVER_SERVICE_COMMANDS_H_
#define SERVER_SERVICE_COMMANDS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "server/service/envelope.h"
#include "server/service/primitive_spec.h"
#include "session/limits.h"
#include "session/registry.h"
#include "session/types.h"

namespace server::service {

// InvalidArgument, naming the field: no timeout, or one out of bounds.
absl::StatusOr<std::string> OpenSessionCommand(
    const atomix::multiraft::v1::OpenSessionInput& input,
    const session::Limits& limits);

// InvalidArgument: a filter that does not decode or is hostile.
absl::StatusOr<std::string> KeepAliveCommand(
    const atomix::multiraft::v1::KeepAliveInput& input,
    const session::Limits& limits);

std::string CloseSessionCommand(
    const atomix::multiraft::v1::CloseSessionInput& input);

// The generation of the API that carried them is part of the three that follow:
// what they answer may follow from it, and must not from who asks again.

std::string CreatePrimitiveCommand(const RequestHeaders& headers,
                                   session::Generation generation,
                                   const PrimitiveSpec& spec);

std::string ClosePrimitiveCommand(
    const RequestHeaders& headers, session::Generation generation,
    const atomix::multiraft::v1::ClosePrimitiveInput& input);

std::string PrimitiveCommand(const RequestHeaders& headers,
                             session::Generation generation,
                             const session::PrimitiveType& type,
                             const session::Operation& operation,
                             absl::string_view input);

}  // namespace server::service

#endif  // SERVER_SERVICE_COMMANDS_H_
