// The programs of examples/, run as a user runs them.

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::StartsWith;

// A program that runs; what it prints is read line by line.
class Program {
 public:
  // `line`: the program's name and its arguments, cut at spaces.
  Program(const std::string& line, const std::string& server) {
    std::vector<std::string> words = absl::StrSplit(line, ' ');
    words[0] = absl::StrCat("examples/", words[0]);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::string servers = absl::StrCat("MULTIRAFT_SERVERS=", server);
    char* const envp[] = {servers.data(), nullptr};
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    CHECK_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp),
             0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    output_ = fdopen(fds[0], "r");
  }
  ~Program() {
    End(SIGKILL);
    fclose(output_);
  }

  // The next line; "" at the end.
  std::string Line() {
    char buffer[1024];
    if (fgets(buffer, sizeof(buffer), output_) == nullptr) return "";
    return std::string(absl::StripSuffix(buffer, "\n"));
  }

  // All that it still prints; then its exit code.
  std::string Rest() {
    std::string all;
    for (std::string line = Line(); !line.empty(); line = Line()) {
      absl::StrAppend(&all, line, "\n");
    }
    int status = 0;
    CHECK_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    EXPECT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 0) return all;
    return absl::StrCat(all, "exit ", WEXITSTATUS(status), "\n");
  }

  void End(int signal_number) {
    if (pid_ == 0) return;
    kill(pid_, signal_number);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

class ExamplesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Program> Start(const std::string& line) {
    return std::make_unique<Program>(line, server_.address());
  }
  std::string Run(const std::string& line) { return Start(line)->Rest(); }

  TempDir directory_;
  // More than one partition, so that things are in different ones.
  ServerProcess server_{directory_.path(), {"--partitions=3"}};
};

TEST_F(ExamplesTest, Counter) {
  EXPECT_EQ(Run("counter"), "visits is 1\n");
  EXPECT_EQ(Run("counter visits 5"), "visits is 6\n");
  EXPECT_EQ(Run("counter visits 94"), "visits is 100\nvisits begins anew\n");
  EXPECT_EQ(Run("counter visits"), "visits is 1\n");
  EXPECT_EQ(Run("counter visits many"), "exit 2\n");
}

TEST_F(ExamplesTest, Lock) {
  const auto lock = Start("lock");
  EXPECT_EQ(lock->Line(), "first holds the lock");
  EXPECT_THAT(lock->Line(), StartsWith("storage: first has written, token "));
  EXPECT_EQ(lock->Line(), "second has to wait");
  EXPECT_EQ(lock->Line(), "second holds the lock");
  EXPECT_THAT(lock->Line(), StartsWith("storage: second has written, token "));
  EXPECT_THAT(lock->Line(), StartsWith("storage: refused first: token "));
  EXPECT_EQ(lock->Rest(), "");
}

TEST_F(ExamplesTest, ElectionPassesOnWhenTheLeaderIsKilled) {
  const auto first = Start("election job ann");
  EXPECT_EQ(first->Line(), "ann leads, term 1");
  const auto second = Start("election job bob");
  EXPECT_EQ(second->Line(), "bob waits behind ann");
  first->End(SIGKILL);
  EXPECT_EQ(second->Line(), "bob leads, term 2");
}

TEST_F(ExamplesTest, ConfigWatchSeesEachChange) {
  EXPECT_EQ(Run("config_watch limits low"), "");
  const auto watch = Start("config_watch limits");
  EXPECT_EQ(watch->Line(), "now low");
  EXPECT_EQ(Run("config_watch limits high"), "");
  EXPECT_EQ(watch->Line(), "now high");
}

TEST_F(ExamplesTest, WorkQueueDoesEachJobOnce) {
  EXPECT_EQ(Run("work_queue q add a b c"), "");
  EXPECT_EQ(Run("work_queue q add b"), "b is waiting already\n");
  EXPECT_EQ(Run("work_queue q work"), "doing a\ndoing b\ndoing c\n");
  EXPECT_EQ(Run("work_queue q work"), "");
  EXPECT_EQ(Run("work_queue q add b"), "");
  EXPECT_EQ(Run("work_queue q work"), "doing b\n");
}

}  // namespace
}  // namespace tests
