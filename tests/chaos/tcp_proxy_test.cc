#include "tests/chaos/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "base/check.h"
#include "gtest/gtest.h"

namespace tests {
namespace {

constexpr int kNode = 1;
constexpr int kPeer = 2;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A node that listens, and a peer that connects to it through the proxy.
class TcpProxyTest : public testing::Test {
 protected:
  TcpProxyTest() : listen_fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    CHECK_EQ(bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    CHECK_EQ(listen(listen_fd_, 4), 0);
    getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size);
    proxy_ = std::make_unique<TcpProxy>(
        kNode, ntohs(address.sin_port), cuts_, [](uint16_t port) {
          return OwnsSocket(getpid(), SocketOfLocalPort(port)) ? kPeer : 0;
        });
  }
  ~TcpProxyTest() override {
    for (int fd : {peer_fd_, node_fd_, listen_fd_}) {
      if (fd >= 0) close(fd);
    }
  }

  void Connect() {
    peer_fd_ = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(proxy_->port());
    CHECK_EQ(connect(peer_fd_, reinterpret_cast<const sockaddr*>(&address),
                     sizeof(address)),
             0);
    node_fd_ = accept(listen_fd_, nullptr, nullptr);
    CHECK_GE(node_fd_, 0);
  }
  static void Send(int fd, const std::string& bytes) {
    CHECK_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
             static_cast<ssize_t>(bytes.size()));
  }
  // Exactly `size` bytes, or what came before the end.
  static std::string Receive(int fd, size_t size) {
    std::string bytes(size, '\0');
    const ssize_t got = recv(fd, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  static bool HasSomething(int fd, int wait_ms) {
    pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, wait_ms) > 0;
  }

  CutTable cuts_;
  const int listen_fd_;
  std::unique_ptr<TcpProxy> proxy_;
  int peer_fd_ = -1;
  int node_fd_ = -1;
};

TEST_F(TcpProxyTest, CarriesBytesBothWays) {
  Connect();
  const std::string large(3 << 20, 'x');
  Send(peer_fd_, "hello");
  EXPECT_EQ(Receive(node_fd_, 5), "hello");
  std::thread sender([&] { Send(node_fd_, large); });
  EXPECT_EQ(Receive(peer_fd_, large.size()), large);
  sender.join();
  EXPECT_EQ(proxy_->bytes_in(), 5u);
}

TEST_F(TcpProxyTest, ACutHoldsOneDirectionUntilItHeals) {
  Connect();
  Send(peer_fd_, "a");
  EXPECT_EQ(Receive(node_fd_, 1), "a");
  cuts_.Cut(kPeer, kNode);
  Send(peer_fd_, "late");
  Send(node_fd_, "answer");
  EXPECT_EQ(Receive(peer_fd_, 6), "answer");
  EXPECT_FALSE(HasSomething(node_fd_, 30));
  cuts_.HealAll();
  EXPECT_EQ(Receive(node_fd_, 4), "late");
}

TEST_F(TcpProxyTest, OthersAreNotCut) {
  cuts_.CutBoth(kNode, 3);
  Connect();
  Send(peer_fd_, "a");
  EXPECT_EQ(Receive(node_fd_, 1), "a");
}

TEST_F(TcpProxyTest, BreakEndsConnections) {
  Connect();
  Send(peer_fd_, "a");
  EXPECT_EQ(Receive(node_fd_, 1), "a");
  proxy_->Break();
  EXPECT_EQ(Receive(node_fd_, 1), "");
  EXPECT_EQ(Receive(peer_fd_, 1), "");
}

TEST_F(TcpProxyTest, ANodeThatIsDownRefuses) {
  TcpProxy proxy(kNode, FreePort(), cuts_, [](uint16_t) { return 0; });
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(proxy.port());
  CHECK_EQ(
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
      0);
  EXPECT_EQ(Receive(fd, 1), "");
  close(fd);
}

TEST(SocketOfLocalPortTest, IsNoneWhereNobodyIs) {
  EXPECT_EQ(SocketOfLocalPort(FreePort()), 0u);
  EXPECT_FALSE(OwnsSocket(getpid(), 1));
}

}  // namespace
}  // namespace tests
