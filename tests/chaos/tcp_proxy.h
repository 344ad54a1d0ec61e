// TcpProxy stands before the peer port of one node and carries bytes between it
// and whoever connects, unless the CutTable says that nothing passes: then
// bytes wait, as they do in a real network that drops packets until it heals.
//
// Who connects is found out by the port it connects from, so that all nodes can
// be given the same address of this one and still be cut off in pairs.
//
// Thread-safe; it has one thread of its own.

#ifndef TESTS_CHAOS_TCP_PROXY_H_
#define TESTS_CHAOS_TCP_PROXY_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "tests/chaos/cut_table.h"

namespace tests {

class TcpProxy {
 public:
  // The node whose process has a socket on this local port; 0: none.
  using Identify = std::function<int(uint16_t local_port)>;

  // Listens on a port of 127.0.0.1 that the system chooses, for node `node`,
  // which listens on `target_port`, perhaps not yet. The process ends if that
  // fails. `cuts` outlives it.
  TcpProxy(int node, uint16_t target_port, const CutTable& cuts,
           Identify identify);
  // Breaks all connections.
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  uint16_t port() const { return port_; }

  // Breaks all connections as they are now.
  void Break() { break_.store(true); }

  // Bytes carried to the node so far.
  uint64_t bytes_in() const { return bytes_in_.load(); }

 private:
  // One direction of a connection.
  struct Pipe {
    int from_fd = -1;
    int to_fd = -1;
    std::string waiting;  // Read and not written yet.
  };
  struct Connection {
    int peer = 0;  // The node that connected.
    Pipe in;       // To our node.
    Pipe out;      // To the peer.
  };

  void Run();
  void Accept();
  // False: the connection is over.
  bool Carry(Connection& connection);
  bool Carry(Pipe& pipe, bool cut, std::atomic<uint64_t>* count);
  static void Close(Connection& connection);

  const int node_;
  const uint16_t target_port_;
  const CutTable& cuts_;
  const Identify identify_;
  int listen_fd_ = -1;
  uint16_t port_ = 0;

  std::atomic<bool> stop_{false};
  std::atomic<bool> break_{false};
  std::atomic<uint64_t> bytes_in_{0};

  std::list<Connection> connections_;  // Of the thread.
  std::thread thread_;                 // Last: it uses all of the above.
};

// The socket of an established connection from this port of 127.0.0.1, as
// /proc names it; 0: none.
uint64_t SocketOfLocalPort(uint16_t local_port);

// The process has this socket open.
bool OwnsSocket(int pid, uint64_t socket);

// A port of 127.0.0.1 that was free a moment ago.
uint16_t FreePort();

}  // namespace tests

#endif  // TESTS_CHAOS_TCP_PROXY_H_
