#include "cli/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace cli {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

// Where `word` is: itself with a slash in it, else in PATH. "": nowhere.
std::string Find(const std::string& word) {
  if (absl::StrContains(word, "/")) return word;
  const char* path = getenv("PATH");
  for (const absl::string_view directory :
       absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string file =
        absl::StrCat(directory.empty() ? "." : directory, "/", word);
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

std::vector<std::string> Environment(const Variables& variables) {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one) {
    bool is_replaced = false;
    for (const auto& [name, value] : variables) {
      is_replaced |= absl::StartsWith(*one, absl::StrCat(name, "="));
    }
    if (!is_replaced) all.emplace_back(*one);
  }
  for (const auto& [name, value] : variables) {
    all.push_back(absl::StrCat(name, "=", value));
  }
  return all;
}

std::vector<char*> Pointers(const std::vector<std::string>& all) {
  std::vector<char*> pointers;
  for (const std::string& one : all) {
    pointers.push_back(const_cast<char*>(one.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// In the child: other threads are gone, and may have held any lock. Nothing
// here takes one.
[[noreturn]] void BecomeCommand(pid_t parent, const char* file,
                                char* const* words, char* const* variables,
                                int error_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  for (const int one : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1}) {
    signal(one, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(file, words, variables);
  const int error = errno;
  // Closed by exec if it works.
  [[maybe_unused]] const ssize_t written =
      write(error_fd, &error, sizeof(error));
  _exit(127);
}

}  // namespace

int Subprocess::Start(const std::vector<std::string>& words,
                      const Variables& variables) {
  const std::string file = Find(words[0]);
  if (file.empty()) return ENOENT;
  const std::vector<std::string> environment = Environment(variables);
  const std::vector<char*> argv = Pointers(words);
  const std::vector<char*> envp = Pointers(environment);
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return errno;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    BecomeCommand(parent, file.c_str(), argv.data(), envp.data(), pipe_fds[1]);
  }
  const int fork_error = errno;
  close(pipe_fds[1]);
  int error = 0;
  if (pid < 0) {
    error = fork_error;
  } else {
    ssize_t size = 0;
    do {
      size = read(pipe_fds[0], &error, sizeof(error));
    } while (size < 0 && errno == EINTR);
    if (size != sizeof(error)) error = 0;
  }
  close(pipe_fds[0]);
  if (error != 0) {
    if (pid > 0) waitpid(pid, nullptr, 0);
    return error;
  }
  base::MutexLock lock(mu_);
  pid_ = pid;
  return 0;
}

void Subprocess::AwaitEnd() {
  pid_t pid = 0;
  {
    base::MutexLock lock(mu_);
    pid = pid_;
  }
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 &&
         errno == EINTR) {
  }
}

void Subprocess::Send(int signal_number) {
  base::MutexLock lock(mu_);
  if (pid_ != 0) kill(pid_, signal_number);
}

int Subprocess::ExitCode() {
  base::MutexLock lock(mu_);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string ErrorText(int error) { return strerror(error); }

}  // namespace cli
