// What users type about counter maps, elections, locks and values, on a server,
// and what it prints.

#include <functional>
#include <ostream>
#include <streambuf>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/mutex.h"
#include "base/wait_until.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// What a command prints, for the thread that waits for it, too.
class Printed : public std::streambuf {
 public:
  std::string text() const {
    base::MutexLock lock(mu_);
    return text_;
  }

 private:
  int_type overflow(int_type c) override {
    base::MutexLock lock(mu_);
    text_.push_back(static_cast<char>(c));
    return c;
  }
  std::streamsize xsputn(const char* bytes, std::streamsize size) override {
    base::MutexLock lock(mu_);
    text_.append(bytes, static_cast<size_t>(size));
    return size;
  }

  mutable base::Mutex mu_;
  std::string text_ ABSL_GUARDED_BY(mu_);
};

class CliPrimitivesTest : public ::testing::Test {
 protected:
  // Runs a line, cut at spaces. Returns what it printed, then what it exited
  // with unless that is 0: "5\n" or "error text\nexit 1\n".
  std::string Cli(const std::string& line) {
    cli::Interrupt interrupt;
    Printed printed;
    return RunIn(line, interrupt, printed);
  }

  // The same for a line that goes on until Ctrl-C, which comes after
  // `meanwhile`.
  std::string CliUntil(const std::string& line,
                       const std::function<void()>& meanwhile) {
    cli::Interrupt interrupt;
    return Beside(line, interrupt, [&] {
      meanwhile();
      EXPECT_TRUE(base::WaitUntil([&] { return interrupt.Trigger(); }));
    });
  }
  // The same without Ctrl-C.
  std::string CliWith(const std::string& line,
                      const std::function<void()>& meanwhile) {
    cli::Interrupt interrupt;
    return Beside(line, interrupt, meanwhile);
  }
  std::string Beside(const std::string& line, cli::Interrupt& interrupt,
                     const std::function<void()>& meanwhile) {
    Printed printed;
    beside_ = &printed;
    std::thread other(meanwhile);
    const std::string result = RunIn(line, interrupt, printed);
    other.join();
    return result;
  }
  // Until the line beside has printed this much.
  void AwaitPrinted(const std::string& text) {
    EXPECT_TRUE(base::WaitUntil([&] { return beside_->text() == text; }))
        << text;
  }

  std::string RunIn(const std::string& line, cli::Interrupt& interrupt,
                    Printed& printed) {
    std::ostream out(&printed);
    const cli::ExitCode code =
        cli::RunCli(absl::StrSplit(line, ' ', absl::SkipEmpty()),
                    {.out = out,
                     .err = out,
                     .interrupt = interrupt,
                     .default_server = server_.server().client_address()});
    return code == cli::kOk ? printed.text()
                            : absl::StrCat(printed.text(), "exit ", code, "\n");
  }

  // Until the line prints this.
  void Await(const std::string& line, const std::string& printed) {
    EXPECT_TRUE(base::WaitUntil([&] { return Cli(line) == printed; })) << line;
  }
  void AwaitOpenCommands(uint64_t count) {
    EXPECT_TRUE(base::WaitUntil(
        [&] { return server_.Status().open_commands() == count; }));
  }
  // A session that stays, and is closed with the server.
  std::string OpenSession() {
    return absl::StrCat(" --session=",
                        absl::StripSuffix(Cli("session open"), "\n"));
  }

  TestServer server_;
  Printed* beside_ = nullptr;
};

TEST_F(CliPrimitivesTest, CounterMaps) {
  EXPECT_EQ(Cli("countermap list hits"), "(no entries)\n");
  EXPECT_EQ(Cli("countermap inc hits a"), "1\n");
  EXPECT_EQ(Cli("countermap inc hits a 9"), "10\n");
  EXPECT_EQ(Cli("countermap dec hits b 5 --json"),
            "{\"key\":\"b\",\"value\":-5}\n");
  EXPECT_EQ(Cli("countermap get hits a"), "10\n");
  EXPECT_EQ(Cli("countermap get hits z"),
            "multiraftctl: key not found\nexit 1\n");
  EXPECT_EQ(Cli("countermap set hits a 7"), "7, was 10\n");
  EXPECT_EQ(Cli("countermap set hits a 8 --json"),
            "{\"key\":\"a\",\"value\":8,\"prev_value\":7}\n");
  EXPECT_EQ(Cli("countermap insert hits a 1"),
            "multiraftctl: key has the value 8\nexit 1\n");
  EXPECT_EQ(Cli("countermap insert hits c 3"), "3\n");
  EXPECT_EQ(Cli("countermap cas hits c 4 5"),
            "multiraftctl: value is 3, not 4\nexit 1\n");
  EXPECT_EQ(Cli("countermap cas hits c 3 5"), "5\n");
  EXPECT_EQ(Cli("countermap list hits"),
            "KEY  VALUE\n"
            "a    8\n"
            "b    -5\n"
            "c    5\n");
  EXPECT_EQ(Cli("countermap remove hits c 4"),
            "multiraftctl: value is 5, not 4\nexit 1\n");
  EXPECT_EQ(Cli("countermap remove hits c 5"), "5\n");
  EXPECT_EQ(Cli("countermap remove hits b"), "-5\n");
  EXPECT_EQ(Cli("countermap list hits --json"),
            "{\"key\":\"a\",\"value\":8}\n");
  EXPECT_EQ(Cli("countermap size hits"), "1\n");
  EXPECT_EQ(Cli("countermap clear hits"), "cleared\n");
  EXPECT_EQ(Cli("countermap size hits --json"),
            "{\"name\":\"hits\",\"size\":0}\n");
  EXPECT_THAT(Cli("countermap inc hits a many"), HasSubstr("DELTA"));
  EXPECT_EQ(server_.Status().sessions(), 0u) << "each closed its session";
}

TEST_F(CliPrimitivesTest, EventsAndWatchOfACounterMap) {
  EXPECT_EQ(CliWith("countermap events hits --count=3",
                    [&] {
                      AwaitOpenCommands(1);
                      Cli("countermap inc hits a 2");
                      Cli("countermap dec hits a");
                      Cli("countermap remove hits a");
                    }),
            "inserted a = 2\n"
            "updated a = 1, was 2\n"
            "removed a, was 1\n");
  EXPECT_EQ(CliWith("countermap events hits --key=b --count=1 --json",
                    [&] {
                      AwaitOpenCommands(1);
                      Cli("countermap inc hits a 2");
                      Cli("countermap inc hits b 2");
                    }),
            "{\"event\":\"inserted\",\"key\":\"b\",\"value\":2}\n");
  EXPECT_EQ(CliWith("watch countermap hits --count=3",
                    [&] {
                      AwaitPrinted("a = 2\nb = 2\n");
                      Cli("countermap remove hits a");
                    }),
            "a = 2\nb = 2\na removed, was 2\n");
}

TEST_F(CliPrimitivesTest, LocksOfACounterMap) {
  const std::string session = OpenSession();
  EXPECT_EQ(Cli("countermap lock hits a b" + session), "locked\n");
  EXPECT_THAT(Cli("countermap lock hits b --no-wait"),
              StartsWith("multiraftctl: locked"));
  EXPECT_EQ(Cli("countermap unlock hits b --json" + session),
            "{\"name\":\"hits\",\"unlocked\":true}\n");
  EXPECT_EQ(CliUntil("countermap lock hits b",
                     [&] {
                       AwaitPrinted("locked\n");
                       EXPECT_THAT(Cli("countermap lock hits b --no-wait"),
                                   HasSubstr("exit 1"));
                     }),
            "locked\n");
  EXPECT_EQ(Cli("countermap lock hits b --no-wait" + session), "locked\n");
  EXPECT_EQ(Cli("countermap unlock hits" + session), "unlocked\n");
  EXPECT_THAT(Cli("countermap unlock hits b"),
              HasSubstr("--session is missing"));
}

TEST_F(CliPrimitivesTest, LocksOfAMap) {
  const std::string session = OpenSession();
  EXPECT_EQ(Cli("map lock users ann bob" + session), "locked\n");
  EXPECT_THAT(Cli("map lock users bob --no-wait"), HasSubstr("exit 1"));
  EXPECT_EQ(Cli("map unlock users bob" + session), "unlocked\n");
  EXPECT_EQ(CliUntil("map lock users bob",
                     [&] {
                       AwaitPrinted("locked\n");
                       EXPECT_THAT(Cli("map lock users bob --no-wait"),
                                   HasSubstr("exit 1"));
                     }),
            "locked\n");
}

TEST_F(CliPrimitivesTest, Locks) {
  EXPECT_EQ(Cli("lock get l"), "multiraftctl: nobody holds the lock\nexit 1\n");
  const std::string session = OpenSession();
  const std::string token = Cli("lock acquire l" + session);
  EXPECT_THAT(token, MatchesRegex("[0-9]+\n"));
  EXPECT_EQ(Cli("lock get l"), token);
  EXPECT_THAT(Cli("lock get l --json"),
              MatchesRegex("\\{\"name\":\"l\",\"token\":[0-9]+\\}\n"));
  EXPECT_EQ(Cli("lock acquire l --no-wait"), "multiraftctl: locked\nexit 1\n");
  EXPECT_EQ(Cli("lock acquire l --wait=20ms"),
            "multiraftctl: locked: timed out\nexit 1\n");
  EXPECT_THAT(Cli("lock release l"),
              AllOf(HasSubstr("--session is missing"), HasSubstr("exit 2")));
  EXPECT_EQ(Cli("lock release l" + session), "released\n");
  EXPECT_EQ(Cli("lock release l" + session),
            "multiraftctl: session does not hold the lock\nexit 1\n");
}

TEST_F(CliPrimitivesTest, ALockIsHeldUntilCtrlC) {
  std::string token;
  EXPECT_EQ(CliUntil("lock acquire l",
                     [&] {
                       EXPECT_TRUE(base::WaitUntil([&] {
                         token = Cli("lock get l");
                         return token.find("exit") == std::string::npos;
                       }));
                       AwaitPrinted(token);
                     }),
            token);
  EXPECT_THAT(Cli("lock get l"), HasSubstr("nobody"));
}

TEST_F(CliPrimitivesTest, CtrlCEndsAWaitForALock) {
  const std::string session = OpenSession();
  Cli("lock acquire l" + session);
  EXPECT_THAT(CliUntil("lock acquire l", [&] { AwaitOpenCommands(1); }),
              AllOf(HasSubstr("cancelled"), HasSubstr("exit 1")));
  AwaitOpenCommands(0);
}

TEST_F(CliPrimitivesTest, Elections) {
  EXPECT_EQ(Cli("election term e"), "term 0: nobody leads\n");
  const std::string ann = OpenSession();
  const std::string bob = OpenSession();
  EXPECT_EQ(Cli("election enter e ann" + ann), "term 1: ann leads\n");
  EXPECT_EQ(Cli("election enter e bob" + bob), "term 1: ann leads, then bob\n");
  EXPECT_EQ(Cli("election enter e eve" + bob),
            "term 1: ann leads, then bob, eve\n");
  EXPECT_EQ(Cli("election promote e eve"),
            "term 1: ann leads, then eve, bob\n");
  EXPECT_EQ(Cli("election anoint e bob"), "term 2: bob leads, then ann, eve\n");
  EXPECT_EQ(Cli("election demote e bob"), "term 3: ann leads, then bob, eve\n");
  EXPECT_EQ(Cli("election withdraw e ann" + bob),
            "term 3: ann leads, then bob, eve\n");
  EXPECT_EQ(Cli("election withdraw e ann --json" + ann),
            "{\"term\":4,\"leader\":\"bob\",\"candidates\":[\"eve\"]}\n");
  EXPECT_EQ(Cli("election evict e eve"), "term 4: bob leads\n");
  Cli("session close " + bob.substr(bob.find('=') + 1));
  EXPECT_EQ(Cli("election term e"), "term 4: nobody leads\n");
  EXPECT_THAT(Cli("election withdraw e ann"),
              AllOf(HasSubstr("--session is missing"), HasSubstr("exit 2")));
}

TEST_F(CliPrimitivesTest, WhoEntersFollowsTheLine) {
  const std::string session = OpenSession();
  EXPECT_EQ(CliUntil("election enter e ann",
                     [&] {
                       AwaitPrinted("term 1: ann leads\n");
                       Cli("election enter e bob" + session);
                       AwaitPrinted(
                           "term 1: ann leads\n"
                           "term 1: ann leads, then bob\n");
                     }),
            "term 1: ann leads\nterm 1: ann leads, then bob\n");
  EXPECT_EQ(Cli("election term e"), "term 2: bob leads\n");
}

TEST_F(CliPrimitivesTest, WhoEntersFollowsSoManyChanges) {
  const std::string session = OpenSession();
  const std::string after = "term 1: ann leads\nterm 1: ann leads, then bob\n";
  EXPECT_EQ(CliWith("election enter e ann --count=2",
                    [&] {
                      AwaitPrinted("term 1: ann leads\n");
                      Cli("election enter e bob" + session);
                      AwaitPrinted(after);
                      Cli("election evict e bob");
                    }),
            after + "term 1: ann leads\n");
}

TEST_F(CliPrimitivesTest, WhoLeadsHoldsTheLeadUntilCtrlC) {
  EXPECT_EQ(CliUntil("election lead e ann",
                     [&] {
                       AwaitPrinted("1\n");
                       EXPECT_EQ(Cli("election term e"), "term 1: ann leads\n");
                     }),
            "1\n");
  EXPECT_EQ(Cli("election term e"), "term 1: nobody leads\n");
  EXPECT_EQ(CliWith("election lead e bob",
                    [&] {
                      AwaitPrinted("2\n");
                      Cli("election evict e bob");
                    }),
            "2\nmultiraftctl: bob does not lead: nobody does, in term 2\n"
            "exit 1\n");
  const std::string session = OpenSession();
  Cli("election enter e eve" + session);
  EXPECT_EQ(Cli("election lead e ann --no-wait"),
            "multiraftctl: ann does not lead: eve does, in term 3\nexit 1\n");
  EXPECT_THAT(Cli("election lead e ann" + session), HasSubstr("exit 2"));
}

TEST_F(CliPrimitivesTest, WatchOfAnElection) {
  const std::string session = OpenSession();
  Cli("election enter e ann" + session);
  EXPECT_EQ(CliWith("watch election e --count=2",
                    [&] {
                      AwaitPrinted("term 1: ann leads\n");
                      Cli("election evict e ann");
                    }),
            "term 1: ann leads\nterm 1: nobody leads\n");
}

TEST_F(CliPrimitivesTest, Values) {
  EXPECT_EQ(Cli("value get v"), "multiraftctl: there is no value\nexit 1\n");
  EXPECT_THAT(Cli("value update v 1"), HasSubstr("exit 1"));
  const std::string first = Cli("value insert v one");
  EXPECT_THAT(first, MatchesRegex("index [0-9]+\n"));
  EXPECT_THAT(Cli("value insert v two"), HasSubstr("exit 1"));
  EXPECT_THAT(Cli("value set v two"),
              MatchesRegex("index [0-9]+, was one \\(index [0-9]+\\)\n"));
  EXPECT_THAT(Cli("value update v three --prev-index=1"),
              HasSubstr("not 1\nexit 1"));
  EXPECT_THAT(Cli("value update v three --json"),
              MatchesRegex("\\{\"name\":\"v\",\"index\":[0-9]+,"
                           "\"prev_value\":\"two\",\"prev_index\":[0-9]+\\}"
                           "\n"));
  EXPECT_EQ(Cli("value get v"), "three\n");
  EXPECT_EQ(Cli("value delete v"), "three\n");
  Cli("value set v brief --ttl=1ms");
  Await("value get v", "multiraftctl: there is no value\nexit 1\n");
}

TEST_F(CliPrimitivesTest, EventsAndWatchOfAValue) {
  EXPECT_THAT(CliWith("value events v --count=3",
                      [&] {
                        AwaitOpenCommands(1);
                        Cli("value set v one");
                        Cli("value set v two");
                        Cli("value delete v");
                      }),
              MatchesRegex("created one \\(index [0-9]+\\)\n"
                           "updated two \\(index [0-9]+\\), was one "
                           "\\(index [0-9]+\\)\n"
                           "deleted, was two \\(index [0-9]+\\)\n"));
  Cli("value set v one");
  EXPECT_THAT(CliWith("watch value v --count=2",
                      [&] {
                        EXPECT_TRUE(base::WaitUntil(
                            [&] { return !beside_->text().empty(); }));
                        Cli("value delete v");
                      }),
              MatchesRegex("one \\(index [0-9]+\\)\n"
                           "deleted, was one \\(index [0-9]+\\)\n"));
}

}  // namespace
}  // namespace tests
