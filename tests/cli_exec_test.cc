// multiraftctl session list, show and expire, and exec, on a server.

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class CliExecTest : public RealClientTest {
 protected:
  // Runs exec with `flags` and a shell's line; what that prints goes to a file.
  // Returns what it exited with, behind what it said itself.
  std::string Exec(const std::vector<std::string>& flags,
                   const std::string& shell_line, cli::Interrupt& interrupt) {
    std::vector<std::string> args = {"exec"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(),
                {"--", "sh", "-c",
                 absl::StrCat("exec >", output(), " 2>&1; ", shell_line)});
    return RunArgs(args, interrupt);
  }
  std::string Exec(const std::vector<std::string>& flags,
                   const std::string& shell_line) {
    cli::Interrupt interrupt;
    return Exec(flags, shell_line, interrupt);
  }

  std::string RunArgs(const std::vector<std::string>& args,
                      cli::Interrupt& interrupt) {
    std::ostringstream out;
    const cli::ExitCode code = cli::RunCli(
        args, {.out = out,
               .err = out,
               .interrupt = interrupt,
               .default_server = server_.server().client_address()});
    return absl::StrCat(out.str(), "exit ", static_cast<int>(code), "\n");
  }

  std::string output() const { return absl::StrCat(directory_.path(), "/out"); }
  std::string Printed() const {
    std::ifstream file(output());
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  // Until the command has printed `line`.
  void AwaitPrinted(const std::string& line) {
    EXPECT_TRUE(base::WaitUntil(
        [&] { return absl::StrContains(Printed(), line + "\n"); }));
  }

  TempDir directory_;
  client::Lock lock_ = Open<client::Lock>("l");
};

TEST_F(CliExecTest, RunsTheCommandWithTheLockAndPassesOnItsExitCode) {
  EXPECT_EQ(Exec({"--lock=l"}, "echo $MULTIRAFT_LOCK; exit 0"), "exit 0\n");
  EXPECT_EQ(Printed(), "l\n");
  EXPECT_EQ(Exec({"--lock", "l"}, "echo $MULTIRAFT_LOCK_TOKEN; exit 7"),
            "exit 7\n");
  EXPECT_THAT(Printed(), MatchesRegex("[1-9][0-9]*\n"));
  EXPECT_EQ(Exec({"--lock=l"}, "kill -9 $$"), "exit 137\n");
  EXPECT_FALSE(lock_.Holder().ok()) << "it has let go";
}

TEST_F(CliExecTest, TheLockIsHeldWhileTheCommandRuns) {
  const std::string fifo = absl::StrCat(directory_.path(), "/go");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::thread other([&] {
    AwaitPrinted("begun");
    EXPECT_TRUE(lock_.Holder().ok());
    EXPECT_THAT(Exec({"--lock=l", "--no-wait"}, "true"), HasSubstr("exit 1\n"));
    EXPECT_THAT(
        Exec({"--lock=l", "--no-wait", "--conflict-exit-code=75"}, "true"),
        HasSubstr("exit 75\n"));
    std::ofstream(fifo) << "go\n";
  });
  EXPECT_EQ(Exec({"--lock=l"},
                 absl::StrCat("echo begun; read word <", fifo, "; exit 3")),
            "exit 3\n");
  other.join();
  EXPECT_FALSE(lock_.Holder().ok());
}

TEST_F(CliExecTest, TheCommandIsToldToEndWhenTheSessionIsLost) {
  std::thread other([&] {
    AwaitPrinted("begun");
    // That of exec is not the test's own.
    const std::string list = Ctl("session list --json");
    EXPECT_THAT(list, HasSubstr("\"timeout_ms\":7000"));
    for (const absl::string_view line :
         absl::StrSplit(list, '\n', absl::SkipEmpty())) {
      if (!absl::StrContains(line, "\"timeout_ms\":7000")) continue;
      std::string id(line.substr(line.find(':') + 1));
      id.resize(id.find(','));
      EXPECT_EQ(Ctl("session expire " + id),
                absl::StrCat("session ", id, " is expired\n"));
    }
  });
  EXPECT_THAT(Exec({"--lock=l", "--session-timeout=7s"},
                   "trap 'echo told; exit 0' TERM; echo begun; "
                   "while :; do sleep 0.05; done"),
              AllOf(HasSubstr("is gone"), HasSubstr("exit 4\n")));
  other.join();
  EXPECT_THAT(Printed(), HasSubstr("told\n"));
}

TEST_F(CliExecTest, TheCommandIsKilledIfItDoesNotEnd) {
  std::thread other([&] {
    AwaitPrinted("begun");
    server_.Stop();
  });
  // Nobody tells that the session is gone: its time is over.
  EXPECT_THAT(Exec({"--lock=l", "--session-timeout=1s", "--kill-after=100ms",
                    "--timeout=1s"},
                   "trap '' TERM; echo begun; while :; do sleep 0.05; done"),
              AllOf(HasSubstr("out of reach"), HasSubstr("exit 4\n")));
  other.join();
  server_.Start();
}

TEST_F(CliExecTest, AnInterruptIsPassedOn) {
  cli::Interrupt interrupt;
  std::thread other([&] {
    AwaitPrinted("begun");
    EXPECT_TRUE(interrupt.Trigger());
  });
  EXPECT_EQ(Exec({"--lock=l"},
                 "trap 'exit 9' TERM; echo begun; while :; do sleep 0.05; done",
                 interrupt),
            "exit 9\n");
  other.join();
  EXPECT_FALSE(lock_.Holder().ok());
}

TEST_F(CliExecTest, SaysWhyItCannotRun) {
  cli::Interrupt interrupt;
  EXPECT_THAT(RunArgs({"exec", "--lock=l", "--", "no-such-command"}, interrupt),
              AllOf(HasSubstr("no-such-command: No such file"),
                    HasSubstr("exit 127\n")));
  EXPECT_THAT(
      RunArgs({"exec", "--lock=l", "--", "/"}, interrupt),
      AllOf(HasSubstr("/: Permission denied"), HasSubstr("exit 126\n")));
  EXPECT_THAT(RunArgs({"exec", "--", "true"}, interrupt),
              AllOf(HasSubstr("--lock"), HasSubstr("exit 2\n")));
  EXPECT_THAT(RunArgs({"exec", "--lock=l"}, interrupt), HasSubstr("exit 2\n"));
  EXPECT_FALSE(lock_.Holder().ok());
}

TEST_F(CliExecTest, SessionsAreListedAndShown) {
  const std::string id = absl::StrCat(session_->id());
  EXPECT_THAT(Ctl("session list"),
              AllOf(HasSubstr("SESSION  PARTITION  TIMEOUT  EXPIRES IN"),
                    HasSubstr("\n" + id + " ")));
  EXPECT_THAT(Ctl("session show " + id),
              AllOf(HasSubstr("session        " + id + "\n"),
                    HasSubstr("timeout        1m")));
  EXPECT_THAT(Ctl("session show " + id + " --json"),
              HasSubstr(absl::StrCat("{\"session\":", id,
                                     ",\"partition\":1,\"timeout_ms\":60000")));
  EXPECT_THAT(Ctl("session show 999999"), HasSubstr("exit 1\n"));
  EXPECT_THAT(Ctl("session list --partition=7"), HasSubstr("exit 3\n"));
  EXPECT_THAT(Ctl("session expire 999999"), HasSubstr("exit 4\n"));

  EXPECT_EQ(Ctl("session expire " + id),
            absl::StrCat("session ", id, " is expired\n"));
  EXPECT_TRUE(client::IsSessionLost(lock_.Holder().status()));
  EXPECT_THAT(Ctl("session list"), Not(HasSubstr("\n" + id + " ")));
}

// More than one page of them.
TEST_F(CliExecTest, ManySessionsAreListedPageByPage) {
  std::vector<std::unique_ptr<client::Session>> sessions;
  for (int i = 0; i < 1100; ++i) {
    auto session = client::Session::Open(*connection_, {.keep_alive = false});
    ASSERT_OK(session);
    sessions.push_back(*std::move(session));
  }
  const std::string list = Ctl("session list --json");
  const std::vector<std::string> lines =
      absl::StrSplit(list, '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), sessions.size() + 1);
  const std::string some = Ctl("session list --json --limit=3");
  EXPECT_EQ(std::count(some.begin(), some.end(), '\n'), 3);
}

}  // namespace
}  // namespace tests
