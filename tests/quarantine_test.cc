// A node whose process died of the same entry twice starts, serves its other
// partitions, and tries again when it is told to.

#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crash_note.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;
using ::testing::HasSubstr;

// What a process leaves that dies while it applies this entry.
void DieOf(const std::string& data_dir, uint32_t partition, uint64_t index) {
  CHECK(base::KeepCrashNotes(absl::StrCat(data_dir, "/crash")).ok());
  const base::CrashScope scope(partition, index);
  std::abort();
}

admin::StatusResponse Ask(const ServerProcess& server) {
  client::Connection connection(
      client::ConnectionOptions{.server = server.address()});
  const auto status = client::NodeStatus(connection);
  CHECK(status.ok()) << status.status();
  return *status;
}

TEST(QuarantineTest, AnEntryThatEndsTheProcessTwiceIsHeldBack) {
  const TempDir directory;
  uint64_t applied = 0;
  for (int round = 0; round < 2; ++round) {
    ServerProcess server(directory.path(), {"--partitions=2"});
    const auto status = Ask(server);
    for (const auto& partition : status.partitions()) {
      EXPECT_TRUE(partition.healthy()) << partition.problem();
    }
    applied = Ask(server).partitions(0).applied_index();
    server.End(SIGKILL);
    EXPECT_DEATH(DieOf(directory.path(), 1, 1), "");
  }
  {
    ServerProcess server(directory.path(), {"--partitions=2"});
    const admin::StatusResponse status = Ask(server);
    EXPECT_FALSE(status.partitions(0).healthy());
    EXPECT_THAT(status.partitions(0).problem(),
                HasSubstr("quarantined: applying entry 1 ended the process"));
    EXPECT_EQ(status.partitions(0).applied_index(), 0u);
    EXPECT_TRUE(status.partitions(1).healthy());

    client::Connection connection(
        client::ConnectionOptions{.server = server.address()});
    EXPECT_TRUE(
        absl::IsFailedPrecondition(client::ResumePartition(connection, 2)));
    const absl::Status resumed = client::ResumePartition(connection, 1);
    EXPECT_TRUE(resumed.ok()) << resumed;
    while (Ask(server).partitions(0).applied_index() < applied &&
           !HasFailure()) {
    }
    EXPECT_TRUE(Ask(server).partitions(0).healthy());
    server.End(SIGKILL);
  }
  ServerProcess server(directory.path(), {"--partitions=2"});
  EXPECT_TRUE(Ask(server).partitions(0).healthy());
}

}  // namespace
}  // namespace tests
