#include "base/crash_note.h"

#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "gtest/gtest.h"

namespace base {
namespace {

class CrashNoteTest : public ::testing::Test {
 protected:
  CrashNoteTest() {
    std::string name = absl::StrCat(::testing::TempDir(), "/crash.XXXXXX");
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = absl::StrCat(name, "/crash");
  }

  // A child process keeps notes and then does `act`.
  void Die(const std::function<void()>& act) {
    EXPECT_DEATH(KeepNotesAndDo(act), "");
  }
  void KeepNotesAndDo(const std::function<void()>& act) {
    CHECK(KeepCrashNotes(path_).ok());
    act();
  }

  std::string path_;
};

TEST_F(CrashNoteTest, AFailedCheckLeavesWhatWasDone) {
  EXPECT_EQ(ReadCrashNote(path_), std::nullopt);
  Die([] {
    { CrashScope before(3, 16); }
    CrashScope scope(3, 17);
    CHECK(false) << "on purpose";
  });
  EXPECT_EQ(ReadCrashNote(path_), (CrashNote{.partition = 3, .index = 17}));
}

TEST_F(CrashNoteTest, SoDoesAFault) {
  Die([] {
    CrashScope scope(4, uint64_t{1} << 40);
    std::raise(SIGSEGV);
  });
  EXPECT_EQ(ReadCrashNote(path_),
            (CrashNote{.partition = 4, .index = uint64_t{1} << 40}));
}

TEST_F(CrashNoteTest, OutsideOfAScopeThereIsNone) {
  Die([] {
    { CrashScope scope(3, 17); }
    std::abort();
  });
  EXPECT_EQ(ReadCrashNote(path_), std::nullopt);
}

TEST_F(CrashNoteTest, WhoeverKeepsNotesBeginsWithoutOne) {
  Die([] {
    CrashScope scope(3, 17);
    std::abort();
  });
  ASSERT_TRUE(KeepCrashNotes(path_).ok());
  EXPECT_EQ(ReadCrashNote(path_), std::nullopt);
}

TEST_F(CrashNoteTest, HalfANoteIsNone) {
  Die([] {
    CrashScope scope(3, 17);
    std::abort();
  });
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8);
  file.put('\x55');
  file.close();
  EXPECT_EQ(ReadCrashNote(path_), std::nullopt);
}

}  // namespace
}  // namespace base
