// What gRPC does not say when it cannot listen.

#ifndef SERVER_LISTEN_H_
#define SERVER_LISTEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace server {

// The host and port of "host:port", "[::1]:port" included.
struct HostPort {
  std::string host;
  std::string port;
};
HostPort SplitHostPort(absl::string_view address);

// Whether `address` can be listened on now. FailedPrecondition, in one
// sentence: it is in use, or not an address of this machine. `flag` is named in
// it.
absl::Status CheckCanListen(absl::string_view flag, const std::string& address);

}  // namespace server

#endif  // SERVER_LISTEN_H_
