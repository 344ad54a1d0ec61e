// The server's process: flags, start, signals, stop.

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/async_log.h"
#include "server/flags.h"
#include "server/recover.h"
#include "server/server.h"
#include "session/versions.h"
#include "storage/records.h"

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// How long partitions may take to serve before that is said.
constexpr uint64_t kStartNs = 10'000'000'000;

// How long a signal may go unheard meanwhile.
constexpr uint64_t kStartSliceNs = 100'000'000;

constexpr int kComplainWaitMs = 1000;

// Of the log, what stderr has not taken yet.
constexpr size_t kLogBytesMax = 1 << 20;

// One line, whatever the message.
void Complain(absl::string_view message) {
  const std::string line = absl::StrCat("server: ", message, "\n");
  // A full pipe that nobody reads must not keep the process from ending. What
  // poll finds room for is written at once (PIPE_BUF).
  pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&room, 1, kComplainWaitMs) != 1) return;
  // Not a stream: other threads may be in the middle of theirs.
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, line.data(), line.size());
}

// The node cannot go on: nothing was acknowledged since, and nothing will be.
void Die(absl::Status status) {
  google::FlushLogFiles(google::GLOG_INFO);
  Complain(absl::StrCat("fatal: ", status.message()));
  _exit(kExitFailed);
}

// What is stored counts, whatever the flags say now.
std::string NodeLine(const server::Server& server) {
  const storage::Identity self = server.identity();
  if (self.mode.empty()) return "waits for a controller (--managed)";
  std::string line =
      absl::StrCat(self.node.value(), " of cluster ", self.cluster);
  if (self.mode == storage::kSingleMode) return line + ", alone";
  if (self.mode == storage::kManagedMode) return line + ", managed";
  return absl::StrCat(line, ", which began with ",
                      server.initial_cluster()->members.size());
}

std::string PartitionsLine(const server::Server& server) {
  const storage::Identity self = server.identity();
  if (self.mode == storage::kStaticMode) {
    const storage::InitialCluster& cluster = *server.initial_cluster();
    return absl::StrCat(cluster.partitions, ", each on ", cluster.replication,
                        " nodes in the beginning");
  }
  return absl::StrCat(server.replicas(),
                      self.mode == storage::kSingleMode ? "" : " here");
}

void Greet(const server::Options& options, const server::Server& server) {
  std::cout << "multiraft " << server::kVersion << "\n"
            << "  clients     " << server.client_address() << "\n"
            << "  peers       "
            << (options.in_cluster()
                    ? server.peer_address()
                    : absl::StrCat(options.peer_listen,
                                   "  (opens when the node has peers)"))
            << "\n"
            << "  http        " << options.http_listen
            << "  (reserved, not served yet)\n"
            << "  data        " << options.data_dir
            << (server.identity().mode.empty() ? "  (not made yet)" : "")
            << "\n"
            << "  node        " << NodeLine(server) << "\n"
            << "  partitions  " << PartitionsLine(server) << "\n"
            << "ready" << std::endl;
}

// What ends the server in good order.
sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

// A signal that asks the process to end waits to be taken.
bool IsAskedToEnd() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGINT) == 1 ||
         sigismember(&pending, SIGTERM) == 1;
}

// False: it is asked to end before it serves.
bool AwaitServing(const server::Server& server) {
  for (uint64_t waited_ns = 0; waited_ns < kStartNs;
       waited_ns += kStartSliceNs) {
    if (IsAskedToEnd()) return false;
    if (server.WaitUntilServing(kStartSliceNs)) return true;
  }
  LOG(WARNING) << "not all partitions serve yet; see multiraftctl status";
  return true;
}

int Run(const server::Options& options) {
  const sigset_t signals = EndSignals();

  absl::StatusOr<std::unique_ptr<server::Server>> server =
      server::Server::Start(
          options, Die,
          {.stop = IsAskedToEnd, .on_wait = [](const std::string& what) {
             std::cout << what << std::endl;
           }});
  if (absl::IsCancelled(server.status())) {
    std::cout << "stopped" << std::endl;
    return EXIT_SUCCESS;
  }
  if (!server.ok()) {
    Complain(server.status().message());
    return kExitFailed;
  }
  if (AwaitServing(**server)) Greet(options, **server);

  int signal_number = 0;
  sigwait(&signals, &signal_number);
  std::cout << "stopping" << std::endl;
  // A second signal ends the process at once.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*server)->Stop();
  std::cout << "stopped" << std::endl;
  // Not by way of ~Server: see Stop.
  google::FlushLogFiles(google::GLOG_INFO);
  _exit(EXIT_SUCCESS);
}

}  // namespace

int main(int argc, char** argv) {
  // Blocked before any thread starts, so that all inherit it and sigwait is the
  // one place that hears them.
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  google::InitGoogleLogging(argv[0]);
  // Never destroyed: any thread may log until the process is gone.
  auto* log = new server::AsyncLog(STDERR_FILENO, kLogBytesMax);
  server::LogTo(*log);
  absl::StatusOr<server::CommandLine> line =
      server::ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
  if (!line.ok()) {
    Complain(line.status().message());
    return kExitUsage;
  }
  if (!line->text.empty()) {
    std::cout << line->text;
    return EXIT_SUCCESS;
  }
  if (line->options.recover) {
    const absl::Status recovered = server::Recover(line->options, std::cout);
    std::cout.flush();
    if (recovered.ok()) return EXIT_SUCCESS;
    Complain(recovered.message());
    return kExitFailed;
  }
#ifdef MULTIRAFT_NEXT_MACHINE_VERSION
  line->options.partition.limits.machine_version_max =
      session::kMachineVersionNext;
#endif
  const int exit_code = Run(line->options);
  google::FlushLogFiles(google::GLOG_INFO);
  return exit_code;
}
