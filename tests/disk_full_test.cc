// A server on a small disk that somebody else fills (D6, U10-U12): commands are
// refused before it is too late, nothing is lost, and service returns by itself
// when there is space; also after a restart on the full disk.
//
// The disk is a tmpfs in a mount namespace of the test's own, which goes with
// the process.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/raw_session.h"
#include "tests/server_fixture.h"

namespace tests {
namespace {

using testing::HasSubstr;

constexpr int64_t kReserve = 32 << 20;
constexpr size_t kLarge = 512 << 10;  // A value.

// False, with errno: this machine does not let us have mounts of our own.
bool EnterMountNamespace() {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return false;
  }
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// Why a small disk cannot be made here; 0: it can.
int no_mounts_errno = 0;

class DiskFullTest : public testing::Test {
 protected:
  void SetUp() override {
    // Seen by .ci/run, which takes no skipped test for a passed one.
    if (no_mounts_errno != 0) {
      GTEST_SKIP() << "no mount namespace here: " << strerror(no_mounts_errno);
    }
    disk_ = directory_.path() + "/disk";
    std::filesystem::create_directory(disk_);
    ASSERT_EQ(mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=256m"), 0)
        << strerror(errno);
    Start();
  }
  void TearDown() override {
    server_ = nullptr;
    if (no_mounts_errno != 0) return;
    umount2(disk_.c_str(), MNT_DETACH);
  }

  void Start() {
    server_ = std::make_unique<ServerProcess>(
        disk_ + "/data", std::vector<std::string>{"--disk_reserve=32MiB"});
    ASSERT_NE(server_->address(), "") << server_->errors();
  }

  // Leaves so many bytes free.
  void Fill(int64_t leave) {
    const int fd = open((disk_ + "/others").c_str(), O_CREAT | O_WRONLY, 0644);
    CHECK_GE(fd, 0);
    struct statvfs space = {};
    CHECK_EQ(statvfs(disk_.c_str(), &space), 0);
    const auto free = static_cast<int64_t>(space.f_bavail * space.f_frsize);
    if (free > leave) {
      CHECK_EQ(posix_fallocate(fd, lseek(fd, 0, SEEK_END), free - leave), 0);
    }
    close(fd);
  }
  void MakeSpace() { std::filesystem::remove(disk_ + "/others"); }

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
  std::string disk_;
  std::unique_ptr<ServerProcess> server_;
  int puts_ = 0;
};

TEST_F(DiskFullTest, CommandsAreRefusedUntilThereIsSpace) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  ASSERT_TRUE(PutUntil(session, map, true).ok());

  Fill(kReserve / 2);
  const grpc::Status refused = PutUntil(session, map, false);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(),
              HasSubstr("less than its reserve of 33554432 (--disk_reserve)"));
  EXPECT_EQ(session.KeepAlive().error_code(), grpc::StatusCode::UNAVAILABLE);
  ExpectAllThere(session, map);  // Reads go on.

  MakeSpace();
  EXPECT_TRUE(PutUntil(session, map, true).ok());
  EXPECT_TRUE(session.KeepAlive().ok());
  ExpectAllThere(session, map);
}

TEST_F(DiskFullTest, AServerStartsOnAFullDisk) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  for (int i = 0; i < 20; ++i) PutUntil(session, map, true);
  Fill(kReserve / 2);
  PutUntil(session, map, false);
  server_->End(SIGKILL);

  // Its own log was not the only thing that grew.
  Fill(kReserve / 8);
  Start();
  RawSession again(session, server_->Connect());
  ExpectAllThere(again, map);
  // The restart has made room by itself: a log that was read is gone.
  Fill(kReserve / 8);
  EXPECT_EQ(PutUntil(again, map, false).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  MakeSpace();
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
  Fill(0);
  ASSERT_TRUE(std::filesystem::exists(disk_ + "/data/reserve"));

  Start();
  RawSession again(session, server_->Connect());
  EXPECT_EQ(again.Get(map, "large").size(), kLarge);
  // The log that was read has made room as well.
  Fill(kReserve / 8);
  EXPECT_EQ(PutUntil(again, map, false).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  MakeSpace();
  EXPECT_TRUE(PutUntil(again, map, true).ok());
  EXPECT_TRUE(base::WaitUntil(
      [&] { return std::filesystem::exists(disk_ + "/data/reserve"); }));
  server_->End(SIGKILL);
  EXPECT_THAT(server_->errors(), HasSubstr("reserve is deleted to make room"));
}

// What the reserve is for.
TEST_F(DiskFullTest, WithoutItsReserveItDoesNot) {
  RawSession session(server_->Connect());
  const uint64_t map = session.Create(kMapType, "m");
  ASSERT_TRUE(session.Put(map, "large", std::string(kLarge, 'x')));
  server_->End(SIGKILL);
  std::filesystem::remove(disk_ + "/data/reserve");
  Fill(0);
  ServerProcess refused(disk_ + "/data", {"--disk_reserve=32MiB"});
  EXPECT_EQ(refused.address(), "");
  EXPECT_NE(refused.ExitCode(), 0);
  EXPECT_THAT(refused.errors(), HasSubstr("No space left"));
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // Before there is a second thread.
  if (!tests::EnterMountNamespace()) tests::no_mounts_errno = errno;
  return RUN_ALL_TESTS();
}
