// Commands as users type them, against the fake server, and all that they
// print.

#include "cli/cli.h"

#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cli/interrupt.h"
#include "cli/verb.h"
#include "client/testing/fake_server.h"
#include "client/testing/fake_timer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cli {
namespace {

using ::client::FakeServer;
using ::client::FakeTimer;
using ::client::Fault;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CliTest : public ::testing::Test {
 protected:
  // Runs a line, cut at spaces. Returns what it printed, then what it exited
  // with unless that is 0: "5\n" or "error text\nexit 1\n".
  std::string Cli(const std::string& line) {
    return CliArgs(absl::StrSplit(line, ' ', absl::SkipEmpty()));
  }

  std::string CliArgs(std::vector<std::string> args) {
    std::ostringstream out;
    Interrupt interrupt;
    return RunIn(std::move(args), out, interrupt);
  }

  // Runs `line`; once the server has `streams` streams, `meanwhile`.
  std::string CliWith(const std::string& line, size_t streams,
                      const std::function<void(Interrupt&)>& meanwhile) {
    std::ostringstream out;
    Interrupt interrupt;
    std::thread other([&] {
      server_.AwaitStreams(streams);
      meanwhile(interrupt);
    });
    const std::string result = RunIn(absl::StrSplit(line, ' '), out, interrupt);
    other.join();
    return result;
  }

  std::string RunIn(std::vector<std::string> args, std::ostringstream& out,
                    Interrupt& interrupt) {
    const ExitCode code = RunCli(args, {.out = out,
                                        .err = out,
                                        .interrupt = interrupt,
                                        .default_server = server_.address(),
                                        .timer = &timer_});
    return code == kOk ? out.str()
                       : absl::StrCat(out.str(), "exit ", code, "\n");
  }

  // As it is, time stands still: no keep-alives, and a call that fails stays.
  FakeTimer timer_{FakeTimer::Waits::kForAdvance};
  FakeServer server_;
};

TEST_F(CliTest, Counters) {
  EXPECT_EQ(Cli("counter get visits"), "0\n");
  EXPECT_EQ(Cli("counter set visits 10"), "10\n");
  EXPECT_EQ(Cli("counter inc visits"), "11\n");
  EXPECT_EQ(Cli("counter inc visits -5"), "6\n");
  EXPECT_EQ(Cli("counter dec visits 10 --json"),
            "{\"name\":\"visits\",\"value\":-4}\n");
  EXPECT_EQ(Cli("counter cas visits -4 1"), "1\n");
  EXPECT_EQ(Cli("counter cas visits 7 2"),
            "multiraftctl: the value is 1\nexit 1\n");
  EXPECT_EQ(
      Cli("counter cas visits 7 2 --json"),
      "{\"error\":{\"code\":\"ABORTED\",\"message\":\"the value is 1\"}}\n"
      "exit 1\n");
  // Each command closed its session.
  EXPECT_EQ(server_.sessions(), 0u);
}

TEST_F(CliTest, Maps) {
  EXPECT_EQ(Cli("map list users"), "(no entries)\n");
  EXPECT_EQ(Cli("map list users --json"), "");
  EXPECT_EQ(Cli("map put users ann admin"), "index 9\n");
  EXPECT_EQ(Cli("map put users ann owner"), "index 13, was admin (index 9)\n");
  EXPECT_EQ(Cli("map put users ann guest --prev-index=9"),
            "multiraftctl: the index is 13, not 9\nexit 1\n");
  EXPECT_EQ(Cli("map insert users bob guest --ttl=10s"), "index 21\n");
  EXPECT_EQ(Cli("map insert users bob admin"),
            "multiraftctl: there is such a key\nexit 1\n");
  EXPECT_EQ(Cli("map get users ann"), "owner\n");
  EXPECT_EQ(Cli("map get users ann --json"),
            "{\"key\":\"ann\",\"value\":\"owner\",\"index\":13}\n");
  EXPECT_EQ(Cli("map get users eve"), "multiraftctl: no key \"eve\"\nexit 1\n");
  EXPECT_EQ(Cli("map size users"), "2\n");
  EXPECT_EQ(Cli("map list users"),
            "KEY  INDEX  VALUE\n"
            "ann  13     owner\n"
            "bob  21     guest\n");
  EXPECT_EQ(Cli("map list users --json"),
            "{\"key\":\"ann\",\"value\":\"owner\",\"index\":13}\n"
            "{\"key\":\"bob\",\"value\":\"guest\",\"index\":21}\n");
  EXPECT_EQ(Cli("map update users bob admin --json"),
            "{\"key\":\"bob\",\"index\":47,\"prev_value\":\"guest\","
            "\"prev_index\":21}\n");
  EXPECT_EQ(Cli("map remove users bob"), "admin\n");
  EXPECT_EQ(Cli("map clear users"), "cleared\n");
  EXPECT_EQ(Cli("map size users --json"), "{\"name\":\"users\",\"size\":0}\n");
}

// In a session of the command's own there is none.
TEST_F(CliTest, TransactionsWantTheirSession) {
  for (const char* line :
       {"map prepare users put:ann=admin", "map commit users 7",
        "map abort users 7", "map abort users 7 --json"}) {
    EXPECT_THAT(Cli(line), AllOf(HasSubstr("--session"), HasSubstr("exit 2\n")))
        << line;
  }
  EXPECT_THAT(server_.attempts("OpenSession"), SizeIs(0));
}

TEST_F(CliTest, ATimeToLiveIsPassedOn) {
  Cli("map put users ann admin --ttl 1m30s");
  EXPECT_EQ(server_.last_put().ttl().seconds(), 90);
}

TEST_F(CliTest, ValuesThatAreNotTextAreEscaped) {
  EXPECT_THAT(CliArgs({"map", "put", "m", "k", "\xff\n"}),
              StartsWith("index "));
  EXPECT_EQ(Cli("map get m k"), "\\xff\\n\n");
  EXPECT_THAT(Cli("map get m k --json"),
              HasSubstr("\"value_base64\":\"/wo=\""));
  CliArgs({"map", "put", "m", "two", "a\nb"});
  EXPECT_EQ(Cli("map get m two"), "a\nb\n");
  EXPECT_THAT(Cli("map list m"), HasSubstr("a\\nb\n"));
}

TEST_F(CliTest, EventsUntilCount) {
  EXPECT_EQ(CliWith("map events m --count=3", 1,
                    [&](Interrupt&) {
                      Cli("map put m a 1");
                      Cli("map put m a 2");
                      Cli("map remove m a");
                    }),
            "inserted a = 1 (index 6)\n"
            "updated a = 2 (index 10), was 1 (index 6)\n"
            "removed a, was 2 (index 10)\n");
}

TEST_F(CliTest, EventsOfAKeyAsJson) {
  EXPECT_EQ(CliWith("map events m --key=b --count=1 --json", 1,
                    [&](Interrupt&) {
                      server_.PutFromElsewhere("a", "1");
                      server_.PutFromElsewhere("b", "2");
                    }),
            "{\"event\":\"inserted\",\"key\":\"b\",\"value\":\"2\","
            "\"index\":5}\n");
}

TEST_F(CliTest, CtrlCEndsAStreamAndClosesTheSession) {
  EXPECT_EQ(CliWith("map events m", 1,
                    [&](Interrupt& interrupt) {
                      EXPECT_TRUE(interrupt.Trigger());
                      // The second one is not waited for.
                      EXPECT_FALSE(interrupt.Trigger());
                    }),
            "");
  EXPECT_EQ(server_.sessions(), 0u);
}

TEST_F(CliTest, EventsGoOnAfterABreakWithoutAGap) {
  EXPECT_EQ(CliWith("map events m --count=2", 1,
                    [&](Interrupt&) {
                      server_.PutFromElsewhere("a", "1");
                      server_.BreakStreams();
                      server_.PutFromElsewhere("b", "2");
                      // The keep-alives and the stream.
                      timer_.AwaitWaiters(2);
                      timer_.Advance(1'000'000'000);
                    }),
            "inserted a = 1 (index 4)\n"
            "inserted b = 2 (index 5)\n");
}

TEST_F(CliTest, AMapIsWatched) {
  Cli("map put m a 1");
  EXPECT_EQ(CliWith("watch map m --count=3", 1,
                    [&](Interrupt&) {
                      Cli("map put m b 2");
                      Cli("map remove m a");
                    }),
            "a = 1 (index 3)\n"
            "b = 2 (index 9)\n"
            "a removed, was 1 (index 3)\n");
}

TEST_F(CliTest, TheLeaderIsWatched) {
  EXPECT_EQ(CliWith("watch leader --count=2", 1,
                    [&](Interrupt&) { server_.ChangeLeader(2, 0); }),
            "term 1: replica 1 leads\n"
            "term 2: no leader\n");
  EXPECT_EQ(Cli("watch leader --count=1 --json"),
            "{\"partition\":1,\"term\":2,\"leader\":0}\n");
}

TEST_F(CliTest, SessionsAreOpenedKeptAndClosed) {
  EXPECT_EQ(Cli("session open --session-timeout=2m --json"),
            "{\"session\":1,\"partition\":1,\"timeout_ms\":120000}\n");
  EXPECT_EQ(server_.sessions(), 1u);
  EXPECT_EQ(Cli("session keepalive 1"), "session 1 is alive\n");
  EXPECT_EQ(Cli("session close 1"), "session 1 is closed\n");
  EXPECT_EQ(server_.sessions(), 0u);
  EXPECT_EQ(
      Cli("session close 1"),
      "multiraftctl: session 1 of partition 1 is gone: session not found\n"
      "exit 4\n");
  EXPECT_THAT(Cli("session keepalive 1 --json"),
              HasSubstr("\"code\":\"SESSION_LOST\""));
}

TEST_F(CliTest, ACommandOfANamedSessionRunsOnceForEachNumber) {
  EXPECT_EQ(Cli("session open"), "1\n");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Cli("counter inc c --session=1 --sequence=5"), "1\n");
  }
  EXPECT_EQ(Cli("counter inc c --session=1 --sequence=7"), "2\n");
  // Without a number: a new one each time.
  EXPECT_EQ(Cli("counter inc c --session=1"), "3\n");
  EXPECT_EQ(Cli("counter inc c --session=1"), "4\n");
  EXPECT_EQ(server_.sessions(), 1u);
}

TEST_F(CliTest, AKeptSessionEndsWithCtrlC) {
  std::ostringstream out;
  Interrupt interrupt;
  std::thread other([&] {
    server_.AwaitAttempts("OpenSession", 1);
    timer_.AwaitWaiters(1);  // The keep-alives.
    timer_.Advance(15'000'000'000);
    server_.AwaitAttempts("KeepAlive", 1);
    timer_.AwaitWaiters(1);
    while (!interrupt.Trigger()) {
    }
  });
  EXPECT_EQ(RunIn({"session", "open", "--keep"}, out, interrupt), "1\n");
  other.join();
  EXPECT_EQ(server_.sessions(), 0u);
}

TEST_F(CliTest, ALostSessionHasItsExitCode) {
  EXPECT_EQ(Cli("session open"), "1\n");
  server_.Expire(1);
  EXPECT_EQ(
      Cli("counter get c --session=1"),
      "multiraftctl: session 1 of partition 1 is gone: session not found\n"
      "exit 4\n");
}

TEST_F(CliTest, NoAnswerInTimeHasItsExitCode) {
  // The first pause that the server asks for is longer than the whole call.
  server_.Inject("OpenSession",
                 {.kind = Fault::Kind::kRefuse, .retry_after_ms = 60'000}, 1);
  EXPECT_EQ(Cli("counter get c"),
            absl::StrCat("multiraftctl: ", server_.address(),
                         ": as the test asked\nexit 3\n"));
}

TEST_F(CliTest, AnUnknownOutcomeIsSaid) {
  server_.Inject("Increment",
                 {.kind = Fault::Kind::kLoseReply, .retry_after_ms = 60'000},
                 2);
  EXPECT_THAT(
      Cli("counter inc c"),
      AllOf(HasSubstr("multiraftctl: the command may have been applied"),
            HasSubstr("exit 3")));
  EXPECT_THAT(Cli("counter inc c --json"),
              AllOf(HasSubstr("\"outcome\":\"unknown\""), HasSubstr("exit 3")));
}

TEST_F(CliTest, StatusIsATableOrAnObject) {
  multiraft::admin::v1::StatusResponse status;
  status.set_node_id(1);
  status.set_version("0.1");
  status.set_mode("single");
  status.set_data_dir("/data");
  status.set_data_format(1);
  status.set_uptime_ms(192'000);
  status.mutable_disk()->set_free_bytes(uint64_t{77} << 30);
  status.mutable_disk()->set_reserve_bytes(uint64_t{512} << 20);
  status.mutable_disk()->set_fsyncs(12);
  status.mutable_disk()->set_bytes_written(3 << 20);
  for (int i = 1; i <= 2; ++i) {
    auto& partition = *status.add_partitions();
    partition.set_partition_id(i);
    partition.set_role(i == 1 ? multiraft::admin::v1::ROLE_LEADER
                              : multiraft::admin::v1::ROLE_FOLLOWER);
    partition.set_term(3);
    partition.set_leader(i == 1 ? 7 : 0);
    partition.set_leader_node(i == 1 ? 1 : 0);
    partition.set_first_index(1);
    partition.set_last_index(17);
    partition.set_commit_index(17);
    partition.set_applied_index(16);
    partition.set_durable_index(17);
    partition.set_image_index(i == 1 ? 9 : 0);
    partition.set_sessions(2);
    partition.set_primitives(1);
    partition.set_state_bytes(3000);
    partition.set_healthy(i == 1);
  }
  status.mutable_partitions(1)->set_problem("row 7 is damaged; see docs");
  server_.SetStatus(status);
  EXPECT_EQ(
      Cli("status"),
      "node 1, multiraft 0.1, single mode, up 3m12s\n"
      "data in /data (format 1): 77.0 GiB free, 512.0 MiB reserved\n"
      "3.0 MiB written with 12 syncs since the start\n"
      "\n"
      "PARTITION  ROLE      TERM  LEADER  LOG   COMMITTED  APPLIED  ON DISK  "
      "IMAGE  SESSIONS  PRIMITIVES  STATE\n"
      "1          leader    3     1       1-17  17         16       17       "
      "9      2         1           2.9 KiB\n"
      "2          follower  3     none    1-17  17         16       17       "
      "none   2         1           2.9 KiB\n"
      "partition 2 does not serve: row 7 is damaged; see docs\n");
  EXPECT_THAT(
      Cli("status --json"),
      AllOf(StartsWith("{\"node\":1,\"version\":\"0.1\",\"mode\":\"single\","),
            HasSubstr("\"role\":\"leader\",\"term\":3,\"leader\":7,"),
            HasSubstr("\"healthy\":false,\"problem\":\"row 7 is damaged;")));
}

// Node `node` of a cluster of three, of which it knows the addresses.
multiraft::admin::v1::StatusResponse StatusOf(
    uint32_t node, const std::vector<std::string>& addresses) {
  multiraft::admin::v1::StatusResponse status;
  status.set_node_id(node);
  status.set_version("0.1");
  auto& partition = *status.add_partitions();
  partition.set_partition_id(7);
  partition.set_role(node == 2 ? multiraft::admin::v1::ROLE_LEADER
                               : multiraft::admin::v1::ROLE_FOLLOWER);
  partition.set_leader(2);
  partition.set_leader_node(2);
  partition.set_term(3);
  partition.set_commit_index(node == 2 ? 17 : 15);
  partition.set_applied_index(node == 2 ? 17 : 14);
  partition.set_healthy(true);
  for (uint32_t i = 1; i <= 3; ++i) {
    auto& member = *partition.add_members();
    member.set_replica_id(i);
    member.mutable_node()->set_node_id(i);
    member.mutable_node()->set_api_address(addresses[i - 1]);
    member.set_vote(i == 3 ? multiraft::admin::v1::VOTE_NONE
                           : multiraft::admin::v1::VOTE_FULL);
  }
  return status;
}

TEST_F(CliTest, ClusterStatusAsksEveryNodeAndSaysWhichDoNotAnswer) {
  FakeServer second;
  FakeServer third;
  third.Stop();
  const std::vector<std::string> addresses = {
      server_.address(), second.address(), third.address()};
  server_.SetStatus(StatusOf(1, addresses));
  second.SetStatus(StatusOf(2, addresses));
  const std::string text = Cli("cluster status");
  EXPECT_THAT(
      text,
      AllOf(
          HasSubstr(absl::StrCat("3     ", addresses[2])),
          HasSubstr("PARTITION  NODE  ROLE       LEADER  TERM  COMMITTED  "
                    "APPLIED  LAG  IMAGE  MEMBERS\n"
                    "7          1     follower   2       3     15         14   "
                    "    3    none   1 2 (3)\n"
                    "7          2     leader     2       3     17         17   "
                    "    0    none   1 2 (3)\n"
                    "7          3     no answer  -       -     -          -    "
                    "    -    -      1 2 (3)\n"),
          HasSubstr("node 3 does not answer: "), HasSubstr("exit 3")));
  EXPECT_THAT(Cli("cluster status --json"),
              AllOf(StartsWith("{\"nodes\":[{\"node\":1,"),
                    HasSubstr("\"answers\":false"),
                    HasSubstr("{\"partition\":7,\"leader_node\":2,")));
}

TEST_F(CliTest, ATransferIsAskedOfTheLeader) {
  FakeServer second;
  const std::vector<std::string> addresses = {
      server_.address(), second.address(), server_.address()};
  server_.SetStatus(StatusOf(1, addresses));
  second.SetStatus(StatusOf(2, addresses));
  EXPECT_EQ(Cli("leader transfer 7 1"),
            "partition 7: node 1 leads, before it node 2 (0 ms)\n");
  EXPECT_THAT(second.attempts("TransferLeader"), SizeIs(1));
  // And the new one, to stay.
  EXPECT_THAT(server_.attempts("TransferLeader"), SizeIs(1));
  EXPECT_EQ(Cli("leader transfer 8 1"),
            "multiraftctl: nobody leads partition 8; `multiraftctl cluster "
            "status` says why\nexit 3\n");
}

// A node alone, with partitions 1 and 2, as node 2 it knows a learner of both.
class CliMemberTest : public CliTest {
 protected:
  CliMemberTest() {
    multiraft::admin::v1::StatusResponse& status = status_;
    status.set_node_id(1);
    status.set_partition_count(2);
    for (uint32_t id = 1; id <= 2; ++id) {
      auto& partition = *status.add_partitions();
      partition.set_partition_id(id);
      partition.set_role(multiraft::admin::v1::ROLE_LEADER);
      partition.set_leader(1);
      partition.set_leader_node(1);
      partition.set_last_index(20);
      partition.set_healthy(true);
      for (uint32_t i = 1; i <= 2; ++i) {
        auto& member = *partition.add_members();
        member.set_replica_id(i);
        member.mutable_node()->set_node_id(i);
        member.mutable_node()->set_peer_address("b:1");
        member.set_priority(1);
        member.set_match_index(i == 2 ? 15 : 0);
        member.set_silent_ms(i == 2 ? 3000 : 0);
        member.set_vote(i == 2 ? multiraft::admin::v1::VOTE_NONE
                               : multiraft::admin::v1::VOTE_FULL);
      }
    }
    server_.SetStatus(status);
  }

  multiraft::admin::v1::StatusResponse status_;
};

TEST_F(CliMemberTest, AChangeGoesThroughAllPartitionsALineEach) {
  EXPECT_EQ(Cli("member add 4 d:1"),
            "partition 1: node 4 votes; members 1 (2) (0 ms)\n"
            "partition 2: node 4 votes; members 1 (2) (0 ms)\n");
  ASSERT_THAT(server_.changes(), SizeIs(2));
  EXPECT_EQ(server_.changes()[1].partition_id(), 2u);
  EXPECT_EQ(server_.changes()[1].add().node_id(), 4u);
  EXPECT_EQ(server_.changes()[1].add().peer_address(), "d:1");
  EXPECT_FALSE(server_.changes()[1].force());
}

TEST_F(CliMemberTest, APartitionMayBeChosenAndAQuorumForced) {
  EXPECT_EQ(Cli("member remove 2 --partition=2 --force"),
            "partition 2: node 2 has no part in it; members 1 (2) (0 ms)\n");
  ASSERT_THAT(server_.changes(), SizeIs(1));
  EXPECT_EQ(server_.changes()[0].remove().node_id(), 2u);
  EXPECT_TRUE(server_.changes()[0].force());
  EXPECT_THAT(Cli("member remove 2 --partition=3"),
              AllOf(HasSubstr("there is no partition 3"), HasSubstr("exit 2")));
}

TEST_F(CliMemberTest, ARefusalStopsOnlyItsPartition) {
  server_.Inject("ChangeMembers",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kFailedPrecondition,
                  .message = "partition 1: cannot promote node 2: too far"},
                 1);
  EXPECT_EQ(
      Cli("member promote 2"),
      "partition 1: cannot promote node 2: too far\n"
      "partition 2: node 2 votes; members 1 (2) (0 ms)\n"
      "multiraftctl: 1 of 2 partitions not done; when the reason is gone, "
      "the same command goes on\nexit 1\n");
}

// Its replicas may all be on nodes that do not answer.
TEST_F(CliMemberTest, APartitionThatNobodyTellsOfIsNotTakenForDone) {
  multiraft::admin::v1::StatusResponse status = status_;
  status.set_partition_count(5);
  server_.SetStatus(status);
  const auto unseen = [](int id) {
    return HasSubstr(
        absl::StrCat("partition ", id, ": no node that answers has a replica"));
  };
  EXPECT_THAT(Cli("cluster status"),
              AllOf(HasSubstr("has a replica of partition 3 to 5"),
                    HasSubstr("exit 3")));
  EXPECT_THAT(Cli("member promote 2"),
              AllOf(unseen(3), unseen(5), HasSubstr("exit 3")));
  EXPECT_THAT(Cli("member replace 2 4 d:1"),
              AllOf(unseen(3), unseen(5), HasSubstr("exit 3")));
  EXPECT_THAT(Cli("node drain 2"),
              AllOf(unseen(3), unseen(5), HasSubstr("exit 3")));
  EXPECT_THAT(
      Cli("member list"),
      AllOf(HasSubstr("replica of partition 3, 4, 5"), HasSubstr("exit 3")));
  // Whoever leads them is asked, and says that it is so.
  const size_t before = server_.changes().size();
  Cli("member remove 9");
  EXPECT_THAT(server_.changes(), SizeIs(before + 3));
  EXPECT_EQ(server_.changes().back().partition_id(), 5u);
}

TEST_F(CliMemberTest, AServerThatGivesUpSaysWhy) {
  server_.Inject("ChangeMembers",
                 {.kind = Fault::Kind::kAnswer,
                  .code = absl::StatusCode::kDeadlineExceeded,
                  .message = "it stays a learner"},
                 1);
  EXPECT_THAT(Cli("member add 4 d:1 --partition=1"),
              AllOf(HasSubstr("it stays a learner"), HasSubstr("exit 3")));
  EXPECT_THAT(server_.attempts("ChangeMembers"), SizeIs(1));
}

TEST_F(CliMemberTest, ANodeThatIsNotThereIsNotDrained) {
  EXPECT_THAT(Cli("node drain 22"),
              AllOf(HasSubstr("node 22 has no replica"), HasSubstr("exit 1")));
  EXPECT_THAT(Cli("node undrain 22"), HasSubstr("exit 1"));
}

TEST_F(CliMemberTest, WhatIsHeldBackIsResumed) {
  EXPECT_EQ(Cli("partition resume 1"),
            "partition 1: goes on with what was held back on this node\n");
  EXPECT_THAT(Cli("partition resume 2"),
              AllOf(HasSubstr("nothing is held back"), HasSubstr("exit 1")));
  EXPECT_THAT(Cli("partition resume"), HasSubstr("exit 2"));
}

TEST_F(CliMemberTest, ANodeWithoutAReplicaIsDoneWithOrRefused) {
  EXPECT_EQ(Cli("member remove 9"), "node 9 has no replica (any more)\n");
  EXPECT_THAT(Cli("member promote 9"), HasSubstr("exit 1"));
  EXPECT_THAT(Cli("partition move 1 1 9"),
              AllOf(HasSubstr("not known to be up"), HasSubstr("exit 1")));
  EXPECT_THAT(server_.changes(), SizeIs(0));
}

TEST_F(CliMemberTest, TheListSaysWhoVotesAndWhoIsBehind) {
  EXPECT_THAT(Cli("member list --partition=1"),
              AllOf(HasSubstr("PARTITION  NODE  REPLICA  VOTE     ROLE"),
                    HasSubstr("1          2     2        learner"),
                    HasSubstr("5       3s"), Not(HasSubstr("\n2 "))));
}

TEST_F(CliMemberTest, ADrainLowersThePriorityAndHandsOver) {
  EXPECT_THAT(Cli("node drain 1"),
              HasSubstr("partition 1: node 1 never leads; members 1 (2)"));
  ASSERT_THAT(server_.changes(), SizeIs(2));
  EXPECT_EQ(server_.changes()[0].update().node_id(), 1u);
  EXPECT_TRUE(server_.changes()[0].update().has_priority());
  EXPECT_EQ(server_.changes()[0].update().priority(), 0u);
  EXPECT_FALSE(server_.changes()[0].update().has_peer_address());
  EXPECT_THAT(server_.attempts("TransferLeader"), SizeIs(2));
  // The cluster is not looked at once for each partition.
  EXPECT_THAT(server_.attempts("Status"), SizeIs(2));
}

TEST_F(CliTest, MistakesAreExplainedAndNothingIsSent) {
  const auto expect = [&](const std::string& line, const std::string& message) {
    EXPECT_EQ(Cli(line),
              absl::StrCat("multiraftctl: ", message,
                           "\nmultiraftctl: `multiraftctl help` lists the "
                           "commands\nexit 2\n"));
  };
  expect("mpa list m", "there is no command \"mpa\"; did you mean \"map\"?");
  expect("map lst m",
         "\"map\" has no verb \"lst\"; did you mean \"map list\"?");
  expect("frobnicate", "there is no command \"frobnicate\"");
  expect("map put m k v --tll=1s",
         "there is no flag \"--tll\"; did you mean \"--ttl\"?");
  expect("map get m k --ttl=1s", "there is no flag \"--ttl\"");
  expect("map get m", "too few operands; usage: multiraftctl map get NAME KEY");
  expect("counter get a b",
         "too many operands; usage: multiraftctl counter get NAME");
  expect("counter inc c x", "DELTA: \"x\" is not a whole number of 64 bits");
  expect("counter get c --timeout=soon",
         "--timeout=soon: want a time such as 10s or 500ms");
  expect("counter get c --partition=0",
         "--partition: partitions are numbered from 1");
  expect("counter get c --sequence=1",
         "--sequence makes sense with --session only");
  expect("session close x", "ID: \"x\" is not a whole number, 0 or more");
  EXPECT_THAT(server_.attempts("OpenSession"), SizeIs(0));
  EXPECT_EQ(Cli("map get --json"),
            "{\"error\":{\"code\":\"USAGE\",\"message\":\"too few operands; "
            "usage: multiraftctl map get NAME KEY\"}}\nexit 2\n");
}

TEST_F(CliTest, HelpListsWhatThereIs) {
  const std::string all = Cli("help");
  EXPECT_EQ(all, Cli(""));
  EXPECT_EQ(all, Cli("--help"));
  for (const Group* group : AllGroups()) {
    for (const Verb& verb : group->verbs) {
      EXPECT_THAT(all, HasSubstr(verb.summary));
      EXPECT_THAT(verb.summary, Not(testing::EndsWith(".")));
      EXPECT_LE(verb.operands_min, verb.operands_max);
      EXPECT_NE(verb.run, nullptr);
    }
  }
  for (const absl::string_view line : absl::StrSplit(all, '\n')) {
    EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST_F(CliTest, HelpForAVerb) {
  const std::string help = Cli("help map put");
  EXPECT_EQ(help, Cli("map put --help"));
  EXPECT_THAT(
      help,
      StartsWith(
          "usage: multiraftctl map put NAME KEY VALUE\n"
          "\n"
          "Write a value, and print its index.\n"
          "\n"
          "Putting the value that is there changes nothing: the index is the "
          "old one.\n"
          "\n"
          "Flags\n"
          "  --ttl=DURATION  The server removes the entry after this time\n"
          "  --prev-index=N  Only if the value has this index now, else exit "
          "with 1\n"
          "\n"
          "Flags of every command\n"));
  EXPECT_EQ(Cli("help map"), Cli("map --help"));
  EXPECT_THAT(Cli("map"), HasSubstr("\"map\" wants a verb"));
  EXPECT_THAT(Cli("help mpa"), HasSubstr("did you mean \"map\"?"));
  EXPECT_THAT(Cli("help exit-codes"), HasSubstr("4  the session is unknown"));
}

}  // namespace
}  // namespace cli
