// The server as a process: what it says, how it ends, and what it refuses to
// start on.

#include <signal.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/database.h"
#include "storage/records.h"
#include "storage/store.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ProcessTest : public ::testing::Test {
 protected:
  std::string data_dir() const { return directory_.path() + "/data"; }

  // Starts a server that should refuse: one line on stderr, a non-zero exit.
  void ExpectRefused(std::vector<std::string> arguments, int exit_code,
                     const std::string& message) {
    ServerProcess process(data_dir(), std::move(arguments));
    EXPECT_EQ(process.address(), "");
    EXPECT_EQ(process.ExitCode(), exit_code);
    EXPECT_THAT(process.errors(), AllOf(StartsWith("server: "),
                                        HasSubstr(message), EndsWith("\n")));
    EXPECT_EQ(process.errors().find('\n'), process.errors().size() - 1)
        << process.errors();
  }

  TempDir directory_;
};

TEST_F(ProcessTest, ItSaysWhereItIsAndEndsWhenAsked) {
  ServerProcess process(data_dir(), {"--node=3", "--partitions=2"});
  EXPECT_THAT(process.output(),
              AllOf(HasSubstr(process.address()), HasSubstr(data_dir()),
                    HasSubstr("node        3"), HasSubstr("partitions  2")));
  RawSession session(process.Connect());
  process.End(SIGTERM);
  EXPECT_EQ(process.ExitCode(), 0);
  EXPECT_THAT(process.output(), HasSubstr("stopped"));
  EXPECT_EQ(process.errors(), "");
}

TEST_F(ProcessTest, WhatIsNotUtf8IsNoNoiseOfALibrary) {
  ServerProcess process(data_dir());
  RawSession session(process.Connect());
  const uint64_t map = session.Create(kMapType, "map");
  EXPECT_FALSE(session.Put(map, "\xff\xfe", "value"));
  process.End(SIGTERM);
  EXPECT_THAT(process.errors(), Not(HasSubstr("libprotobuf")));
}

TEST_F(ProcessTest, AKeyboardInterruptEndsItTheSameWay) {
  ServerProcess process(data_dir());
  process.End(SIGINT);
  EXPECT_EQ(process.ExitCode(), 0);
}

TEST_F(ProcessTest, ASecondServerOnADataDirectoryIsRefused) {
  ServerProcess first(data_dir());
  ASSERT_NE(first.address(), "");
  ExpectRefused({}, 1, "in use");
  RawSession session(first.Connect());  // The first goes on.
}

TEST_F(ProcessTest, AUsedPortIsRefusedAndNothingIsMade) {
  TempDir other;
  ServerProcess first(other.path() + "/data");
  ASSERT_NE(first.address(), "");
  ExpectRefused({"--listen=" + first.address()}, 1, first.address());
  EXPECT_FALSE(std::ifstream(data_dir() + "/LOCK").good());
  RawSession session(first.Connect());
}

TEST_F(ProcessTest, ADataDirectoryOfAnotherIsRefused) {
  {
    ServerProcess first(data_dir());
    first.End(SIGTERM);
    EXPECT_EQ(first.ExitCode(), 0);
  }
  ExpectRefused({"--node=2"}, 1, "node");
  ExpectRefused({"--cluster_name=other"}, 1, "cluster");
  ExpectRefused({"--partitions=4"}, 1, "partitions");
  ServerProcess again(data_dir());
  EXPECT_NE(again.address(), "");
}

TEST_F(ProcessTest, ADataDirectoryOfAnotherModeIsRefused) {
  {
    auto store = storage::Store::Open({.directory = data_dir(),
                                       .identity = {.cluster = "multiraft",
                                                    .node = base::NodeId(1),
                                                    .mode = "managed",
                                                    .partitions = 1}});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
  }
  ExpectRefused({}, 1, "managed");
}

TEST_F(ProcessTest, ADataDirectoryOfANewerVersionIsRefused) {
  {
    ServerProcess first(data_dir());
    first.End(SIGTERM);
    EXPECT_EQ(first.ExitCode(), 0);
  }
  {
    auto database = storage::Database::Open({.directory = data_dir() + "/db"});
    ASSERT_TRUE(database.ok()) << database.status().ToString();
    storage::DatabaseBatch batch = (*database)->NewBatch();
    batch.Put(storage::Family::kMeta, storage::DataFormatKey(),
              storage::EncodeDataFormat(storage::kDataFormat + 1), "");
    ASSERT_TRUE(
        (*database)->Write(batch, storage::Database::Durability::kSynced).ok());
  }
  ExpectRefused({}, 1, "format");
}

TEST_F(ProcessTest, ADataDirectoryThatCannotBeMadeIsRefused) {
  std::ofstream(data_dir()) << "a file is in the way";
  ExpectRefused({}, 1, data_dir());
}

TEST_F(ProcessTest, MistakesInFlagsAreUsageErrors) {
  ExpectRefused({"--no_such_flag"}, 2, "--no_such_flag");
  ExpectRefused({"--partitions=none"}, 2, "--partitions");
  ExpectRefused({"--config=raft.json"}, 2, "--config");
  ExpectRefused({"--config_file=/no/such/file"}, 2, "/no/such/file");
}

TEST_F(ProcessTest, AConfigFileIsAsGoodAsFlags) {
  const std::string path = directory_.path() + "/server.conf";
  std::ofstream(path) << "node: 12\npartitions = 3\n";
  ServerProcess process(data_dir(), {"--config_file=" + path});
  EXPECT_THAT(process.output(),
              AllOf(HasSubstr("node        12"), HasSubstr("partitions  3")));
}

}  // namespace
}  // namespace tests
