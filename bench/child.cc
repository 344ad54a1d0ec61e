#include "bench/child.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"

extern char** environ;

namespace bench {

Child::Child(std::vector<std::string> arguments, const std::string& marker) {
  int fds[2];
  CHECK_EQ(pipe(fds), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, fds[0]);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  CHECK_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ),
           0)
      << arguments[0];
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);
  output_ = fdopen(fds[0], "r");
  char line[4096];
  while (address_.empty() && fgets(line, sizeof(line), output_) != nullptr) {
    std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
    for (size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == marker) address_ = words[i + 1];
    }
  }
  CHECK(!address_.empty()) << arguments[0] << " did not start";
}

Child::~Child() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  fclose(output_);
}

void Child::WaitForLine(const std::string& wanted) {
  char line[4096];
  while (fgets(line, sizeof(line), output_) != nullptr) {
    if (line == wanted + "\n") return;
  }
  CHECK(false) << "the child ended before it said \"" << wanted << "\"";
}

double Child::CpuSeconds() const {
  std::ifstream file(absl::StrCat("/proc/", pid_, "/stat"));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // Fields 14 and 15, counted behind the name, which may hold anything.
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double Child::ResidentMegabytes() const {
  std::ifstream file(absl::StrCat("/proc/", pid_, "/statm"));
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace bench
