#include "tests/chaos/cluster.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace tests {

Cluster::Cluster(const ClusterOptions& options) : options_(options) {
  for (int i = 1; i <= options.nodes + options.joiners; ++i) {
    auto node = std::make_unique<Node>();
    node->api_port = FreePort();
    node->peer_port = FreePort();
    nodes_.push_back(std::move(node));
  }
  for (int i = 1; i <= options.nodes + options.joiners; ++i) {
    of(i).proxy = std::make_unique<TcpProxy>(
        i, of(i).peer_port, cuts_,
        [this](uint16_t port) { return NodeOfLocalPort(port); });
  }
}

Cluster::~Cluster() {
  for (int i = 1; i <= size(); ++i) {
    if (is_up(i)) Kill(i);
  }
  // Their threads ask who connects.
  for (int i = 1; i <= size(); ++i) of(i).proxy = nullptr;
}

int Cluster::NodeOfLocalPort(uint16_t port) const {
  const uint64_t socket = SocketOfLocalPort(port);
  for (int i = 1; socket != 0 && i <= size(); ++i) {
    const int pid = of(i).pid.load();
    if (pid != 0 && OwnsSocket(pid, socket)) return i;
  }
  return 0;
}

bool Cluster::Start() {
  std::vector<char> started(static_cast<size_t>(options_.nodes), 0);
  std::vector<std::thread> threads;
  for (int i = 1; i <= options_.nodes; ++i) {
    threads.emplace_back([this, i, &started] {
      started[static_cast<size_t>(i) - 1] = Restart(i) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (char one : started) {
    if (one == 0) return false;
  }
  return true;
}

std::vector<std::string> Cluster::addresses() const {
  std::vector<std::string> addresses;
  for (const auto& node : nodes_) {
    addresses.push_back(absl::StrCat("127.0.0.1:", node->api_port));
  }
  return addresses;
}

std::vector<std::string> Cluster::ClusterFlags(int node) const {
  if (of(node).joins) {
    std::string others;
    for (int i = 1; i <= size(); ++i) {
      if (i == node || !is_up(i)) continue;
      absl::StrAppend(&others, others.empty() ? "" : ",", PeerAddress(i));
    }
    return {absl::StrCat("--join=", others),
            absl::StrCat("--advertise_peer=", PeerAddress(node))};
  }
  std::vector<std::string> flags = {
      absl::StrCat("--partitions=", options_.partitions)};
  if (options_.nodes == 1 && options_.joiners == 0) return flags;
  std::string members;
  for (int i = 1; i <= options_.nodes; ++i) {
    absl::StrAppend(&members, i > 1 ? "," : "", i, "=", PeerAddress(i),
                    "/127.0.0.1:", of(i).api_port);
  }
  flags.push_back(absl::StrCat("--cluster=", members));
  flags.push_back(absl::StrCat("--replication=", options_.nodes));
  if (of(node).has_moved) {
    flags.push_back(
        absl::StrCat("--advertise_peer=127.0.0.1:", of(node).peer_port));
  }
  return flags;
}

bool Cluster::Join(int node) {
  of(node).joins = true;
  return Restart(node);
}

void Cluster::Wipe(int node) {
  CHECK(!is_up(node));
  // Not the directory, which may be where a disk is.
  for (const auto& entry :
       std::filesystem::directory_iterator(DirectoryOf(node))) {
    std::filesystem::remove_all(entry.path());
  }
}

std::string Cluster::DirectoryOf(int node) const {
  return absl::StrCat(options_.directory, "/", node);
}

std::string Cluster::PeerAddress(int node) const {
  return absl::StrCat("127.0.0.1:", of(node).proxy->port());
}

bool Cluster::Restart(int node) {
  CHECK(!is_up(node));
  Node& one = of(node);
  std::vector<std::string> arguments = options_.arguments;
  arguments.push_back(absl::StrCat("--listen=127.0.0.1:", one.api_port));
  arguments.push_back(absl::StrCat("--peer_listen=127.0.0.1:", one.peer_port));
  arguments.push_back(absl::StrCat("--node=", node));
  for (std::string& flag : ClusterFlags(node)) {
    arguments.push_back(std::move(flag));
  }
  auto process = std::make_unique<ServerProcess>(
      DirectoryOf(node), std::move(arguments),
      [&one](int pid) { one.pid.store(pid); }, one.binary);
  if (process->address().empty()) {
    process->End(SIGKILL);
    one.errors = process->errors();
    one.pid.store(0);
    return false;
  }
  one.process = std::move(process);
  return true;
}

void Cluster::End(int node, int signal_number) {
  Node& one = of(node);
  CHECK(is_up(node));
  one.process->End(signal_number);
  one.errors = one.process->errors();
  one.process = nullptr;
  one.pid.store(0);
}

void Cluster::Kill(int node) { End(node, SIGKILL); }
void Cluster::Stop(int node) { End(node, SIGTERM); }
void Cluster::BeginStop(int node) { kill(of(node).pid.load(), SIGTERM); }
void Cluster::Pause(int node) { kill(of(node).pid.load(), SIGSTOP); }
void Cluster::Resume(int node) { kill(of(node).pid.load(), SIGCONT); }

uint64_t Cluster::MemoryBytes(int node) const {
  std::ifstream file(absl::StrCat("/proc/", of(node).pid.load(), "/statm"));
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace tests
