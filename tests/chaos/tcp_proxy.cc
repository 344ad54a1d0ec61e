#include "tests/chaos/tcp_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace tests {
namespace {

constexpr size_t kWaitingBytesMax = 256 << 10;
// How often a proxy looks whether it may go on, or should stop.
constexpr int kLookEveryMs = 5;
// To find out who connects takes a while, in which nothing is carried.
constexpr int kAcceptsAtOnce = 4;
constexpr unsigned kListens = 10;  // TCP_LISTEN, as /proc says it.

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t PortOf(const sockaddr_in& address) { return ntohs(address.sin_port); }

// Whoever connected has not closed again.
bool IsStillThere(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         info.tcpi_state == TCP_ESTABLISHED;
}

// Listening on port 0 if `backlog`, else only bound.
std::pair<int, uint16_t> Bind(int backlog) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  CHECK_GE(fd, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  CHECK_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  if (backlog > 0) CHECK_EQ(listen(fd, backlog), 0);
  CHECK_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return {fd, PortOf(address)};
}

}  // namespace

uint64_t SocketOfLocalPort(uint16_t local_port) {
  // Most sockets of servers are in the first.
  for (const char* table : {"/proc/net/tcp6", "/proc/net/tcp"}) {
    std::ifstream lines(table);
    std::string line;
    std::getline(lines, line);  // Names of columns.
    while (std::getline(lines, line)) {
      unsigned port = 0;
      unsigned state = 0;
      unsigned long inode = 0;
      // number: local:port remote:port state queues timer retries uid timeout
      if (std::sscanf(line.c_str(),
                      "%*s %*[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %lu", &port,
                      &state, &inode) == 3 &&
          port == local_port && state != kListens && inode != 0) {
        return inode;
      }
    }
  }
  return 0;
}

bool OwnsSocket(int pid, uint64_t socket) {
  const std::string wanted = absl::StrCat("socket:[", socket, "]");
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/fd"), error)) {
    if (std::filesystem::read_symlink(file.path(), error) == wanted) {
      return true;
    }
  }
  return false;
}

uint16_t FreePort() {
  const auto [fd, port] = Bind(/*backlog=*/0);
  close(fd);
  return port;
}

TcpProxy::TcpProxy(int node, uint16_t target_port, const CutTable& cuts,
                   Identify identify)
    : node_(node),
      target_port_(target_port),
      cuts_(cuts),
      identify_(std::move(identify)) {
  std::tie(listen_fd_, port_) = Bind(/*backlog=*/64);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  stop_.store(true);
  thread_.join();
  for (Connection& connection : connections_) Close(connection);
  close(listen_fd_);
}

void TcpProxy::Run() {
  while (!stop_.load()) {
    // Whoever may move is waited for; the rest is looked at again soon.
    std::vector<pollfd> waits = {{.fd = listen_fd_, .events = POLLIN}};
    for (const Connection& connection : connections_) {
      const auto wait_for = [&](const Pipe& pipe, int from, int to) {
        if (cuts_.IsCut(from, to)) return;
        if (!pipe.waiting.empty()) {
          waits.push_back({.fd = pipe.to_fd, .events = POLLOUT});
        } else {
          waits.push_back({.fd = pipe.from_fd, .events = POLLIN});
        }
      };
      wait_for(connection.in, connection.peer, node_);
      wait_for(connection.out, node_, connection.peer);
    }
    poll(waits.data(), waits.size(), kLookEveryMs);
    if (break_.exchange(false)) {
      for (Connection& connection : connections_) Close(connection);
      connections_.clear();
    }
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (Carry(*it)) {
        ++it;
        continue;
      }
      Close(*it);
      it = connections_.erase(it);
    }
    Accept();
  }
}

void TcpProxy::Accept() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    sockaddr_in address = {};
    socklen_t size = sizeof(address);
    const int peer_fd =
        accept4(listen_fd_, reinterpret_cast<sockaddr*>(&address), &size,
                SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer_fd < 0) return;
    // Those who gave up may be many when the machine is busy. To find out who
    // each was would keep the next ones waiting until they give up, too.
    if (!IsStillThere(peer_fd)) {
      close(peer_fd);
      --i;
      continue;
    }
    const int node_fd =
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_GE(node_fd, 0);
    const int on = 1;
    setsockopt(peer_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(node_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const sockaddr_in target = Loopback(target_port_);
    if (connect(node_fd, reinterpret_cast<const sockaddr*>(&target),
                sizeof(target)) != 0 &&
        errno != EINPROGRESS) {
      close(peer_fd);
      close(node_fd);
      continue;
    }
    connections_.push_back({.peer = identify_(PortOf(address)),
                            .in = {.from_fd = peer_fd, .to_fd = node_fd},
                            .out = {.from_fd = node_fd, .to_fd = peer_fd}});
  }
}

bool TcpProxy::Carry(Connection& connection) {
  return Carry(connection.in, cuts_.IsCut(connection.peer, node_),
               &bytes_in_) &&
         Carry(connection.out, cuts_.IsCut(node_, connection.peer), nullptr);
}

bool TcpProxy::Carry(Pipe& pipe, bool cut, std::atomic<uint64_t>* count) {
  if (cut) return true;
  char bytes[64 << 10];
  while (pipe.waiting.size() < kWaitingBytesMax) {
    const ssize_t got = read(pipe.from_fd, bytes, sizeof(bytes));
    if (got == 0) return false;
    if (got < 0) {
      // A connection that is being made cannot be read yet.
      if (errno == EAGAIN || errno == ENOTCONN) break;
      return false;
    }
    pipe.waiting.append(bytes, static_cast<size_t>(got));
  }
  while (!pipe.waiting.empty()) {
    const ssize_t put = send(pipe.to_fd, pipe.waiting.data(),
                             pipe.waiting.size(), MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN || errno == ENOTCONN;
    if (count != nullptr) count->fetch_add(static_cast<uint64_t>(put));
    pipe.waiting.erase(0, static_cast<size_t>(put));
  }
  return true;
}

void TcpProxy::Close(Connection& connection) {
  close(connection.in.from_fd);
  close(connection.in.to_fd);
}

}  // namespace tests
