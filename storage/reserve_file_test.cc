#include "storage/reserve_file.h"

#include <cstdint>
#include <filesystem>
#include <limits>

#include "gtest/gtest.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

constexpr uint64_t kBytes = 1 << 20;

// On the disk of the test there is space; a full one: tests/disk_full_test.
TEST(ReserveFileTest, TakesSpaceWhileThereIsEnough) {
  const TestDirectory path;
  ReserveFile file(path.path(), kBytes);
  file.Keep(/*spare_bytes=*/0);
  ASSERT_TRUE(std::filesystem::exists(path.path()));
  EXPECT_EQ(std::filesystem::file_size(path.path()), kBytes);
  EXPECT_FALSE(file.ReleaseIfNeeded());
  file.Keep(0);
  EXPECT_EQ(std::filesystem::file_size(path.path()), kBytes);
}

TEST(ReserveFileTest, TakesNothingWhereOthersNeedIt) {
  const TestDirectory path;
  ReserveFile file(path.path(), kBytes);
  file.Keep(/*spare_bytes=*/std::numeric_limits<uint64_t>::max());
  EXPECT_FALSE(std::filesystem::exists(path.path()));
  ReserveFile larger_than_any_disk(path.path(), uint64_t{1} << 62);
  larger_than_any_disk.Keep(0);
  EXPECT_FALSE(std::filesystem::exists(path.path()));
}

TEST(ReserveFileTest, GoesWhenThereIsLessSpaceThanItTakes) {
  const TestDirectory path;
  ReserveFile(path.path(), kBytes).Keep(0);
  ASSERT_TRUE(std::filesystem::exists(path.path()));
  ReserveFile larger_than_any_disk(path.path(), uint64_t{1} << 62);
  EXPECT_TRUE(larger_than_any_disk.ReleaseIfNeeded());
  EXPECT_FALSE(std::filesystem::exists(path.path()));
  EXPECT_FALSE(larger_than_any_disk.ReleaseIfNeeded());
}

}  // namespace
}  // namespace storage
