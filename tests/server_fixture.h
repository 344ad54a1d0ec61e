// A server for a test: in the test's own process, or as a child process that
// can be killed. Both listen on port 0 and keep their data in a directory of
// the test.

#ifndef TESTS_SERVER_FIXTURE_H_
#define TESTS_SERVER_FIXTURE_H_

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "multiraft/admin/v1/admin.pb.h"
#include "server/options.h"
#include "server/server.h"

namespace tests {

// A directory that is removed in the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class TestServer {
 public:
  // Options for tests: quick to give up, small enough to reach limits.
  static server::Options DefaultOptions();

  // Starts; the process ends if that fails.
  explicit TestServer(server::Options options = DefaultOptions());

  // Stops and starts again with the same data.
  void Restart();
  // For clients that find their server where it was.
  void RestartAtSameAddress();
  void Stop() { server_.reset(); }
  // Waits until it serves. REQUIRES: it was stopped.
  void Start();

  const server::Options& options() const { return options_; }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Connect() const;

  // A partition, from 0 on, as Admin.Status tells.
  ::multiraft::admin::v1::PartitionStatus Status(int position = 0) const;

  server::Server& server() { return *server_; }

 private:
  TempDir directory_;
  server::Options options_;
  std::unique_ptr<server::Server> server_;
};

inline constexpr char kServerBinary[] = "server/server";

class ServerProcess {
 public:
  // Runs the server's binary; `arguments` come behind port 0 and `data_dir`.
  // Waits for its address, or its end.
  explicit ServerProcess(const std::string& data_dir,
                         std::vector<std::string> arguments = {});
  // `on_start` is told the process id before the server is ready. `binary` is
  // kServerBinary, or another one among the test's data.
  ServerProcess(const std::string& data_dir, std::vector<std::string> arguments,
                const std::function<void(pid_t)>& on_start,
                const std::string& binary);
  ~ServerProcess();

  // Empty: it ended before it was ready.
  const std::string& address() const { return address_; }
  std::shared_ptr<grpc::Channel> Connect() const;

  // Sends a signal and waits for the end.
  void End(int signal_number);
  // The exit code; -1: a signal ended it. Waits for the end.
  int ExitCode();
  // What it wrote to stderr, when it has ended.
  const std::string& errors() const { return errors_; }
  const std::string& output() const { return output_; }

 private:
  void ReadUntilReady();

  pid_t pid_ = 0;
  int stdout_fd_ = -1;
  int stderr_fd_ = -1;
  int exit_code_ = -1;
  std::string address_;
  std::string output_;
  std::string errors_;
};

}  // namespace tests

#endif  // TESTS_SERVER_FIXTURE_H_
