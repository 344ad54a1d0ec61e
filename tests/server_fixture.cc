#include "tests/server_fixture.h"

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "tests/raw_session.h"

extern char** environ;

namespace tests {
namespace {

constexpr uint64_t kStartNs = 10'000'000'000;

// A channel that no other shares, and that tries again soon.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::string ReadAll(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    all.append(buffer, static_cast<size_t>(n));
  }
  return all;
}

}  // namespace

TempDir::TempDir() {
  const char* base = getenv("TEST_TMPDIR");
  path_ = absl::StrCat(base != nullptr ? base : "/tmp", "/server.XXXXXX");
  CHECK(mkdtemp(path_.data()) != nullptr) << path_;
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

server::Options TestServer::DefaultOptions() {
  server::Options options;
  options.listen = "127.0.0.1:0";
  options.workers = 2;
  options.partition.stream_hold_ns = 50'000'000;
  options.drain_timeout_ns = 200'000'000;
  return options;
}

TestServer::TestServer(server::Options options) : options_(std::move(options)) {
  options_.data_dir = directory_.path() + "/data";
  // As ParseCommandLine does.
  options_.service.limits = options_.partition.limits;
  options_.service.entry_bytes_max = options_.partition.raft.entry_bytes_max;
  options_.service.stream_hold_ns = options_.partition.stream_hold_ns;
  Start();
}

void TestServer::Start() {
  auto started = server::Server::Start(options_, [](absl::Status status) {
    LOG(FATAL) << "the server died: " << status.ToString();
  });
  CHECK(started.ok()) << started.status().ToString();
  server_ = *std::move(started);
  CHECK(server_->WaitUntilServing(kStartNs));
}

void TestServer::Restart() {
  server_.reset();
  Start();
}

void TestServer::RestartAtSameAddress() {
  options_.listen = server_->client_address();
  Restart();
}

std::shared_ptr<grpc::Channel> TestServer::Connect() const {
  return ConnectTo(server_->client_address());
}

::multiraft::admin::v1::PartitionStatus TestServer::Status(int position) const {
  auto stub = ::multiraft::admin::v1::Admin::NewStub(Connect());
  ::multiraft::admin::v1::StatusResponse response;
  Call call;
  const grpc::Status status = stub->Status(&call, {}, &response);
  CHECK(status.ok()) << status.error_message();
  return response.partitions(position);
}

ServerProcess::ServerProcess(const std::string& data_dir,
                             std::vector<std::string> arguments)
    : ServerProcess(
          data_dir, std::move(arguments), [](pid_t) {}, kServerBinary) {}

ServerProcess::ServerProcess(const std::string& data_dir,
                             std::vector<std::string> arguments,
                             const std::function<void(pid_t)>& on_start,
                             const std::string& binary) {
  arguments.insert(arguments.begin(), {binary, "--listen=127.0.0.1:0",
                                       absl::StrCat("--data_dir=", data_dir)});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  int out[2];
  int err[2];
  CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
  CHECK_EQ(pipe2(err, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  CHECK_EQ(posix_spawn(&pid_, binary.c_str(), &actions, nullptr, argv.data(),
                       environ),
           0);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  close(err[1]);
  on_start(pid_);
  stdout_fd_ = out[0];
  stderr_fd_ = err[0];
  ReadUntilReady();
}

void ServerProcess::ReadUntilReady() {
  char c;
  while (output_.find("\nready\n") == std::string::npos &&
         read(stdout_fd_, &c, 1) == 1) {
    output_.push_back(c);
  }
  const std::vector<std::string> words =
      absl::StrSplit(output_, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "clients") address_ = words[i + 1];
  }
}

ServerProcess::~ServerProcess() {
  if (pid_ != 0) End(SIGKILL);
}

std::shared_ptr<grpc::Channel> ServerProcess::Connect() const {
  return ConnectTo(address_);
}

void ServerProcess::End(int signal_number) {
  if (pid_ == 0) return;
  kill(pid_, signal_number);
  ExitCode();
}

int ServerProcess::ExitCode() {
  if (pid_ == 0) return exit_code_;
  // Before the wait: a full pipe would hold it up.
  output_ += ReadAll(stdout_fd_);
  errors_ += ReadAll(stderr_fd_);
  close(stdout_fd_);
  close(stderr_fd_);
  int state = 0;
  CHECK_EQ(waitpid(std::exchange(pid_, 0), &state, 0) > 0, true);
  exit_code_ = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
  return exit_code_;
}

}  // namespace tests
