// A client that vanishes without a word, as one behind a cut cable does: the
// server notices by itself.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "base/check.h"
#include "gtest/gtest.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

constexpr int kPatienceMs = 20'000;

// What an HTTP/2 client says first, and an empty SETTINGS frame.
const std::string kHello =
    std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") +
    std::string("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9);

// A connection that says so much and nothing more, no answer to a ping either.
class SilentConnection {
 public:
  explicit SilentConnection(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int port = 0;
    CHECK(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    to.sin_port = htons(static_cast<uint16_t>(port));
    CHECK_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    CHECK_EQ(write(fd_, kHello.data(), kHello.size()),
             static_cast<ssize_t>(kHello.size()));
  }
  ~SilentConnection() { close(fd_); }

  // Whether the other end closes it, while there is patience.
  bool AwaitEnd() {
    char bytes[4096];
    while (true) {
      pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, kPatienceMs) != 1) return false;
      if (read(fd_, bytes, sizeof(bytes)) <= 0) return true;
    }
  }

 private:
  const int fd_;
};

TEST(HalfOpenTest, AClientThatAnswersNothingIsGivenUp) {
  server::Options options = TestServer::DefaultOptions();
  options.client_keep_alive_ns = 100'000'000;
  options.client_keep_alive_timeout_ns = 100'000'000;
  TestServer server(std::move(options));
  SilentConnection connection(server.server().client_address());
  EXPECT_TRUE(connection.AwaitEnd());
}

}  // namespace
}  // namespace tests
