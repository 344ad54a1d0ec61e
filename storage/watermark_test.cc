#include "storage/watermark.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/escaping.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

using base::testing::StatusIs;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

void Overwrite(const std::string& path, size_t offset, char byte) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

TEST(WatermarkTest, NewFileIsAtZeroAndSaysSo) {
  const TestDirectory file;
  {
    ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
    EXPECT_TRUE(watermark->created());
    EXPECT_EQ(watermark->opened_at().sequence, 0u);
  }
  ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
  EXPECT_FALSE(watermark->created());
}

TEST(WatermarkTest, GoldenBytes) {
  const TestDirectory file;
  ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
  watermark->Advance({.sequence = 0x0102, .log = 12});
  const std::string bytes = ReadFile(file.path());
  ASSERT_EQ(bytes.size(), 512u + 24);
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(512, 20)),
            "6d72776d"
            "0000000000000102"
            "000000000000000c");
}

TEST(WatermarkTest, RemembersTheHighestAdvance) {
  const TestDirectory file;
  {
    ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
    for (uint64_t i = 1; i <= 5; ++i) {
      watermark->Advance({.sequence = i * 10, .log = i});
    }
    watermark->Advance({.sequence = 3, .log = 9});  // Never goes back.
    EXPECT_OK(watermark->Sync());
  }
  ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
  EXPECT_EQ(watermark->opened_at().sequence, 50u);
  EXPECT_EQ(watermark->opened_at().log, 5u);
}

TEST(WatermarkTest, TornSlotLeavesTheOneBefore) {
  for (int advances = 2; advances <= 3; ++advances) {
    const TestDirectory file;
    {
      ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
      for (int i = 1; i <= advances; ++i) {
        watermark->Advance({.sequence = static_cast<uint64_t>(i)});
      }
    }
    // Advances go to slot 1, 0, 1 ...
    Overwrite(file.path(), (advances % 2) * 512 + 7, '\x77');
    ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
    EXPECT_EQ(watermark->opened_at().sequence,
              static_cast<uint64_t>(advances - 1));
    // The next advance overwrites the torn slot, not the good one.
    watermark->Advance({.sequence = 100});
    Overwrite(file.path(), (advances % 2) * 512 + 7, '\x77');
    ASSERT_OK_AND_ASSIGN(auto again, Watermark::Open(file.path()));
    EXPECT_EQ(again->opened_at().sequence, static_cast<uint64_t>(advances - 1));
  }
}

// As a power cut leaves it between the two steps in which it is made.
TEST(WatermarkTest, AFileThatEndsBehindTheFirstSlotIsWhole) {
  const TestDirectory file;
  { ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path())); }
  std::filesystem::resize_file(file.path(), 24);
  {
    ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
    EXPECT_FALSE(watermark->created());
    watermark->Advance({.sequence = 7});
  }
  ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
  EXPECT_EQ(watermark->opened_at().sequence, 7u);
}

TEST(WatermarkTest, AProcessThatIsKilledLosesNothing) {
  const TestDirectory file;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto watermark = Watermark::Open(file.path());
    if (!watermark.ok()) _exit(1);
    for (uint64_t i = 1; i <= 1000; ++i) {
      (*watermark)->Advance({.sequence = i});
    }
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_OK_AND_ASSIGN(auto watermark, Watermark::Open(file.path()));
  EXPECT_EQ(watermark->opened_at().sequence, 1000u);
}

TEST(WatermarkTest, DamagedFileIsDataLoss) {
  const TestDirectory file;
  std::ofstream(file.path()) << std::string(600, 'x');
  EXPECT_THAT(Watermark::Open(file.path()).status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace storage
