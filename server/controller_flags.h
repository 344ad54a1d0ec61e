// The flags of the Go node, which existing controllers start nodes with, as
// settings of this one:
//
//   --config FILE       heartbeat, election timeout and data directory: a
//                       MultiRaftConfig as proto JSON
//   --api-host, --api-port    --listen
//   --raft-host, --raft-port  --peer_listen
//
// Each of them implies --managed. Our own flags win.

#ifndef SERVER_CONTROLLER_FLAGS_H_
#define SERVER_CONTROLLER_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace server {

// What a command line or a file sets.
struct Setting {
  std::string name;
  std::string value;
  std::string where;  // For people: "--listen", "file:3".
};

// `settings` with ours in the place of theirs. InvalidArgument, in one line
// that names the flag, and the field of the file.
absl::StatusOr<std::vector<Setting>> TranslateControllerFlags(
    const std::vector<Setting>& settings);

// The settings in a MultiRaftConfig. Durations are "0.25s" or, as one
// controller writes them, nanoseconds. InvalidArgument names the field.
absl::StatusOr<std::vector<Setting>> ParseControllerConfig(
    absl::string_view json);

}  // namespace server

#endif  // SERVER_CONTROLLER_FLAGS_H_
