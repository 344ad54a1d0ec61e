// TestDirectory is a name for a directory that a test will make, removed with
// it. In memory where possible: what a disk would keep is asked of CrashModel.

#ifndef STORAGE_TEST_DIRECTORY_H_
#define STORAGE_TEST_DIRECTORY_H_

#include <filesystem>
#include <string>

#include "base/random.h"
#include "gtest/gtest.h"

namespace storage {

class TestDirectory {
 public:
  TestDirectory() : path_(FreshPath()) {}
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  // Not made yet.
  const std::string& path() const { return path_; }

 private:
  // Not by process id: tests in sandboxes have the same ones.
  static std::string FreshPath() {
    const std::string parent = std::filesystem::exists("/dev/shm")
                                   ? "/dev/shm/"
                                   : ::testing::TempDir();
    return parent + "multiraft_test." + std::to_string(base::SecureSeed());
  }

  const std::string path_;
};

}  // namespace storage

#endif  // STORAGE_TEST_DIRECTORY_H_
