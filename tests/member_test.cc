// Members come and go while clients go on: what an operator types, against
// servers that run as processes.

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/run.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/chaos/cluster.h"
#include "tests/counter_load.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class MemberTest : public ::testing::Test {
 protected:
  void StartWith(ClusterOptions options) {
    options.directory = directory_.path();
    cluster_ = std::make_unique<Cluster>(options);
    ASSERT_TRUE(cluster_->Start());
  }

  // Runs a line at node 1, or another; what it printed, and its exit code
  // unless that is 0.
  std::string Ctl(const std::string& line, int node = 1) {
    std::ostringstream out;
    std::ostringstream err;
    cli::Interrupt interrupt;
    const cli::ExitCode code =
        cli::RunCli(absl::StrSplit(line, ' ', absl::SkipEmpty()),
                    {.out = out,
                     .err = err,
                     .interrupt = interrupt,
                     .default_server =
                         cluster_->addresses()[static_cast<size_t>(node) - 1]});
    if (code == cli::kOk) return out.str();
    return absl::StrCat(out.str(), err.str(), "exit ", code, "\n");
  }

  // "1 2 (4)": the nodes of a partition, learners in brackets.
  std::string MembersOf(int partition, int node = 1) {
    const Json list = Json::parse(Ctl("partition list --json", node));
    std::string text;
    for (const Json& one : list["partitions"]) {
      if (one["partition"] != partition) continue;
      for (const Json& member : one["members"]) {
        const bool votes = member["vote"] == "voter";
        absl::StrAppend(&text, text.empty() ? "" : " ", votes ? "" : "(",
                        member["node"].get<int>(), votes ? "" : ")");
      }
    }
    return text;
  }
  int LeaderOf(int partition, int node = 1) {
    const Json list = Json::parse(Ctl("partition list --json", node));
    return list["partitions"][static_cast<size_t>(partition) - 1]
               ["leader_node"];
  }
  void AwaitHealthy() {
    while (!HasFailure() &&
           Ctl("cluster status").find("exit") != std::string::npos) {
    }
  }
  // Every change was made.
  void ExpectDone(const std::string& printed) {
    EXPECT_THAT(printed, Not(HasSubstr("exit"))) << printed;
  }

  TempDir directory_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(MemberTest, MembersComeAndGoUnderLoadAndNothingFails) {
  StartWith({.nodes = 3, .joiners = 1, .partitions = 2});
  CounterLoad load(cluster_->addresses()[0]);

  // Grow.
  ASSERT_TRUE(cluster_->Join(4));
  EXPECT_THAT(Ctl("cluster status"), HasSubstr("\n4 "));
  ExpectDone(Ctl("member add 4 " + cluster_->PeerAddress(4) +
                 " --partition=1 --learner"));
  EXPECT_EQ(MembersOf(1), "1 2 3 (4)");
  ExpectDone(Ctl("member promote 4"));
  EXPECT_EQ(MembersOf(1), "1 2 3 4");
  ExpectDone(Ctl("member remove 4"));
  EXPECT_EQ(MembersOf(1), "1 2 3");

  // Move, there and back, whoever leads.
  const std::string there =
      absl::StrCat("partition move 1 ", LeaderOf(1), " 4");
  const std::string back = absl::StrCat("partition move 1 4 ", LeaderOf(1));
  ExpectDone(Ctl(there));
  EXPECT_THAT(MembersOf(1), HasSubstr("4"));
  // Again: it is so.
  ExpectDone(Ctl(there));
  ExpectDone(Ctl(back));
  EXPECT_THAT(MembersOf(1), Not(HasSubstr("4")));

  // Replace one that is gone.
  cluster_->Kill(3);
  const std::string replace =
      absl::StrCat("member replace 3 4 ", cluster_->PeerAddress(4));
  ExpectDone(Ctl(replace));
  for (int partition : {1, 2}) {
    EXPECT_THAT(MembersOf(partition), Not(HasSubstr("3")));
    EXPECT_THAT(MembersOf(partition), HasSubstr("4"));
  }
  ExpectDone(Ctl(replace));

  const int64_t acknowledged = load.Stop();
  EXPECT_TRUE(load.failure().ok()) << load.failure().ToString();
  std::cout << acknowledged << " increments, the slowest took "
            << load.slowest() << "\n";
  // Twice an election, and a retry.
  EXPECT_LT(load.slowest(), absl::Seconds(6));
  EXPECT_EQ(Ctl("counter get load"), absl::StrCat(acknowledged, "\n"));
}

TEST_F(MemberTest, AFollowerThatLostItsDirectoryTakesItsOwnPlace) {
  StartWith({.nodes = 3, .partitions = 2});
  ExpectDone(Ctl("counter inc a 41"));
  cluster_->Kill(3);
  cluster_->Wipe(3);
  // U8: it may have voted.
  EXPECT_FALSE(cluster_->Restart(3));
  EXPECT_THAT(cluster_->errors(3), HasSubstr("member replace 3 3"));
  ASSERT_TRUE(cluster_->Join(3));
  // It serves without a replica.
  EXPECT_EQ(Ctl("counter inc a", 3), "42\n");
  ExpectDone(Ctl("member replace 3 3 " + cluster_->PeerAddress(3)));
  AwaitHealthy();
  // It counts: without it there is no majority.
  cluster_->Kill(2);
  EXPECT_EQ(Ctl("counter inc a"), "43\n");
}

TEST_F(MemberTest, AQuorumIsLostOnlyByForce) {
  StartWith({.nodes = 3, .partitions = 1});
  AwaitHealthy();
  cluster_->Kill(3);
  // Node 1 must come to know it.
  std::string refused;
  do {
    refused = Ctl("member list --json");
    const Json list = Json::parse(refused);
    bool is_silent = false;
    for (const Json& member : list["members"]) {
      is_silent |= member["node"] == 3 && member["silent_ms"] > 2000;
    }
    if (is_silent) break;
  } while (!HasFailure());
  refused = Ctl("member remove 2");
  EXPECT_THAT(refused, HasSubstr("force"));
  EXPECT_THAT(refused, HasSubstr("exit 1"));
  EXPECT_EQ(MembersOf(1), "1 2 3");
  // It stands still until node 3 is back.
  std::thread forced([this] {
    EXPECT_THAT(Ctl("member remove 2 --force --timeout=60s"),
                Not(HasSubstr("exit")));
  });
  EXPECT_TRUE(cluster_->Restart(3));
  forced.join();
  EXPECT_EQ(MembersOf(1), "1 3");
}

// Nobody has to wait until the new one has noticed.
TEST_F(MemberTest, ALeaderThatIsNewLosesNoQuorumEither) {
  StartWith({.nodes = 3, .partitions = 1});
  AwaitHealthy();
  const int leader = LeaderOf(1);
  const int gone = leader == 3 ? 2 : 3;
  const int next = 6 - leader - gone;
  cluster_->Kill(gone);
  ExpectDone(Ctl(absl::StrCat("leader transfer 1 ", next)));
  const std::string refused = Ctl(absl::StrCat("member remove ", leader));
  EXPECT_THAT(refused, HasSubstr("force"));
  EXPECT_THAT(refused, HasSubstr("exit 1"));
  EXPECT_EQ(MembersOf(1), "1 2 3");
}

TEST_F(MemberTest, AMajorityThatIsThereLeadsEvenIfItIsDrained) {
  StartWith({.nodes = 3, .partitions = 1});
  AwaitHealthy();
  ExpectDone(Ctl("counter inc a 41"));
  cluster_->Kill(3);
  ExpectDone(Ctl("node drain 1"));
  EXPECT_THAT(Ctl("node drain 2"), HasSubstr("nobody could lead"));
  // There is nobody to hand over to.
  EXPECT_THAT(Ctl("node drain 2 --force"),
              AllOf(HasSubstr("node 2 never leads"), HasSubstr("undrain")));
  for (int i : {1, 2}) cluster_->Kill(i);
  for (int i : {1, 2}) ASSERT_TRUE(cluster_->Restart(i));
  EXPECT_EQ(Ctl("counter inc a --timeout=60s"), "42\n");
  ExpectDone(Ctl("node undrain 2"));
}

TEST_F(MemberTest, ADrainedNodeLeadsNothing) {
  StartWith({.nodes = 3, .partitions = 4});
  AwaitHealthy();
  ExpectDone(Ctl("node drain 2"));
  for (int i = 1; i <= 4; ++i) {
    EXPECT_THAT(LeaderOf(i), AnyOf(1, 3));
  }
  EXPECT_THAT(Ctl("member list"), HasSubstr("never leads"));
  // Nor when somebody else goes, and it may not be asked to.
  const int leader = LeaderOf(1);
  cluster_->Stop(leader);
  const int other = leader == 1 ? 3 : 1;
  while (!HasFailure() && LeaderOf(1, other) == 0) {
  }
  EXPECT_EQ(LeaderOf(1, other), other);
  ASSERT_TRUE(cluster_->Restart(leader));
  ExpectDone(Ctl("node undrain 2"));
  EXPECT_THAT(Ctl("member list"), Not(HasSubstr("never leads")));
}

TEST_F(MemberTest, ALeaderStaysWhereAnOperatorPutIt) {
  StartWith({.nodes = 3, .partitions = 1});
  AwaitHealthy();
  // Not the one that should lead.
  ExpectDone(Ctl("leader transfer 1 3"));
  client::Timer& timer = client::SystemTimer();
  const int64_t end_ns = timer.NowNanos() + 14'000'000'000;
  while (timer.NowNanos() < end_ns && LeaderOf(1) == 3) {
  }
  EXPECT_EQ(LeaderOf(1), 3);
}

TEST_F(MemberTest, ANodeThatMovesIsFoundAndTheMembersAreCorrected) {
  StartWith(
      {.nodes = 3, .partitions = 2, .arguments = {"--election_timeout=1s"}});
  AwaitHealthy();
  ExpectDone(Ctl("counter inc a"));
  const std::string before = cluster_->PeerAddress(2);
  cluster_->Stop(2);
  cluster_->Move(2);
  ASSERT_TRUE(cluster_->Restart(2));
  // Without the way that the others knew.
  while (!HasFailure() &&
         Ctl("member list").find(before) != std::string::npos) {
  }
  AwaitHealthy();
  cluster_->Kill(3);
  EXPECT_EQ(Ctl("counter inc a"), "2\n");
}

TEST_F(MemberTest, OneSurvivorGoesOnAloneWhenAMajorityIsLost) {
  StartWith({.nodes = 3, .partitions = 2});
  ExpectDone(Ctl("counter inc a 41"));
  const uint64_t before = std::stoull(Ctl("session open"));
  for (int i = 1; i <= 3; ++i) cluster_->Kill(i);
  const std::string data = cluster_->DirectoryOf(1);
  {
    ServerProcess looks(data, {"--recover", "--dry_run"});
    EXPECT_EQ(looks.ExitCode(), 0);
    EXPECT_THAT(looks.output(), HasSubstr("best survivor"));
    ServerProcess asks(data, {"--recover"});
    EXPECT_EQ(asks.ExitCode(), 1);
    EXPECT_THAT(asks.errors(), HasSubstr("nothing was changed"));
    ServerProcess does(data, {"--recover", "--yes"});
    EXPECT_EQ(does.ExitCode(), 0) << does.errors();
    EXPECT_THAT(does.output(), HasSubstr("only voter"));
  }
  ASSERT_TRUE(cluster_->Restart(1));
  EXPECT_EQ(MembersOf(1), "1");
  EXPECT_EQ(Ctl("counter inc a"), "42\n");
  // Nothing is given out twice.
  EXPECT_GT(std::stoull(Ctl("session open")), before + (uint64_t{1} << 32));
  // The old one is refused, and empty it is welcome.
  cluster_->Wipe(2);
  EXPECT_FALSE(cluster_->Restart(2));
  EXPECT_THAT(cluster_->errors(2), HasSubstr("began without node 2"));
  ASSERT_TRUE(cluster_->Join(2));
  ExpectDone(Ctl("member add 2 " + cluster_->PeerAddress(2)));
  EXPECT_EQ(Ctl("counter get a", 2), "42\n");
}

}  // namespace
}  // namespace tests
