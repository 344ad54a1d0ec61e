// What is due and what primitives put off, and how an entry is shared among
// them.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "session/limits.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"
#include "session/types.h"

namespace session {
namespace {

using testing::kChoreItems;
using testing::kChores;
using testing::kLock;
using testing::kPut;
using testing::kSecond;
using testing::Replica;

constexpr uint64_t kPerEntry = 3 * kChoreItems;

class DueWorkTest : public ::testing::Test {
 protected:
  static Limits TestLimits() {
    Limits limits;
    limits.reclaim_items_max = kPerEntry;
    return limits;
  }

  // Boxes with so many chores each: more than one entry may do.
  void Busy(int count, int chores) {
    for (int i = 0; i < count; ++i) {
      busy_.push_back(Box(absl::StrCat("busy", i)));
      Do(busy_.back(), kChores, absl::StrCat(chores));
    }
  }
  PrimitiveId Box(const std::string& name) {
    return replica_.Create(owner_, ++sequence_, name);
  }
  void Do(PrimitiveId box, uint32_t operation, const std::string& input) {
    replica_.Run(owner_, ++sequence_, box, operation, input);
  }
  bool IsDone(PrimitiveId box) {
    return replica_.Get(owner_, box, "chores")[0] == '!';  // Not found.
  }
  bool AllDone() {
    for (const PrimitiveId box : busy_) {
      if (!IsDone(box)) return false;
    }
    return true;
  }

  Replica replica_{TestLimits()};
  const SessionId owner_ = replica_.Open(3'600 * kSecond);
  uint64_t sequence_ = 0;
  std::vector<PrimitiveId> busy_;
};

// A Clear of some large maps, say.
TEST_F(DueWorkTest, WhatIsPutOffDelaysNoDeadline) {
  const PrimitiveId door = Box("door");
  const SessionId other = replica_.Open(3'600 * kSecond);
  replica_.Create(other, 1, "door");
  Do(door, kLock, "");
  replica_.Run(other, 2, door, kLock, absl::StrCat(kSecond));
  const SessionId dying = replica_.Open(kSecond);
  replica_.Create(dying, 1, "door");
  Busy(8, 20);
  ASSERT_FALSE(AllDone());
  replica_.Pass(2 * kSecond);
  replica_.Tick();
  EXPECT_EQ(replica_.Outputs(other, 2), "1:!12 too late end");
  EXPECT_EQ(replica_.machine().counts().sessions, 2u);
  EXPECT_FALSE(AllDone());
}

// And the other way round: what is due delays no Clear.
TEST_F(DueWorkTest, WhatIsDueDelaysNothingThatIsPutOff) {
  const PrimitiveId shelf = Box("shelf");
  for (int i = 0; i < 1'000; ++i) {
    Do(shelf, kPut, absl::StrCat(i, " x ", kSecond));
  }
  Busy(1, 4);
  replica_.Pass(2 * kSecond);
  for (int i = 0; i < 4; ++i) replica_.Tick();
  EXPECT_TRUE(AllDone());
  EXPECT_EQ(replica_.Get(owner_, shelf, "0")[0], '!');
  EXPECT_EQ(replica_.Get(owner_, shelf, "999"), "x");
}

// Nothing else is due: then it has all that an entry may do.
TEST_F(DueWorkTest, WhatIsPutOffHasTheWholeEntryIfNobodyElseWantsIt) {
  Busy(8, 4);
  int ticks = 0;
  for (; !AllDone(); ++ticks) {
    ASSERT_LT(ticks, 100);
    replica_.Tick();
  }
  // Three at a time, of those that entries before have not done.
  EXPECT_LE(ticks, 8 * 4 / 2);
}

// What one replica has loaded and another not, and both then do.
TEST_F(DueWorkTest, AReplicaThatLoadedTheImageGoesOnAlike) {
  const PrimitiveId shelf = Box("shelf");
  for (int i = 0; i < 400; ++i) {
    Do(shelf, kPut, absl::StrCat(i, " x ", kSecond + i));
  }
  Busy(5, 7);
  replica_.Pass(2 * kSecond);
  replica_.Tick();
  replica_.Checkpoint();
  replica_.WriteImage();
  Replica loaded = Replica::Load(replica_.image(), TestLimits());
  loaded.At(replica_.now());
  for (int i = 0; i < 30; ++i) {
    replica_.Tick();
    loaded.Tick();
    ASSERT_EQ(loaded.machine().FullDigest(), replica_.machine().FullDigest());
  }
  EXPECT_TRUE(AllDone());
}

}  // namespace
}  // namespace session
