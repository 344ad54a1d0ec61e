// Cluster is some server processes on this machine that can be killed, paused,
// and cut off from each other by the proxies between them.
//
// Used by one thread.

#ifndef TESTS_CHAOS_CLUSTER_H_
#define TESTS_CHAOS_CLUSTER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/cut_table.h"
#include "tests/chaos/tcp_proxy.h"
#include "tests/server_fixture.h"

namespace tests {

struct ClusterOptions {
  int nodes = 3;    // That it begins with.
  int joiners = 0;  // Numbered behind those; started by Join.
  uint32_t partitions = 1;
  std::string directory;               // Holds a directory for each node.
  std::vector<std::string> arguments;  // Of every server.
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);
  ~Cluster();

  // Starts all nodes at the same time and waits until each says it is ready.
  // False: one of them ended.
  bool Start();

  // Nodes are numbered from 1.
  int size() const { return static_cast<int>(nodes_.size()); }
  std::vector<std::string> addresses() const;
  CutTable& cuts() { return cuts_; }

  bool is_up(int node) const { return of(node).process != nullptr; }
  void Kill(int node);       // SIGKILL.
  void Stop(int node);       // SIGTERM, and waits for the end.
  void BeginStop(int node);  // SIGTERM.
  // Starts it again. False: it ended.
  bool Restart(int node);
  // Starts it as one that was never there (--join): a joiner, or one that was
  // wiped. From then on Restart does the same. False: it ended.
  bool Join(int node);
  // From the next start on others are told to reach it without its proxy.
  void Move(int node) { of(node).has_moved = true; }
  // Its data directory is empty again. REQUIRES: it is down.
  void Wipe(int node);
  std::string DirectoryOf(int node) const;
  // Where others reach it: its proxy.
  std::string PeerAddress(int node) const;
  // What its next process runs, if not kServerBinary.
  void set_binary(int node, const std::string& binary) {
    of(node).binary = binary;
  }
  void Pause(int node);
  void Resume(int node);
  void BreakConnections(int node) { of(node).proxy->Break(); }

  // What its proxy has carried to it, since the cluster was made.
  uint64_t BytesTo(int node) const { return of(node).proxy->bytes_in(); }

  // Resident memory; 0 if it is down, or has ended by itself.
  uint64_t MemoryBytes(int node) const;
  // What it wrote to stderr until it ended last.
  const std::string& errors(int node) const { return of(node).errors; }

 private:
  struct Node {
    uint16_t api_port = 0;
    uint16_t peer_port = 0;  // Its own; others know the proxy's.
    std::atomic<int> pid{0};
    std::unique_ptr<TcpProxy> proxy;
    std::unique_ptr<ServerProcess> process;
    std::string errors;
    bool joins = false;
    bool has_moved = false;
    std::string binary = kServerBinary;
  };

  Node& of(int node) { return *nodes_[static_cast<size_t>(node) - 1]; }
  const Node& of(int node) const {
    return *nodes_[static_cast<size_t>(node) - 1];
  }
  void End(int node, int signal_number);
  // How it is told of the others.
  std::vector<std::string> ClusterFlags(int node) const;
  int NodeOfLocalPort(uint16_t port) const;

  const ClusterOptions options_;
  CutTable cuts_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace tests

#endif  // TESTS_CHAOS_CLUSTER_H_
