// A server on a small disk that somebody else fills (D6, P34, U10-U12):
// commands are refused before it is too late, nothing is lost, and service
// returns by itself when there is space; also after a restart on the full disk.

#include <signal.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/wal_tail.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"
#include "tests/small_disk.h"

namespace tests {
namespace {

using testing::HasSubstr;

constexpr int64_t kReserve = 32 << 20;
constexpr size_t kLarge = 512 << 10;  // A value.

// Why a small disk cannot be made here; 0: it can.
int no_mounts_errno = 0;

class DiskFullTest : public testing::Test {
 protected:
  void SetUp() override {
    // Seen by .ci/run, which takes no skipped test for a passed one.
    if (no_mounts_errno != 0) {
      GTEST_SKIP() << "no mount namespace here: " << strerror(no_mounts_errno);
    }
    disk_ = std::make_unique<SmallDisk>(directory_.path() + "/disk", "256m");
    Start();
  }
  std::string Data() const { return disk_->path() + "/data"; }

  void Start() {
    server_ = std::make_unique<ServerProcess>(
        Data(), std::vector<std::string>{"--disk_reserve=32MiB"});
    ASSERT_NE(server_->address(), "") << server_->errors();
  }

  grpc::Status Put(RawSession& session, uint64_t map, const std::string& key) {
    map::PutRequest request;
    *request.mutable_headers() = session.CommandHeaders(map);
    request.mutable_input()->set_key(key);
    request.mutable_input()->set_value("value of " + key);
    map::PutResponse response;
    Call call;
    return session.maps().Put(&call, request, &response);
  }
  // Puts under one key after the other until that ends as wanted.
  grpc::Status PutUntil(RawSession& session, uint64_t map, bool ok) {
    grpc::Status status;
    EXPECT_TRUE(base::WaitUntil(
        [&] {
          status = Put(session, map, "k" + std::to_string(puts_));
          if (status.ok()) ++puts_;
          return status.ok() == ok;
        },
        {.look_every_ns = 5'000'000}));
    return status;
  }
  void ExpectAllThere(RawSession& session, uint64_t map) {
    for (int i = 0; i < puts_; ++i) {
      const std::string key = "k" + std::to_string(i);
      EXPECT_EQ(session.Get(map, key), "value of " + key);
    }
    EXPECT_EQ(session.Size(map), puts_);
  }

  TempDir directory_;
  std::unique_ptr<SmallDisk> disk_;
  std::unique_ptr<ServerProcess> server_;
  int puts_ = 0;
};

TEST_F(DiskFullTest, CommandsAreRefusedUntilThereIsSpace) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  ASSERT_TRUE(PutUntil(session, map, true).ok());

  disk_->Fill(kReserve / 2);
  const grpc::Status refused = PutUntil(session, map, false);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(),
              HasSubstr("less than its reserve of 33554432 (--disk_reserve)"));
  EXPECT_EQ(session.KeepAlive().error_code(), grpc::StatusCode::UNAVAILABLE);
  ExpectAllThere(session, map);  // Reads go on.

  disk_->MakeSpace();
  EXPECT_TRUE(PutUntil(session, map, true).ok());
  EXPECT_TRUE(session.KeepAlive().ok());
  ExpectAllThere(session, map);
}

TEST_F(DiskFullTest, AServerStartsOnAFullDisk) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  for (int i = 0; i < 20; ++i) PutUntil(session, map, true);
  disk_->Fill(kReserve / 2);
  PutUntil(session, map, false);
  server_->End(SIGKILL);

  // Its own log was not the only thing that grew.
  disk_->Fill(kReserve / 8);
  Start();
  RawSession again(session, server_->Connect());
  ExpectAllThere(again, map);
  // The restart has made room by itself: a log that was read is gone.
  disk_->Fill(kReserve / 8);
  EXPECT_EQ(PutUntil(again, map, false).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  disk_->MakeSpace();
  EXPECT_TRUE(PutUntil(again, map, true).ok());
  ExpectAllThere(again, map);
}

// To the last byte, with a log that has to become tables before it goes.
TEST_F(DiskFullTest, AServerStartsOnADiskWithoutAByte) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  for (int i = 0; i < 20; ++i) PutUntil(session, map, true);
  for (int i = 0; i < 16; ++i) {
    ASSERT_TRUE(session.Put(map, "large", std::string(kLarge, 'x')));
  }
  server_->End(SIGKILL);
  disk_->Fill(0);
  ASSERT_TRUE(std::filesystem::exists(Data() + "/reserve"));

  Start();
  RawSession again(session, server_->Connect());
  EXPECT_EQ(again.Get(map, "large").size(), kLarge);
  // The log that was read has made room as well.
  disk_->Fill(kReserve / 8);
  EXPECT_EQ(PutUntil(again, map, false).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  disk_->MakeSpace();
  EXPECT_TRUE(PutUntil(again, map, true).ok());
  EXPECT_TRUE(base::WaitUntil(
      [&] { return std::filesystem::exists(Data() + "/reserve"); }));
  server_->End(SIGKILL);
  EXPECT_THAT(server_->errors(), HasSubstr("reserve is deleted to make room"));
}

// What the reserve is for.
TEST_F(DiskFullTest, WithoutItsReserveItDoesNot) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  ASSERT_TRUE(session.Put(map, "large", std::string(kLarge, 'x')));
  server_->End(SIGKILL);
  std::filesystem::remove(Data() + "/reserve");
  // Nor is there room in the log, which was allocated ahead.
  ASSERT_TRUE(storage::CutUnwrittenTails(Data() + "/db").ok());
  disk_->Fill(0);
  ServerProcess refused(Data(), {"--disk_reserve=32MiB"});
  EXPECT_EQ(refused.address(), "");
  EXPECT_NE(refused.ExitCode(), 0);
  EXPECT_THAT(refused.errors(), HasSubstr("No space left"));
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // Before there is a second thread.
  tests::no_mounts_errno = tests::EnterMountNamespace();
  return RUN_ALL_TESTS();
}
