#include "server/listen.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace server {
namespace {

absl::Status CannotListen(absl::string_view flag, const std::string& address,
                          absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen on ", address, " (--", flag, "): ", why));
}

}  // namespace

HostPort SplitHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return {.host = std::string(host),
          .port = std::string(address.substr(colon + 1))};
}

absl::Status CheckCanListen(absl::string_view flag,
                            const std::string& address) {
  const HostPort parts = SplitHostPort(address);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (int error =
          getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found);
      error != 0) {
    return CannotListen(flag, address, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found,
                                                             freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return CannotListen(flag, address, std::strerror(errno));
  // As gRPC: connections of a server that just ended do not hold the port.
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const int error =
      bind(fd, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
  close(fd);
  if (error == 0) return absl::OkStatus();
  if (error == EADDRINUSE) {
    return CannotListen(flag, address,
                        "the port is in use, perhaps by another server; stop "
                        "it or choose another port");
  }
  return CannotListen(flag, address, std::strerror(error));
}

}  // namespace server
