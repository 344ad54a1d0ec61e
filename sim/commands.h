// The commands of a client, as the server's services write them into the log.

#ifndef SIM_COMMANDS_H_
#define SIM_COMMANDS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "partition/partition.h"
#include "session/registry.h"
#include "session/types.h"

namespace sim {

partition::CommandRequest OpenSessionRequest(uint64_t timeout_ns);

// `last` and all numbers below it were started; those in `open` still run.
// `acknowledged`: of open streams, the outputs that have arrived.
partition::CommandRequest KeepAliveRequest(
    session::SessionId session, uint64_t last,
    const std::vector<uint64_t>& open,
    const std::map<uint64_t, uint64_t>& acknowledged);

partition::CommandRequest CloseSessionRequest(session::SessionId session);

partition::CommandRequest CreatePrimitiveRequest(session::CommandKey key,
                                                 absl::string_view service,
                                                 absl::string_view name);

// The operation `rpc` of `type`; a stream command becomes a kStream request.
// REQUIRES: there is such a command.
partition::CommandRequest OperationRequest(session::CommandKey key,
                                           session::PrimitiveId primitive,
                                           const session::PrimitiveType& type,
                                           absl::string_view rpc,
                                           absl::string_view input);

// The operation of `type` with this name. REQUIRES: there is one.
const session::Operation& OperationNamed(const session::PrimitiveType& type,
                                         absl::string_view rpc);

}  // namespace sim

#endif  // SIM_COMMANDS_H_
