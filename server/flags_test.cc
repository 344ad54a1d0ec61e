#include "server/flags.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "absl/flags/reflection.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/limits.h"

namespace server {
namespace {

using ::base::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    setenv("BUILD_WORKING_DIRECTORY", ::testing::TempDir().c_str(), 1);
  }

  std::string WriteConfig(const std::string& text) {
    std::ofstream(::testing::TempDir() + "/server.conf") << text;
    return "--config_file=server.conf";
  }

  absl::FlagSaver saver_;
};

TEST_F(FlagsTest, WithoutArgumentsEverythingHasItsDefault) {
  ASSERT_OK_AND_ASSIGN(const CommandLine line, ParseCommandLine({}));
  const Options& options = line.options;
  const Options defaults;
  EXPECT_EQ(line.text, "");
  EXPECT_EQ(options.listen, "127.0.0.1:5678");
  EXPECT_EQ(options.node, base::NodeId(1));
  EXPECT_EQ(options.partitions, 1u);
  EXPECT_EQ(options.partition.raft.tick_ns, defaults.partition.raft.tick_ns);
  EXPECT_EQ(options.partition.raft.election_ticks,
            defaults.partition.raft.election_ticks);
  EXPECT_EQ(options.partition.limits.state_bytes_max,
            defaults.partition.limits.state_bytes_max);
  EXPECT_EQ(options.service.unknown_session_code, absl::StatusCode::kDataLoss);
}

TEST_F(FlagsTest, ValuesMayFollowASpaceOrAnEqualsSign) {
  ASSERT_OK_AND_ASSIGN(
      const CommandLine line,
      ParseCommandLine({"--partitions", "3", "--node=7", "-workers=2"}));
  EXPECT_EQ(line.options.partitions, 3u);
  EXPECT_EQ(line.options.node, base::NodeId(7));
  EXPECT_EQ(line.options.workers, 2u);
}

TEST_F(FlagsTest, SizesAndTimesHaveUnits) {
  ASSERT_OK_AND_ASSIGN(
      const CommandLine line,
      ParseCommandLine({"--value_bytes_max=64KiB", "--session_timeout_min=1.5s",
                        "--heartbeat_interval=20ms",
                        "--election_timeout=200ms"}));
  EXPECT_EQ(line.options.partition.limits.value_bytes_max, 65536u);
  EXPECT_EQ(line.options.service.limits.value_bytes_max, 65536u);
  EXPECT_EQ(line.options.partition.limits.session_timeout_min_ns,
            1'500'000'000u);
  EXPECT_EQ(line.options.partition.raft.tick_ns, 20'000'000u);
  EXPECT_EQ(line.options.partition.raft.election_ticks, 10u);
}

TEST_F(FlagsTest, OnlyATimeThatMayBeNoneTakesZero) {
  ASSERT_OK_AND_ASSIGN(CommandLine line,
                       ParseCommandLine({"--disk_hang_timeout=0s"}));
  EXPECT_EQ(line.options.disk_hang_timeout_ns, 0u);
  ASSERT_OK_AND_ASSIGN(line, ParseCommandLine({"--disk_hang_timeout=5s"}));
  EXPECT_EQ(line.options.disk_hang_timeout_ns, 5'000'000'000u);
  EXPECT_THAT(ParseCommandLine({"--disk_hang_timeout=-1s"}).status(),
              StatusIs(kInvalid, HasSubstr("or 0s")));
  EXPECT_THAT(ParseCommandLine({"--query_wait=0s"}).status(),
              StatusIs(kInvalid, HasSubstr("expected a positive time")));
}

TEST_F(FlagsTest, RelativePathsStartWhereTheCallerIs) {
  ASSERT_OK_AND_ASSIGN(CommandLine line, ParseCommandLine({}));
  EXPECT_EQ(line.options.data_dir,
            (std::filesystem::path(::testing::TempDir()) / "multiraft-data")
                .string());
  ASSERT_OK_AND_ASSIGN(line, ParseCommandLine({"--data_dir=/a/b/../c"}));
  EXPECT_EQ(line.options.data_dir, "/a/c");
}

TEST_F(FlagsTest, AConfigFileSetsWhatTheCommandLineDoesNot) {
  const std::string config = WriteConfig(
      "# A comment.\n"
      "\n"
      "partitions: 5   # Another.\n"
      "listen = 0.0.0.0:1234\n"
      "node: 9\n");
  ASSERT_OK_AND_ASSIGN(const CommandLine line,
                       ParseCommandLine({"--node=2", config}));
  EXPECT_EQ(line.options.partitions, 5u);
  EXPECT_EQ(line.options.listen, "0.0.0.0:1234");
  EXPECT_EQ(line.options.node, base::NodeId(2));
}

TEST_F(FlagsTest, OfAManagedNodeAControllerDecides) {
  ASSERT_OK_AND_ASSIGN(CommandLine line, ParseCommandLine({"--managed"}));
  EXPECT_TRUE(line.options.managed);
  EXPECT_TRUE(line.options.in_cluster());
  EXPECT_EQ(line.options.node, base::NodeId{});
  EXPECT_EQ(line.options.partitions, 0u);
  EXPECT_THAT(line.options.data_dir, testing::EndsWith("/multiraft-data"));
  ASSERT_OK_AND_ASSIGN(line, ParseCommandLine({"--managed", "--node=3"}));
  EXPECT_EQ(line.options.node, base::NodeId{3});
  EXPECT_THAT(line.options.data_dir, testing::EndsWith("/multiraft-data-3"));
}

TEST_F(FlagsTest, AControllersCommandLineStartsAManagedNode) {
  WriteConfig(
      R"({"heartbeatPeriod": "0.1s", "dataDir": "/var/lib/atomix/data"})");
  ASSERT_OK_AND_ASSIGN(const CommandLine line,
                       ParseCommandLine({"-c", "server.conf", "--api-port",
                                         "5678", "--raft-port", "5679"}));
  EXPECT_TRUE(line.options.managed);
  EXPECT_EQ(line.options.listen, "0.0.0.0:5678");
  EXPECT_EQ(line.options.peer_listen, "0.0.0.0:5679");
  EXPECT_EQ(line.options.data_dir, "/var/lib/atomix/data");
  EXPECT_EQ(line.options.partition.raft.tick_ns, 100'000'000u);
  EXPECT_EQ(line.options.partition.raft.election_ticks, 10u);
}

TEST_F(FlagsTest, HelpNamesEveryFlagWithItsDefaultAndMeaning) {
  ASSERT_OK_AND_ASSIGN(const CommandLine line, ParseCommandLine({"--help"}));
  EXPECT_THAT(line.text, AllOf(HasSubstr("--listen=127.0.0.1:5678\n"),
                               HasSubstr("--key_bytes_max=64KiB\n"),
                               HasSubstr("--session_timeout_max=24h\n"),
                               HasSubstr("--unknown_session_code=data_loss")));
}

struct BadCase {
  std::vector<std::string> arguments;
  std::string message;
};

TEST_F(FlagsTest, WhatIsWrongIsSaidInOneLineThatNamesIt) {
  const std::vector<BadCase> cases = {
      {{"--no_such_flag=1"}, "--no_such_flag: there is no such setting"},
      {{"--partitions=many"}, "--partitions: 'many' does not do"},
      {{"--partitions=0"}, "--partitions: 0 does not do"},
      {{"--partitions"}, "--partitions has no value"},
      {{"--node=0"}, "--node: 0 does not do"},
      {{"--managed", "--node=0"}, "--node: 0 does not do"},
      {{"--managed", "--partitions=3"},
       "--partitions: of a node with --managed a controller decides that"},
      {{"--managed", "--cluster=1=a:1/a:2"}, "--cluster: of a node with"},
      {{"--managed", "--join=a:1"}, "--join: of a node with"},
      {{"--force_bootstrap"}, "--force_bootstrap: a node that is alone waits"},
      {{"--force_bootstrap", "--join=a:1", "--listen=d:3", "--peer_listen=d:4"},
       "--force_bootstrap: a node that joins begins nothing"},
      {{"--advertise_peer=a:1"},
       "--advertise_peer: a node that is alone is reached where it listens"},
      {{"--advertise_api=a:1"}, "--advertise_api: a node that is alone"},
      {{"--node=-1"}, "--node: '-1' does not do"},
      {{"--listen=5678"}, "--listen: '5678' does not do: expected host:port"},
      {{"--http_listen=a:99999"}, "--http_listen"},
      {{"--value_bytes_max=1XB"},
       "--value_bytes_max: '1XB' does not do: expected a number of bytes"},
      {{"--query_wait=0s"},
       "--query_wait: '0s' does not do: expected a positive time"},
      {{"--query_wait=soon"}, "--query_wait"},
      {{"--election_timeout=200ms"},
       "--election_timeout must be at least 3 times"},
      {{"--session_timeout_min=2h", "--session_timeout_max=1h"},
       "--session_timeout_min is above"},
      {{"--image_bytes_per_second=0"}, "--image_bytes_per_second: 0"},
      {{"--image_send_bytes_per_second=0"}, "--image_send_bytes_per_second: 0"},
      {{"--entry_bytes_max=8MiB"}, "--entry_bytes_max is above"},
      {{"--entry_bytes_max=32MiB", "--request_bytes_max=64MiB"},
       "--mailbox_bytes_max must be at least 1KiB above --entry_bytes_max"},
      {{"--filter_bytes_max=8MiB"},
       "--mailbox_keep_alive_bytes_max must be at least 1KiB above"},
      {{"--request_bytes_max=1025MiB"}, "--request_bytes_max is above 1GiB"},
      {{"--unknown_session_code=ok"},
       "expected data_loss or permission_denied"},
      {{"--data_dir="}, "--data_dir is empty"},
      {{"--config=raft.json"}, "--config: cannot read /"},
      {{"-c", "raft.json"}, "--config: cannot read /"},
      {{"--api-port"}, "--api-port has no value"},
      {{"--api-port=http"}, "--listen: '0.0.0.0:http' does not do"},
      {{"--raft-port=1", "--partitions=3"}, "a controller decides that"},
      {{"serve"}, "unexpected argument 'serve'"},
      {{"--config_file=missing.conf"}, "missing.conf"},
  };
  for (const BadCase& bad : cases) {
    absl::FlagSaver saver;
    EXPECT_THAT(ParseCommandLine(bad.arguments).status(),
                StatusIs(kInvalid,
                         AllOf(HasSubstr(bad.message), Not(HasSubstr("\n")))));
  }
}

// An entry that is appended and that no follower takes stops its partition.
TEST_F(FlagsTest, WhateverMayBeAppendedIsTakenByOtherNodes) {
  ASSERT_OK_AND_ASSIGN(
      const CommandLine line,
      ParseCommandLine({"--entry_bytes_max=1GiB", "--request_bytes_max=1GiB",
                        "--mailbox_bytes_max=2GiB"}));
  const uint64_t taken = line.options.transport.receive_bytes_max;
  EXPECT_GT(taken, line.options.partition.raft.entry_bytes_max);
  EXPECT_GT(taken, line.options.request_bytes_max);
  EXPECT_GT(taken, session::ApplyLimits().session_cache_bytes_max);
  EXPECT_LE(taken, uint64_t{std::numeric_limits<int>::max()});
}

TEST_F(FlagsTest, AMistakeInAConfigFileIsSaidWithItsLine) {
  EXPECT_THAT(
      ParseCommandLine({WriteConfig("node: 1\nwrong: 2\n")}).status(),
      StatusIs(kInvalid, HasSubstr("server.conf:2: wrong: there is no")));
  EXPECT_THAT(ParseCommandLine({WriteConfig("node\n")}).status(),
              StatusIs(kInvalid, HasSubstr("server.conf:1: expected")));
  EXPECT_THAT(ParseCommandLine({WriteConfig("config_file: b\n")}).status(),
              StatusIs(kInvalid, HasSubstr("cannot name another")));
}

TEST_F(FlagsTest, ANodeThatJoinsKnowsOnlyWhomToAsk) {
  ASSERT_OK_AND_ASSIGN(
      const CommandLine line,
      ParseCommandLine({"--node=4", "--join=a:1,b:2", "--listen=d:3",
                        "--peer_listen=0.0.0.0:4", "--advertise_peer=d:4"}));
  EXPECT_EQ(line.options.join, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(line.options.partitions, 0u);
  EXPECT_TRUE(line.options.in_cluster());
  EXPECT_THAT(line.options.data_dir, ::testing::EndsWith("-4"));
}

TEST_F(FlagsTest, ANodeThatJoinsMustBeReachable) {
  EXPECT_THAT(ParseCommandLine({"--node=4", "--join=a:1", "--listen=d:3",
                                "--peer_listen=0.0.0.0:4"})
                  .status(),
              StatusIs(kInvalid, HasSubstr("--advertise_peer")));
}

TEST_F(FlagsTest, ASwitchNeedsNoValueAndTakesOne) {
  ASSERT_OK_AND_ASSIGN(
      const CommandLine line,
      ParseCommandLine({"--recover", "--dry_run", "--balance_leaders", "false",
                        "--node=3"}));
  EXPECT_TRUE(line.options.recover);
  EXPECT_TRUE(line.options.dry_run);
  EXPECT_FALSE(line.options.yes);
  EXPECT_FALSE(line.options.balance_leaders);
}

TEST_F(FlagsTest, OneEitherBeginsAClusterOrJoinsIt) {
  EXPECT_THAT(ParseCommandLine({"--join=a:1", "--cluster=1=a:1/a:2"}).status(),
              StatusIs(kInvalid, HasSubstr("takes --join alone")));
}

}  // namespace
}  // namespace server
